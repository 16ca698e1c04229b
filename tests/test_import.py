"""What importing costs, and what is not needed: heavy and optional modules stay out until they are used."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import recae

ROOT = Path(__file__).parents[1]
# A GPU machine has torch, triton, numpy, scipy, pandas, numba, click, safetensors and pytest, and nothing else.
ABSENT = [
    "pyarrow", "sklearn", "implicit", "pooch", "tqdm", "matplotlib", "platformdirs", "requests", "hypothesis",
    "ir_measures", "rich", "psutil",
]  # fmt: skip
HEAVY = ["numba", "torch", "sklearn", "pyarrow", "matplotlib", "implicit", "pooch", "scipy.optimize", "requests"]


def run(code: str, *args: str) -> str:
    """What a fresh interpreter prints."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *args], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_the_package_imports_next_to_nothing() -> None:
    """`import recae` loads neither torch nor numba nor anything else that is heavy, nor pandas."""
    loaded = run("import sys, recae; print(*sys.modules)").split()
    assert "recae" in loaded
    assert not {*HEAVY, *ABSENT, "pandas", "numpy"} & set(loaded)


def test_a_module_of_the_package_is_imported_by_itself() -> None:
    """`from recae import metrics` imports no model, and each module can be the first one that is imported."""
    loaded = set(run("import sys; from recae import metrics; print(*sys.modules)").split())
    assert "recae.metrics" in loaded
    assert not {"torch", "recae.models"} & loaded
    assert run("from recae.distributed.ranks import current; print(current().size)") == "1\n"


@pytest.mark.parametrize(
    ("modules", "heavy"),
    [
        (["ratings", "loaders", "splitting", "ranking", "metrics"], HEAVY),
        (["sparse", "nn", "storage", "training", "models", "evaluation"], [m for m in HEAVY if m != "torch"]),
    ],
    ids=["tables", "core"],
)
def test_a_part_imports_only_what_it_is_made_of(modules: list[str], heavy: list[str]) -> None:
    """Tables and files do without torch; the core does without numba, scikit-learn and matplotlib until used."""
    code = "import sys, importlib as i; [i.import_module(m) for m in sys.argv[1:]]; print(*sys.modules)"
    loaded = set(run(code, *(f"recae.{m}" for m in modules)).split())
    # What torch and pandas themselves import is not ours to choose.
    theirs = set(run(code, "pandas", "scipy.sparse", *([] if "torch" in heavy else ["torch"])).split())
    assert f"recae.{modules[0]}" in loaded
    assert not (set(heavy) - theirs) & loaded


_TRAINED = """
    import sys
    import numpy as np, pandas as pd, recae
    users, items = np.nonzero(np.random.default_rng(0).random((30, 22)) < 0.4)
    ratings = recae.RatingMatrix.from_columns(users, items, 1.0 + (users + items) % 5, users * 99999 + items)
    small = {"epochs": 1, "hidden": 2}
    for optimizer in ("adam", "sgd", "rprop", "lbfgs"):
        recae.AutoRec(optimizer=optimizer, path="dense", batch_size=None, **small).fit(ratings, progress=False)
    for model in (recae.MultVAE(**small), recae.ItemKNN()):
        model.fit(ratings, progress=False).similar_items(1)
    print(*sys.modules)
"""


def test_training_imports_neither_pytorchs_compiler_nor_scikit_learn() -> None:
    """Whatever the optimiser, PyTorch's compiler stays out, and so does scikit-learn for similar items: each takes as
    long to import as PyTorch or pandas."""
    loaded = set(run(_TRAINED).split())
    assert "torch.optim" in loaded
    assert not {"torch._dynamo", "sympy", "sklearn"} & loaded


_LOADED = """
    import sys
    import recae
    for file in sys.argv[1:]:
        recae.load_model(file)
    print(*sys.modules)
"""


def test_reading_a_network_does_not_import_pytorchs_compiler(tmp_path: Path) -> None:
    """However a network makes its first weights, it is read without PyTorch's compiler and SymPy, which are slow."""
    users, items = np.nonzero(np.random.default_rng(0).random((30, 22)) < 0.4)
    ratings = recae.RatingMatrix.from_columns(users, items, 1.0 + (users + items) % 5)
    small: dict[str, Any] = {"epochs": 1, "hidden": (3, 2, 3)}
    models = [
        recae.DualAutoRec(**small), recae.DeepRec(**small), recae.AutoRec(by="user", output="ordinal", **small),
        recae.AutoRec(by="item", output="sigmoid", **small), recae.CDAE(epochs=1, hidden=2),
    ]  # fmt: skip
    files = [str(model.fit(ratings, progress=False).save(tmp_path / str(n))) for n, model in enumerate(models)]
    loaded = set(run(_LOADED, *files).split())
    assert "recae.recommender.learned_network" in loaded
    assert not {"torch._dynamo", "sympy"} & loaded


_WITHOUT = """
    import sys
    absent = set(sys.argv[1].split(","))

    class Without:
        # a finder that does not find what is absent
        def __init__(self, finder):
            self.finder = finder
        def find_spec(self, name, path=None, target=None):
            return None if name.split(".")[0] in absent else self.finder.find_spec(name, path, target)

    sys.meta_path[:] = [Without(finder) for finder in sys.meta_path]
    try:
        import pyarrow
    except ModuleNotFoundError:
        pass
    else:
        raise SystemExit("nothing is blocked: this test proves nothing")

    import recae, recae.sparse, recae.nn, recae.training, recae.models, recae.cli
    import numpy as np
    rng = np.random.default_rng(0)
    users, items = np.nonzero(rng.random((12, 9)) < 0.6)
    ratings = recae.RatingMatrix.from_columns(users, items, rng.integers(1, 6, len(users)), scale=(1.0, 5.0))
    for by in ("item", "user"):
        model = recae.AutoRec(by=by, hidden=3, epochs=2, device="cpu").fit(ratings)
        assert len(model.recommend(0, n=3)) == 3
        again = recae.load_model(model.save(sys.argv[2]))
        assert (again.recommend(1, n=3)["score"] == model.recommend(1, n=3)["score"]).all()
    print("works")
"""


def test_the_core_works_on_a_bare_gpu_machine(tmp_path: Path) -> None:
    """With every other module blocked, AutoRec is trained, saved, loaded and asked: only the few are needed."""
    assert run(_WITHOUT, ",".join(ABSENT), str(tmp_path / "m.recae")) == "works\n"


def test_every_public_name_is_there() -> None:
    """Whatever `recae` says it has can be had, and what it has not is an AttributeError."""
    import recae

    for name in recae.__all__:
        assert getattr(recae, name) is not None
    assert set(recae.__all__) <= set(dir(recae))
    with pytest.raises(AttributeError, match="no_such_name"):
        recae.no_such_name  # noqa: B018 - the access is the test


# Modules whose distribution has another name, and what is found but not asked for.
DISTRIBUTIONS = {"PIL": "pillow", "sklearn": "scikit-learn", "tomli_w": "tomli-w"}
UNDECLARED = {"triton"}  # comes with PyTorch where there is a GPU


def test_what_is_imported_is_declared() -> None:
    """Every module that the package imports is in pyproject.toml: a dependency, or an extra that a user can ask for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [name for extra, names in project["optional-dependencies"].items() if extra != "dev" for name in names]
    declared = {re.split(r"[<>=\[; ]", name)[0] for name in [*project["dependencies"], *extras]}
    modules = {module for path in (ROOT / "recae").rglob("*.py") for module in imported_by(path)}
    others = modules - sys.stdlib_module_names - UNDECLARED - {"recae"}
    assert "numpy" in others
    assert {DISTRIBUTIONS.get(module, module) for module in others} - declared == set()


def imported_by(path: Path) -> set[str]:
    """The top-level modules that a file imports, lazily or not."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


def test_the_stub_names_what_is_there() -> None:
    """Every name of the stub that type checkers read exists, and "*" stands for the module of the models."""
    import recae

    assert recae._HOMES["*"] == "recae.models"
    assert {name for name in recae._HOMES if name != "*"} < set(recae.__all__)
    assert {entry.model_class.__name__ for entry in recae.MODELS.values()} < set(recae.__all__)


def test_the_version_stands_once() -> None:
    """pyproject.toml takes the version from the package."""
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["project"]["dynamic"] == ["version"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "recae.__version__"}
