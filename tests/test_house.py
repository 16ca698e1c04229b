"""How easy it is to find one's way: files that a fit touches, names, sizes, cycles of imports."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from test_layers import FILES, ROOT, imported

PACKAGE = ROOT / "recae"

# Fit a model, and print each file of recae whose functions were called.
_TRACE = """
import sys, threading, recae
root, touched = sys.argv[1], set()

def note(frame, event, argument):
    if event == "call" and frame.f_code.co_filename.startswith(root) and frame.f_code.co_name != "<module>":
        touched.add(frame.f_code.co_filename)

split = recae.split(recae.load("sample"), "random", test=0.1, validation=0.1, rng=0)
model = recae.make_model(sys.argv[2], **({"epochs": 2} if sys.argv[2] == "i-autorec" else {}))
sys.setprofile(note)
threading.setprofile(note)
model.fit(split.train, split.validation if sys.argv[2] == "i-autorec" else None)
sys.setprofile(None)
print(*sorted(touched), sep="\\n")
"""


def touched_by(model: str) -> list[str]:
    """The files of recae in which a function is called while `model` is fitted on the sample."""
    command = [sys.executable, "-c", _TRACE, str(PACKAGE), model]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    return [str(Path(line).relative_to(PACKAGE)) for line in done.stdout.split()]


@pytest.mark.parametrize(("model", "most"), [("i-autorec", 25), ("ease", 12)])
def test_a_fit_is_read_in_few_files(model: str, most: int) -> None:
    """Who follows one call of `fit`, with a validation part for AutoRec, opens at most so many files."""
    files = touched_by(model)
    assert len(files) > 5
    assert len(files) <= most, files


def test_no_two_files_have_one_name() -> None:
    """A file's name says which one it is."""
    names = Counter(path.name for path in FILES if not path.name.startswith("__"))
    assert [name for name, count in names.items() if count > 1] == []


def test_files_are_short() -> None:
    """No file of the package is longer than 320 lines."""
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in FILES}
    assert {path: n for path, n in lengths.items() if n > 320} == {}


def file_of(module: str) -> Path | None:
    """The file that a dotted name of recae is imported from; None where it is no module."""
    path = ROOT.joinpath(*module.split("."))
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if file.is_file():
            return file
    return None


def imports_of(path: Path) -> set[Path]:
    """The files that `path` imports from, lazily or not; what only type checkers read does not count."""
    tree = ast.parse(path.read_text())
    checked = [
        node for node in ast.walk(tree) if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    ]
    left_out = {line for node in checked for line in range(node.lineno, int(node.end_lineno or node.lineno) + 1)}
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.lineno not in left_out and (node.module or "").startswith("recae"):
            for name in node.names:
                file = file_of(f"{node.module}.{name.name}") or file_of(str(node.module))
                found |= {file} if file else set()
    by_name = {(line, name) for line, name in imported(path) if line not in left_out and file_of(name)}
    return found | {file for _, name in by_name if (file := file_of(name)) and not _is_from_import(tree, name)}


def _is_from_import(tree: ast.AST, name: str) -> bool:
    return any(isinstance(node, ast.ImportFrom) and node.module == name for node in ast.walk(tree))


def cycles(graph: dict[Path, set[Path]]) -> list[list[Path]]:
    """Groups of files that import each other, directly or through others."""
    reached = {start: _reachable(graph, start) for start in graph}
    groups = {frozenset(b for b in reached[a] if a in reached[b]) | {a} for a in graph if a in reached[a]}
    return [sorted(group) for group in groups]


def _reachable(graph: dict[Path, set[Path]], start: Path) -> set[Path]:
    seen: set[Path] = set()
    waiting = [start]
    while waiting:
        for file in graph.get(waiting.pop(), set()) - seen:
            seen.add(file)
            waiting.append(file)
    return seen


def test_no_import_is_circular() -> None:
    """No file imports itself through others, imports inside functions included."""
    graph = {path: imports_of(path) - {path} for path in FILES}
    assert sum(map(len, graph.values())) > 300
    assert [[str(p.relative_to(ROOT)) for p in group] for group in cycles(graph)] == []


def test_a_cycle_is_found() -> None:
    """Of a -> b -> c -> b and c -> d, the group is b and c."""
    a, b, c, d = (Path(name) for name in "abcd")
    assert cycles({a: {b}, b: {c}, c: {b, d}, d: set()}) == [[b, c]]
