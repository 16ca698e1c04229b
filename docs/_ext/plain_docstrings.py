"""Docstrings are plain text with `code`: signs that reStructuredText would read otherwise are escaped."""

import re
from typing import Any

from sphinx.application import Sphinx

_CODE = re.compile(r"(``.+?``|`[^`\n]+`)")
_SIGNS = re.compile(r"([|*_\\])(?=\S|\s|$)")


def plain(line: str) -> str:
    """`line` with every sign outside code as itself."""
    if line.lstrip().startswith((":", ".. ")):
        return line  # a field that napoleon made
    parts = _CODE.split(line)
    return "".join(part if number % 2 else _SIGNS.sub(r"\\\1", part) for number, part in enumerate(parts))


def escape(app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    del app, what, name, thing, options
    lines[:] = ["Hyperparameters:" if line == "Hyper-parameters:" else plain(line) for line in lines]  # as napoleon can


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("autodoc-process-docstring", escape, priority=400)  # before napoleon, whose priority is 500
    return {"parallel_read_safe": True, "parallel_write_safe": True}
