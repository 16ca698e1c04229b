"""The way of the data has one direction: a module imports only from modules earlier in ARCHITECTURE.md's table."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ORDER = (
    "errors", "notebook", "schemas", "_types", "archives", "atomic", "jit", "ratings", "readers", "store", "datasets",
    "loaders", "splitting", "events", "ranking", "metrics", "reranking", "sparse", "nn", "headers", "storage",
    "distributed", "training", "sklearn", "recommender", "models", "settings", "explanation", "export", "evaluation",
    "comparison", "tuning", "plots", "demos", "serving", "cli",
)  # fmt: skip
# Importing upwards on purpose, each with its reason.
EXCEPTIONS = {
    ("__init__", "*"): "the face of the package: it names what the modules offer, and imports it when it is asked for",
    ("__main__", "cli"): "python -m recae",
    ("nn", "sklearn"): "recae.nn offers AutoencoderTransformer, which trains, by name; imported when it is asked for",
}
FILES = sorted((ROOT / "recae").rglob("*.py"))


def room_of(module: str) -> str:
    """The part of the package that a dotted module name belongs to."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def home(path: Path) -> str:
    """The part of the package that a file belongs to."""
    return path.relative_to(ROOT / "recae").with_suffix("").parts[0]


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """Line and dotted name of every module of recae that a file imports, lazily or by `import_module` included."""
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names if alias.name.split(".")[0] == "recae")
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute"
            if node.module == "recae":  # the version is a fact about all of them
                yield from ((node.lineno, f"recae.{a.name}") for a in node.names if a.name != "__version__")
            elif (node.module or "").startswith("recae."):
                yield node.lineno, str(node.module)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if called in ("import_module", "__import__") and str(node.args[0].value).startswith("recae"):
                yield node.lineno, str(node.args[0].value)


def is_allowed(importer: str, target: str) -> bool:
    if importer == target or (importer, target) in EXCEPTIONS or (importer, "*") in EXCEPTIONS:
        return True
    if target == "__init__" or importer not in ORDER or target not in ORDER:
        return False
    return ORDER.index(target) < ORDER.index(importer)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_go_one_way(path: Path) -> None:
    """Every import of recae in this file, lazy ones included, is from the same or an earlier part."""
    importer = home(path)
    wrong = [
        f"{path}:{line} imports {name}" for line, name in imported(path) if not is_allowed(importer, room_of(name))
    ]
    assert wrong == []


def test_every_part_has_a_place() -> None:
    """Each module and folder of the package is in the order, and each name in the order exists."""
    found = {home(path) for path in FILES} - {"__init__", "__main__"}
    assert found == set(ORDER)


def test_the_map_shows_every_part_in_that_order() -> None:
    """ARCHITECTURE.md's table names each part, in the order that is tested here."""
    rows = [line for line in (ROOT / "ARCHITECTURE.md").read_text().splitlines() if line.startswith("| `recae/")]
    mapped = [cell.split("`")[1] for row in rows for cell in row.split("|")[1].split(",")]
    named = [name.removeprefix("recae/").removesuffix("/").removesuffix(".py") for name in mapped]
    assert named == list(ORDER)


def test_the_check_can_fail(tmp_path: Path) -> None:
    """Upward imports are found in every form: plain, from, nested in a function, and by name."""
    file = tmp_path / "x.py"
    file.write_text(
        "import recae.cli\nfrom recae import models\ndef f():\n    from recae.training import Trainer\n"
        "import importlib\nimportlib.import_module('recae.plots')\nimport numpy\n"
    )
    targets = [room_of(name) for _, name in imported(file)]
    assert sorted(targets) == ["cli", "models", "plots", "training"]
    assert not any(is_allowed("sparse", target) for target in targets)
    assert is_allowed("training", "nn")
    assert is_allowed("sparse", "sparse")
    assert not is_allowed("ratings", "__init__")


def test_the_core_knows_neither_users_nor_files() -> None:
    """recae.sparse and recae.nn import nothing of ratings, loaders, models or tables: images learn with them too."""
    for path in FILES:
        if home(path) in ("sparse", "nn"):
            core = {"errors", "_types", "jit", "sparse", "nn", "sklearn"}
            outside = {room_of(name) for _, name in imported(path)} - core
            assert outside == set(), path
            assert "pandas" not in path.read_text(), path


def test_array_types_are_named_once() -> None:
    """Names of array types are defined in recae/_types.py, and nowhere else."""
    defined = re.compile(r"^\w+ = (npt\.NDArray\[|sparse\.csr_array$|dict\[str, npt\.NDArray)", re.MULTILINE)
    assert [path for path in FILES if defined.search(path.read_text())] == [ROOT / "recae" / "_types.py"]
