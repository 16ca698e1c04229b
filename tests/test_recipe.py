"""ARCHITECTURE.md's "Adding a model", followed to the letter in a copy of the package."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TESTS = (
    "contract.py",
    "conftest.py",
    "property_examples.py",
    "test_models.py",
    "test_models_new.py",
    "test_models_ratings.py",
    "test_model_files.py",
)


def recipe() -> dict[str, str]:
    """The section's blocks of code by the file that they belong to."""
    text = (ROOT / "ARCHITECTURE.md").read_text()
    section = text.split("## Adding a model\n")[1].split("\n## ")[0]
    parts = section.split("```python\n")
    named = [re.findall(r"`(recae/[\w/]+\.py)`", part.split("```\n")[-1])[-1] for part in parts[:-1]]
    return dict(zip(named, [part.split("```\n")[0] for part in parts[1:]]))


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package and its contract suite, with the recipe's files and lines added, and nothing else."""
    folder = tmp_path_factory.mktemp("copy")
    shutil.copytree(ROOT / "recae", folder / "recae")
    (folder / "tests").mkdir()
    for name in TESTS:
        shutil.copy2(ROOT / "tests" / name, folder / "tests")
    for name, code in recipe().items():
        path = folder / name
        path.write_text(path.read_text() + code if path.exists() else code)
    return folder


def run(folder: Path, *args: str) -> str:
    """What Python prints there; it must end well."""
    done = subprocess.run(
        [sys.executable, *args],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def test_it_is_two_models_and_a_line_for_each() -> None:
    """A worked example of each kind, and one line a model in the registry: nothing else is asked for."""
    *models, registry = recipe()
    assert models == ["recae/models/linear/ridge_ae.py", "recae/models/vae/logistic_dae.py"]
    assert registry == "recae/models/__init__.py"
    assert len(recipe()[registry].splitlines()) == len(models)


def test_the_package_and_the_command_line_know_the_models(copy: Path) -> None:
    """recae.NAME, dir, help, and the lists and options of the command line, after one line."""
    printed = run(
        copy, "-c",
        "import recae, inspect; assert 'LogisticDAE' in dir(recae) and 'RidgeAutoencoder' in recae.__all__\n"
        "assert 'l2: L2 weight on B. Default 100.0' in inspect.getdoc(recae.RidgeAutoencoder)\n"
        "print(recae.make_model('logistic-dae', hidden=3), recae.RidgeAutoencoder(l2=5.0), recae.__file__)",
    )  # fmt: skip
    assert printed == f"LogisticDAE(hidden=3) RidgeAutoencoder(l2=5.0) {copy}/recae/__init__.py\n"
    assert "logistic-dae" in run(copy, "-m", "recae", "models")
    assert "--dropout" in run(copy, "-m", "recae", "models", "logistic-dae")
    assert "--l2" in run(copy, "-m", "recae", "train", "--model", "ridge-ae", "--help")


@pytest.mark.slow
def test_the_contract_suite_passes_over_the_models(copy: Path) -> None:
    """Every test of the contract is made for both models, without being told of them, and passes."""
    printed = run(copy, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests", "-k", "ridge-ae or logistic-dae")
    passed = re.search(r"(\d+) passed", printed)
    assert passed is not None
    assert int(passed[1]) >= 2 * 20
