"""What an sdist and a wheel hold: the pages of the server and the stub, beside the code."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


_BUILD = "import sys; from setuptools import build_meta; getattr(build_meta, f'build_{sys.argv[1]}')(sys.argv[2])"


def built(kind: str, source: Path, target: Path) -> Path:
    """The sdist or the wheel of a folder, as pip and `python -m build` ask the backend for it."""
    done = subprocess.run(
        [sys.executable, "-c", _BUILD, kind, str(target)], cwd=source, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (made,) = target.glob("*.whl" if kind == "wheel" else "*.tar.gz")
    return made


@pytest.mark.slow
def test_an_sdist_holds_the_package_and_makes_its_wheel(tmp_path: Path) -> None:
    """The sdist holds the package, LICENSE and texts, no tests, data or results. Its wheel holds each file of it that
    is no cache, byte for byte."""
    pytest.importorskip("setuptools")
    source = tmp_path / "source"
    source.mkdir()
    for name in ("pyproject.toml", "MANIFEST.in", "README.md", "LICENSE", "CHANGELOG.md", "CITATION.cff"):
        (source / name).write_bytes((ROOT / name).read_bytes())
    for name in ("recae", "tests", "benchmarks", "data", "docs"):
        (source / name).symlink_to(ROOT / name)
    sdist = built("sdist", source, tmp_path)
    shutil.unpack_archive(sdist, tmp_path / "unpacked")
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    assert {path.name for path in unpacked.iterdir()} == {
        "recae", "recae.egg-info", "pyproject.toml", "setup.cfg", "PKG-INFO", "MANIFEST.in", "README.md", "LICENSE",
        "CHANGELOG.md", "CITATION.cff",
    }  # fmt: skip
    wheel = zipfile.ZipFile(built("wheel", unpacked, tmp_path))
    wanted = {path.relative_to(ROOT).as_posix(): path for path in (ROOT / "recae").rglob("*") if path.is_file()}
    wanted = {name: path for name, path in wanted.items() if "__pycache__" not in name}
    assert "recae/serving/static/index.html" in wanted
    assert {name for name in wheel.namelist() if ".dist-info/" not in name} == set(wanted)
    assert all(wheel.read(name) == path.read_bytes() for name, path in wanted.items())
    assert any(name.endswith("licenses/LICENSE") for name in wheel.namelist())


def test_the_version_is_said_once() -> None:
    """The package, the command, the distribution's metadata and CITATION.cff have one version."""
    import tomllib

    import recae

    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert settings["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "recae.__version__"}
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {recae.__version__}\n" in citation
    command = [sys.executable, "-m", "recae", "--version"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert printed.split()[-1] == recae.__version__


def test_workflows_call_what_is_there() -> None:
    """Jobs on GitHub run targets of the Makefile and test files that exist, on the Pythons that the package is for."""
    import tomllib

    yaml = pytest.importorskip("yaml")
    jobs = {
        name: job
        for file in (ROOT / ".github" / "workflows").glob("*.yml")
        for name, job in yaml.safe_load(file.read_text(encoding="utf-8"))["jobs"].items()
    }
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    assert {target for line in lines for target in re.findall(r"make ([\w-]+)", line)} <= set(targets)
    assert all((ROOT / path).exists() for line in lines for path in re.findall(r"tests/\S+", line))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found = [names for line in lines for names in re.findall(r"\.\[([\w,]+)\]", line)]
    extras = {extra for names in found for extra in names.split(",")}
    assert extras <= set(project["optional-dependencies"])
    pythons = [one.split(" :: ")[-1] for one in project["classifiers"] if re.search(r":: 3\.\d+$", one)]
    assert jobs["newest"]["strategy"]["matrix"]["python"] == pythons
