"""What every command of the command line has: help, examples that are right, JSON; and an answer at once."""

from __future__ import annotations

import re
import resource
import shlex
import sys
from pathlib import Path

import click
import pandas as pd
import pytest
from cli_helpers import command, done, inline, parsed, process

from recae import __version__
from recae.cli import COMMANDS, recae
from recae.cli.commands.train import SPLITS, train
from recae.cli.docs import INTRODUCTION, commands
from recae.cli.hyperparameters import ModelCommand, model_options
from recae.cli.param_types import Value, shown
from recae.models import MODELS
from recae.ratings import RatingMatrix
from recae.recommender.params import Param, declared
from recae.splitting import HOW

ALL = {ctx.command_path: ctx for ctx in commands()}


@pytest.mark.parametrize("path", ALL)
def test_every_command_explains_itself(path: str) -> None:
    """-h of every command says what it does, each option's meaning, and gives an example of this very command."""
    text = done(inline(*path.split()[1:], "-h"))
    assert f"Usage: {path}" in text
    assert f"  {path} " in text.split("Examples:")[1]
    ctx = ALL[path]
    assert ctx.command.help
    assert path == "recae" or len(ctx.command.get_short_help_str(80)) < 60
    for option in ctx.command.params:
        if isinstance(option, click.Option):
            assert option.help, option.name
            assert option.help.rstrip("]").split("  [")[0].endswith("."), option.help


@pytest.mark.parametrize("path", [path for path, ctx in ALL.items() if not isinstance(ctx.command, click.Group)])
def test_every_command_that_prints_a_result_can_print_json(path: str) -> None:
    """--json, -v and -q are options of every command, but of `serve` (HTTP), `card` (Markdown), `export` (files)."""
    options = {opt for option in ALL[path].command.params for opt in option.opts}
    without = ("recae serve", "recae card", "recae export")
    assert {"--json", "-v", "-q"} - ({"--json"} if path in without else set()) <= options


def examples() -> list[str]:
    lines = [line.strip() for ctx in ALL.values() for line in (ctx.command.epilog or "").splitlines()]
    wanted = [line.split("  ")[0].split(" > ")[0] for line in lines if line.startswith("recae ")]
    return [line for line in wanted if not line.startswith("recae COMMAND")]


@pytest.mark.parametrize("line", dict.fromkeys(examples()))
def test_every_example_is_a_command_line_that_is_understood(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An example in the help names commands and options that exist, with values that are read."""
    monkeypatch.chdir(tmp_path)
    Path("tuned.toml").write_text('model = "i-autorec"')
    for part in ("train", "validation", "test"):
        Path(f"{part}.csv").touch()
    if "yesterday.recae" in line:
        few = RatingMatrix.from_frame(pd.DataFrame({"user": [1, 1, 2], "item": [1, 2, 1], "rating": [1, 2, 3]}))
        MODELS["i-autorec"].make(hidden=2, epochs=0, shrink="never").fit(few).save("yesterday.recae")
    ctx, args = click.Context(recae, info_name="recae", **recae.context_settings), shlex.split(line)[1:]
    while isinstance(ctx.command, click.Group):
        found = ctx.command.get_command(ctx, args[0])
        assert found is not None
        ctx, args = click.Context(found, parent=ctx, info_name=args[0]), args[1:]
    if "-h" in args:
        assert inline(*shlex.split(line)[1:]).exit_code == 0
    else:
        ctx.command.parse_args(ctx, args)


def test_the_page_of_the_command_line_is_what_the_commands_say() -> None:
    """docs/cli.md has every command, and every word of its help; if not: python -m recae.cli.docs > docs/cli.md.

    Where lines are broken, how columns are set and how values are named is click's, and differs between its versions.
    """
    written = (Path(__file__).parents[1] / "docs" / "cli.md").read_text(encoding="utf-8")
    sections = dict(part.split("\n", 1) for part in written.split("\n## ")[1:])
    assert list(sections) == [ctx.command_path for ctx in commands()]
    assert words(INTRODUCTION) == words(written.split("\n## ")[0])
    for ctx in commands():
        section = words(sections[ctx.command_path])
        options = [param for param in ctx.command.params if isinstance(param, click.Option)]
        texts = [ctx.command.help, ctx.command.epilog, *(option.help for option in options)]
        for text in texts:
            assert words(text or "") in section, (ctx.command_path, text)
        for option in options:
            assert set(option.opts) <= set(re.findall(r"--?[\w-]+", section)), option.opts


def words(text: str) -> str:
    """The text without line ends and what else is only layout."""
    return " ".join(text.replace("\b", " ").replace("```text", " ").replace("```", " ").split())


def test_help_answers_at_once() -> None:
    """--help of the program and of train costs under half a second of processor time."""
    for args in (["--help"], ["train", "--help"]):
        costs = []
        for _ in range(3):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            assert process(*args).returncode == 0
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            costs.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        assert min(costs) < 0.5


def test_help_imports_nothing_heavy() -> None:
    """The commands' modules themselves import neither torch nor NumPy nor pandas."""
    import subprocess

    code = (
        "import sys, recae.cli.docs as d; d.page();"
        "print(*{'torch', 'numpy', 'pandas', 'scipy', 'numba'} & set(sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == ""


def test_the_version_is_the_package_s() -> None:
    """--version prints the name and the version of the package."""
    assert done(inline("--version")).strip() == f"recae {__version__}"
    assert command()[1:] == ["-m", "recae"]


def test_every_command_is_found_by_its_name() -> None:
    """The table of commands points to functions that bear the commands' names."""
    for name in COMMANDS:
        found = recae.get_command(click.Context(recae), name)
        assert found is not None
        assert found.name == name


# ---------------------------------------------------------------- hyper-parameters


def test_splits_are_those_that_there_are() -> None:
    """--split offers exactly the ways of `recae.split`."""
    assert set(SPLITS) == set(HOW)


@pytest.mark.parametrize("name", MODELS)
def test_no_hyper_parameter_shadows_an_option_of_train(name: str) -> None:
    """A model's hyper-parameters and the options of train have different names."""
    fixed = {opt for option in train.params for opt in option.opts}
    own = [opt for option in model_options(MODELS[name]) for opt in option.opts]
    assert isinstance(train, ModelCommand)
    assert not fixed & set(own)
    assert len(own) == len(set(own))


@pytest.mark.parametrize("name", MODELS)
def test_every_default_is_read_back_as_it_is_shown(name: str) -> None:
    """The default that listings show, given on the command line, is the default."""
    for param in declared(MODELS[name].model_class):
        assert Value(param).convert(shown(param.default), None, None) == param.default


@pytest.mark.parametrize("name", MODELS)
def test_the_listing_of_models_is_the_declaration(name: str) -> None:
    """`recae models NAME --json` has the hyper-parameters, defaults and meanings that the model declares."""
    entry = MODELS[name]
    listed = parsed("models", name)
    wanted = {p.name: p for p in declared(entry.model_class) if p.name not in entry.preset}
    assert {p["name"] for p in listed["hyper_parameters"]} == set(wanted)
    for found in listed["hyper_parameters"]:
        default = wanted[found["name"]].default
        assert found["default"] == (list(default) if isinstance(default, tuple) else default)
        assert found["meaning"] == wanted[found["name"]].help
    text = done(inline("models", name))
    assert all(p.help in text for p in wanted.values())


def test_train_shows_the_hyper_parameters_of_the_model_that_is_named() -> None:
    """`train --model NAME -h` lists that model's options, in either order; without a model, none."""
    assert "--sweeps" in done(inline("train", "--model", "bias", "-h"))
    assert "--sweeps" in done(inline("train", "-h", "--model=bias"))
    assert "--sweeps" not in done(inline("train", "-mi-autorec", "-h"))
    assert "recae train --model NAME -h" in " ".join(done(inline("train", "-h")).split())
    assert "This model has none." in done(inline("train", "-m", "popularity", "-h"))


def param(hint: object, choices: tuple[object, ...] | None = None) -> Param:
    return Param("p", None, hint, "a meaning", choices, None)


@pytest.mark.parametrize(
    ("hint", "text", "value"),
    [
        (int, "5", 5),
        (float, "5", 5.0),
        (float, "1e-3", 0.001),
        (int | tuple[int, ...], "500", 500),
        (int | tuple[int, ...], "500,250,500", (500, 250, 500)),
        (tuple[float, ...], "0.5,1", (0.5, 1.0)),
        (int | None, "none", None),
        (int | None, "3", 3),
        (bool, "yes", True),
        (bool, "False", False),
        (float | str, "auto", "auto"),
        (float | str, "0.5", 0.5),
        (str, "5", "5"),
    ],
)
def test_values_are_read_by_their_declared_type(hint: object, text: str, value: object) -> None:
    """Text becomes the value that the declaration means, of that very type."""
    found = Value(param(hint)).convert(text, None, None)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("hint", "choices", "text", "expected"),
    [
        (int, None, "5.5", "INTEGER"),
        (int, None, "none", "INTEGER"),
        (float, None, "much", "NUMBER"),
        (bool, None, "2", "true or false"),
        (int | tuple[int, ...], None, "5,x", "INTEGER or INTEGER,INTEGER,..."),
        (str, ("a", "b"), "c", "a or b"),
    ],
)
def test_a_value_of_another_type_is_refused(
    hint: object, choices: tuple[object, ...] | None, text: str, expected: str
) -> None:
    """The error shows the text and what was expected."""
    with pytest.raises(click.BadParameter) as caught:
        Value(param(hint, choices)).convert(text, None, None)
    assert caught.value.message == f"{text!r}, expected {expected}"
