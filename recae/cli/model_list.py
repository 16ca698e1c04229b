"""The models by name, read from the text of their modules: lists and completion need no PyTorch, which they import."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

_ROOT = Path(str(find_spec("recae").origin)).parents[1]  # type: ignore[union-attr]


@dataclass(frozen=True)
class Listed:
    """A model as `register` names it, and whether it predicts ratings."""

    name: str
    about: str
    gives: str
    class_name: str
    preset: dict[str, Any]


@cache
def listed_models() -> tuple[Listed, ...]:
    """All models, in the order of `recae/models/__init__.py`, as `recae.models.MODELS` has them."""
    modules = _imports(_tree("recae.models"))
    return tuple(model for name, module in modules.items() for model in _registered(name, module))


def names() -> list[str]:
    return [model.name for model in listed_models()]


def _registered(class_name: str, module: str) -> Iterator[Listed]:
    """The names of a class; of several, the lowest decorator is called first."""
    found = _class(class_name, module)
    for call in reversed(found.decorator_list if found else []):
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "register":
            name, about = (ast.literal_eval(part) for part in call.args[:2])
            preset = {str(key.arg): ast.literal_eval(key.value) for key in call.keywords}
            yield Listed(name, about, "ratings" if _predicts_ratings(class_name, module) else "rankings",
                         class_name, preset)  # fmt: skip


def _predicts_ratings(class_name: str, module: str) -> bool:
    """`predicts_ratings` as the class or the first base that sets it has it."""
    found = _class(class_name, module)
    if found is None:
        return False
    for line in found.body:
        if isinstance(line, ast.AnnAssign) and getattr(line.target, "id", "") == "predicts_ratings":
            return bool(ast.literal_eval(line.value)) if line.value else False
    homes = _imports(_tree(module))
    bases = [base.id for base in found.bases if isinstance(base, ast.Name)]
    return any(_predicts_ratings(base, homes.get(base, module)) for base in bases)


def _class(name: str, module: str) -> ast.ClassDef | None:
    return next((n for n in _tree(module).body if isinstance(n, ast.ClassDef) and n.name == name), None)


def _imports(tree: ast.Module) -> dict[str, str]:
    """Names that a module imports from recae, and the module of each."""
    lines = [node for node in tree.body if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("recae")]
    return {alias.asname or alias.name: str(node.module) for node in lines for alias in node.names}


@cache
def _tree(module: str) -> ast.Module:
    """The text of a module, parsed; an empty one where there is no such file."""
    path = _ROOT.joinpath(*module.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return ast.parse(file.read_text(encoding="utf-8") if file.is_file() else "")
