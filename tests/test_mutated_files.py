"""Model files that somebody has changed: read and used, or refused in one line; `make fuzz` tries many more."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from fuzz_files import ending, write_models

from recae.cli import recae
from recae.errors import ModelFileError
from recae.settings import read_settings

CASES = 150


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_models(folder)
    return folder


@pytest.mark.filterwarnings("ignore")
def test_changed_model_files_are_refused_or_work(models: Path, tmp_path: Path) -> None:
    """Seeded changes of bytes, headers, arrays and settings end in an error of recae's or in finite results."""
    found = [ending(0, case, models, tmp_path / "m.recae") for case in range(CASES)]
    assert [what for how, what in found if how not in ("clean", "accepted")] == []
    refused = [what for how, what in found if how == "clean"]
    assert CASES / 4 < len(refused) < CASES  # the changes reach the checks, and not all are the end of a file
    assert all("\n" not in what for what in refused)


@pytest.mark.filterwarnings("ignore")
def test_the_command_line_checks_a_file(models: Path, tmp_path: Path) -> None:
    """`recae check` says that a file is whole, or what of it was changed, with exit status 1."""
    data = bytearray((models / "ease.recae").read_bytes())
    data[-1] ^= 1
    (tmp_path / "changed.recae").write_bytes(data)
    assert CliRunner().invoke(recae, ["check", str(models / "ease.recae")]).exit_code == 0
    refused = CliRunner().invoke(recae, ["check", str(tmp_path / "changed.recae")])
    assert refused.exit_code == 1
    assert "checksum of array" in refused.output


@pytest.mark.parametrize("text", ["a = " + "[" * 100_000, "a = " + "1" * 5000, "a = ", 'a = "'])
def test_settings_that_are_no_toml_are_refused(text: str, tmp_path: Path) -> None:
    """Nested too deep, a number of too many digits, or cut short: one error that names the file."""
    path = tmp_path / "settings.toml"
    path.write_text(text)
    with pytest.raises(ModelFileError, match=r"settings\.toml is not TOML"):
        read_settings(path)
