"""recae: recommender systems from rating-matrix autoencoders, from linear to variational, fast on sparse rows.

import recae

ratings = recae.load("sample")
split = recae.split(ratings, "random", test=0.1, validation=0.1, rng=0)
model = recae.AutoRec(by="item").fit(split.train, split.validation)
print(recae.evaluate(model, split.test))
model.recommend(users=[1], n=10)
"""

from __future__ import annotations

import ast
import gc
import importlib
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

__version__ = "0.1.0"

# The public names stand in the stub, `__init__.pyi`, which type checkers read; "*" stands for the registered models. A
# module is imported when one of its names is first asked for. (`lazy_loader` does this too, but does not know "*".)
_STUB = ast.parse(Path(__file__).with_suffix(".pyi").read_text(encoding="utf-8"))
_HOMES = {name.name: node.module for node in _STUB.body if isinstance(node, ast.ImportFrom) for name in node.names}


def __getattr__(name: str) -> Any:
    if name == "__all__":
        return __dir__()
    home = _HOMES.get(name, _HOMES["*"])
    if name not in _HOMES and find_spec(f"recae.{name}"):  # a module: `from recae import metrics` imports only that
        raise AttributeError(f"module 'recae' has no attribute {name!r} before 'import recae.{name}'")
    if name.startswith("_") or not hasattr(module := _imported(str(home)), name):
        raise AttributeError(f"module 'recae' has no attribute {name!r}")
    return getattr(module, name)


def _imported(module: str) -> ModuleType:
    """Import a module. The garbage collector rests meanwhile: it finds little, and takes time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        return importlib.import_module(module)
    finally:
        if was_on:
            gc.enable()


def __dir__() -> list[str]:
    models = vars(_imported(str(_HOMES["*"])))
    of_models = {name for name, value in models.items() if name[0] != "_" and not isinstance(value, ModuleType)}
    return sorted({*_HOMES, *of_models, "__version__"} - {"*"})
