"""Errors have fields, which the API and the command line write each in its own words."""

from __future__ import annotations

import ast
import copy
import inspect
import pickle
import re
from pathlib import Path

import click
import pytest

import recae
from recae import errors
from recae.cli import recae as program
from recae.cli.commands.recommend import recommend
from recae.cli.commands.train import train
from recae.cli.wording import OTHER_NAMES, PHRASES, OptionWording
from recae.errors import DataError, ParameterError, Phrase, RecaeError, Remedy, UnknownIdError

PACKAGE = Path(recae.__file__).parent


def wording(command: click.Command) -> OptionWording:
    """The words of a command of `recae`."""
    return OptionWording(
        click.Context(command, parent=click.Context(program, info_name="recae", **program.context_settings))
    )


# An error, what a caller of the API reads, and what `recae train` and `recae recommend` say.
WORDED = [
    (ParameterError("it is wrong"), "it is wrong", "it is wrong", "it is wrong"),
    (
        ParameterError(name="n", value=0, expected="a number from 1 to 50"),
        "n=0: expected a number from 1 to 50",
        "n 0: expected a number from 1 to 50",
        "-n 0: expected a number from 1 to 50",
    ),
    (
        ParameterError(name="how", value="tim", expected=("random", "time")),
        "how='tim': choose 'random' or 'time'; did you mean 'time'?",
        "--split tim: choose random or time; did you mean time?",
        "how tim: choose random or time; did you mean time?",
    ),
    (
        DataError(
            "no column", remedy=[Remedy("name it with {rating}", rating=...), Remedy("say {rating}", rating=False)]
        ),
        "no column; name it with rating=..., or say rating=False",
        "no column; name it with --rating-column NAME, or say --rating-column none",
        "no column",
    ),
    (
        DataError("half made", remedy=("wait", Remedy("begin afresh with {restart}", restart=True))),
        "half made; wait, or begin afresh with restart=True",
        "half made; wait, or begin afresh with --restart",
        "half made; wait",
    ),
    (
        DataError("no file", remedy=Remedy("{save} writes one", save=Phrase("model.save(path)"))),
        "no file; model.save(path) writes one",
        "no file; 'recae train DATASET --out FILE' writes one",
        "no file; 'recae train DATASET --out FILE' writes one",
    ),
    (
        DataError("too large", remedy=Remedy("use {filter}", filter=Phrase("ratings.filter()"))),
        "too large; use ratings.filter()",
        "too large",
        "too large",
    ),
    (
        ParameterError("it is for files", name="user", value="who", remedy=Remedy("leave {scale} out", scale=(1, 5))),
        "user='who': it is for files; leave scale=(1, 5) out",
        "--user-column who: it is for files; leave --scale 1,5 out",
        "user who: it is for files",
    ),
    (UnknownIdError("user 7 is unknown"), "user 7 is unknown", "user 7 is unknown", "user 7 is unknown"),
]


@pytest.mark.parametrize(("error", "api", "in_train", "in_recommend"), WORDED, ids=[row[1][:30] for row in WORDED])
def test_each_interface_has_its_own_words(error: RecaeError, api: str, in_train: str, in_recommend: str) -> None:
    """The same fields become Python for a caller, and options for a command; what a command lacks is left out."""
    assert str(error) == api
    assert error.worded(wording(train)) == in_train
    assert error.worded(wording(recommend)) == in_recommend


@pytest.mark.parametrize("error", [row[0] for row in WORDED], ids=str)
def test_errors_are_pickled_and_copied_with_their_fields(error: RecaeError) -> None:
    """A worker process hands its error over whole: class, message and fields."""
    for other in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(other) is type(error)
        assert str(other) == str(error)
        assert other.name == error.name
        assert other.worded(wording(train)) == error.worded(wording(train))


def test_every_error_class_can_be_made_of_a_text() -> None:
    """Errors of the first process are raised in the others by class and text (`Ranks.from_first`)."""
    for _, cls in inspect.getmembers(errors, lambda one: isinstance(one, type) and issubclass(one, RecaeError)):
        assert str(errors.class_of(cls.__name__)("a text")) == "a text"
        assert errors.class_of(cls.__name__) is cls
    assert errors.class_of("Any") is errors.class_of("nothing") is RecaeError


def texts_of_the_library() -> list[tuple[str, str]]:
    """File and text of every string in recae/ outside the command line that is no docstring."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        if "cli" in path.relative_to(PACKAGE).parts:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        docs = {
            id(node.body[0].value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
            and node.body
            and isinstance(node.body[0], ast.Expr)
        }
        found += [
            (path.name, node.value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs
        ]
    return found


def test_the_library_names_no_option_of_the_command_line() -> None:
    """No message outside recae/cli has an option or a command of `recae` in it; torchrun's own options may be named."""
    option = re.compile(r"(?<![\w-])--[a-z][a-z-]+|'recae [a-z]+")
    named = [(file, text) for file, text in texts_of_the_library() if option.search(text)]
    named = [(file, text) for file, text in named if "torchrun" not in text and not text.startswith("--")]
    assert named == []


def test_every_name_in_the_tables_of_the_command_line_is_in_use() -> None:
    """A phrase is one that the library says, and an option with another name exists in some command."""
    library = "\n".join(
        path.read_text(encoding="utf-8")
        for path in PACKAGE.rglob("*.py")
        if "cli" not in path.relative_to(PACKAGE).parts
    )
    for name in PHRASES:
        assert re.search(rf"\b{name}=(Phrase\(|PREPARE)", library), name
    from recae.cli.docs import commands

    options = {param.name for ctx in commands() for param in ctx.command.params}
    assert set(OTHER_NAMES.values()) <= options
