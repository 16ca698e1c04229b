"""The benchmark programs, one line each."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from benchmarks import __path__ as folders


def programs() -> Iterator[tuple[str, str]]:
    """Name and first sentence of every program: a module that runs as `python -m benchmarks.NAME`."""
    home = Path(folders[0])
    rooms = [room for room in home.iterdir() if (room / "__main__.py").exists()]
    files = [room / "__main__.py" for room in rooms]
    files += [file for room in folders[1:] for file in Path(room).glob("*.py")]
    for file in files:
        text = file.read_text()
        if file.name == "__main__.py" and file.parent in rooms and (said := docstring(text)):
            yield file.parent.name, said
        elif 'if __name__ == "__main__":' in text:
            yield file.stem, docstring(text)


def docstring(text: str) -> str:
    """The first line of a module's docstring; "" without one."""
    return (ast.get_docstring(ast.parse(text)) or "").partition("\n")[0]


if __name__ == "__main__":
    for name, said in sorted(set(programs())):
        print(f"python -m benchmarks.{name:<14} {said}")
