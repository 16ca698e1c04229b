"""Models of one's own: registered in a module that the user names, or given by class; never because a file says so."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_helpers import warmly

import recae
from recae.errors import ModelFileError
from recae.recommender.registry import MODELS

_MODULE = """
import recae

@recae.register("strict-ease", "EASE that trusts little")
@recae.hyperparameters
class StrictEASE(recae.EASE):
    l2: float = recae.default(2000.0)

class Plain(recae.Popularity):
    pass
"""


class Unregistered(recae.Popularity):
    """A model without a name."""


def test_a_class_without_a_name_is_saved_and_read_by_its_class(tmp_path: Path) -> None:
    """load_model(path, Class) reads it; without the class, or with another, the message says what the file holds."""
    file = Unregistered().fit(recae.load("sample")).save(tmp_path / "m.recae")
    assert type(recae.load_model(file, Unregistered)) is Unregistered
    with pytest.raises(ModelFileError, match=r"the class Unregistered, which .* needs its module imported, or load"):
        recae.load_model(file)
    with pytest.raises(ModelFileError, match="holds the class Unregistered, not EASE"):
        recae.load_model(file, recae.EASE)


def test_a_class_name_that_is_taken_is_refused() -> None:
    """Files name the class, so that two classes of one name would be read as each other; a name is taken once, too."""
    other = type("EASE", (recae.Popularity,), {"__module__": "shop"})
    with pytest.raises(ValueError, match="a class EASE is 'ease' already"):
        recae.register("my-ease", "another")(other)
    with pytest.raises(ValueError, match="'ease' names EASE already"):
        recae.register("ease", "another")(Unregistered)
    assert "my-ease" not in MODELS


def test_the_command_line_takes_a_module(tmp_path: Path) -> None:
    """--model MODULE:CLASS trains; --import makes the class known to other commands; without it the remedy is said."""
    (tmp_path / "shop.py").write_text(_MODULE)
    ran = warmly("train", "sample", "--model", "shop:StrictEASE", "--test", 0, "--out", "m.recae", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    listed = warmly("--import", "shop", "recommend", "m.recae", "--user", 1, "-n", 2, "--format", "csv", cwd=tmp_path)
    assert len(listed.stdout.splitlines()) == 3, listed.stderr
    unknown = warmly("recommend", "m.recae", "--user", 1, cwd=tmp_path)
    assert unknown.returncode == 1
    assert "--import MODULE" in unknown.stderr
    assert "strict-ease" in warmly("--import", "shop", "models", cwd=tmp_path).stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("train", "--model", "shop:Nothing"), "has no class Nothing"),
        (("train", "--model", "nowhere:Plain"), "No module named 'nowhere'"),
        (("--import", "nowhere", "models"), "No module named 'nowhere'"),
    ],
)
def test_what_is_not_there_is_said(arguments: tuple[str, ...], words: str, tmp_path: Path) -> None:
    """A module or class that is none ends with exit code 2 and no traceback."""
    (tmp_path / "shop.py").write_text(_MODULE)
    ran = warmly(*arguments, cwd=tmp_path)
    assert ran.returncode == 2
    assert words in ran.stderr
    assert "Traceback" not in ran.stderr
