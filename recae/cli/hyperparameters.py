"""Hyper-parameters as options, made from each model's own declaration (`recae.recommender.params`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from recae.cli.click_classes import RecaeCommand
from recae.cli.failures import translated
from recae.cli.param_types import Value, shown
from recae.cli.wording import OptionWording, preferred
from recae.errors import ModelFileError, Phrase, Remedy, choose

if TYPE_CHECKING:
    from recae.models import Recommender
    from recae.recommender.params import Param
    from recae.recommender.registry import Entry

DEFAULT_MODEL, AUTO = "i-autorec", "auto"
TASK = "--task"  # an option of `auto` alone: who gives it means `auto`
_GENERATED, _GIVEN, _ARGS = "recae.generated", "recae.given", "recae.args"
_NAMED, _SETTINGS = "recae.named", "recae.settings"
_SEED = "rng"  # the hyper-parameter that --seed sets


def default_model(ctx: click.Context) -> str:
    """The model where none is named: `auto`, unless others' hyper-parameters are given, or processes share the fit."""
    from recae.distributed.launch import launch

    of_options: str = ctx.meta[_GENERATED][0]
    return of_options if given_params(ctx) or launch().size > 1 else AUTO


def option_name(name: str) -> str:
    return "--" + ("seed" if name == _SEED else name.replace("_", "-"))


def free_params(entry: Entry) -> list[Param]:
    """The hyper-parameters that a model's name does not set (i-autorec sets `by`)."""
    from recae.recommender.params import declared

    return [p for p in declared(entry.model_class) if p.name not in entry.preset]


def model_options(entry: Entry) -> list[click.Option]:
    """An option for each hyper-parameter that is open; what is given goes to `model_of`."""

    def keep(ctx: click.Context, option: click.Parameter, value: Any) -> None:
        if ctx.get_parameter_source(str(option.name)) == click.core.ParameterSource.COMMANDLINE:
            ctx.meta.setdefault(_GIVEN, {})[option.name] = value

    return [
        click.Option(
            [p.name, option_name(p.name)], type=Value(p), expose_value=False, callback=keep,
            help=f"{sentence(p.help)}  [default: {shown(entry.preset.get(p.name, p.default))}]",
        )
        for p in free_params(entry)
        if p.name != _SEED
    ]  # fmt: skip


def sentence(text: str) -> str:
    """The text as a sentence: declarations are in lower case, without a full stop."""
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def model_of(ctx: click.Context, name: str, seed: int) -> Recommender:
    """A new model with the hyper-parameters that the command line gives.

    Raises:
        ParameterError: one is out of range.
    """
    from recae.models import MODELS
    from recae.recommender.params import check

    entry = MODELS[name]
    seeds = {_SEED: seed} if any(p.name == _SEED for p in free_params(entry)) else {}
    model = entry.make(**{**ctx.meta.get(_SETTINGS, {}), **seeds, **given_params(ctx)})
    check(model)
    return model


def given_params(ctx: click.Context) -> dict[str, Any]:
    """The hyper-parameters that the command line gives."""
    given: dict[str, Any] = ctx.meta.get(_GIVEN, {})
    return given


class ModelCommand(RecaeCommand):
    """A command with --model, whose further options are that model's hyper-parameters.

    Only an import of torch makes them known. So plain --help leaves them out, and --model NAME --help lists them.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[_ARGS] = list(args)
        args, name = self._with_settings(ctx, args), _model_in(args)
        name = name or ctx.meta.get(_NAMED)
        if name is not None or not ({"-h", "--help"} & set(args) or ctx.resilient_parsing):  # a shell completes
            always = any(p.name == "name" and p.default == DEFAULT_MODEL for p in self.params)  # in `recae tune`
            name = name or (DEFAULT_MODEL if always or value_in(args, TASK) is None else AUTO)
            ctx.meta[_GENERATED] = name, model_options(entry_of(name, ctx))
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            raise self._unknown(ctx, error) from None

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        _, options = ctx.meta.get(_GENERATED, ("", []))
        return [*super().get_params(ctx), *options]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        def listed(params: Sequence[click.Parameter]) -> list[tuple[str, str]]:
            return [record for p in params if (record := p.get_help_record(ctx)) is not None]

        name, options = ctx.meta.get(_GENERATED, ("", []))
        with formatter.section("Options"):
            formatter.write_dl(listed([p for p in super().get_params(ctx) if isinstance(p, click.Option)]))
        with formatter.section(f"Hyper-parameters of {name}" if options else "Hyper-parameters"):
            if options:
                formatter.write_dl(listed(options))
            else:
                formatter.write_text(
                    f"Hyper-parameters are options too, such as --hidden 500 of {DEFAULT_MODEL}. "
                    f"'{ctx.command_path} --model NAME -h' lists those of a model; 'recae models' lists the models."
                    if not name
                    else "This model has none."
                )

    def _value_of(self, option: str, args: Sequence[str]) -> str | None:
        """The value of an option, before options are known, where the command has it."""
        return value_in(args, option) if any(option in p.opts for p in self.params) else None

    def _with_settings(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Add --model from a settings file, or from the model to start from, and keep its hyper-parameters."""
        file = self._value_of("--settings", args)
        begun = self._value_of("--start", args) if file is None else None
        if file is None and begun is None:
            return args
        with translated(ctx):
            if begun is not None:
                ctx.meta[_NAMED], ctx.meta[_SETTINGS] = settings_of(begun)
            else:
                from recae.settings import read_settings

                ctx.meta[_NAMED], ctx.meta[_SETTINGS] = read_settings(str(file))
        named, file = _model_in(args), file or begun
        if named not in (None, ctx.meta[_NAMED]):
            raise click.UsageError(f"--model {named}: {file} has settings of {ctx.meta[_NAMED]}", ctx)
        return ["--model", ctx.meta[_NAMED], *args]

    def _unknown(self, ctx: click.Context, error: click.NoSuchOption) -> click.UsageError:
        name, options = ctx.meta.get(_GENERATED, ("", []))
        known = " ".join(option.opts[0] for option in options) or "none"
        return click.UsageError(f"{error.format_message()} Hyper-parameters of {name}: {known}", ctx)


def settings_of(file: str) -> tuple[str, dict[str, Any]]:
    """The name of the model in a model file, and its hyper-parameters, from the file's beginning.

    Raises:
        ModelFileError: there is no such file, it holds no model, or one of a class that has no name.
    """
    from recae.cli.model_list import listed_models
    from recae.cli.own_models import registered
    from recae.recommender.model_card import facts_of

    facts = facts_of(file)
    params = {name: tuple(value) if isinstance(value, list) else value for name, value in facts["settings"].items()}
    known = [(one.name, one.class_name, one.preset) for one in listed_models()]
    known += [(name, entry.model_class.__name__, entry.preset) for name, entry in registered().items()]
    fitting = [(len(preset), name, preset) for name, class_name, preset in known if class_name == facts["class"]
               and all(params.get(key) == value for key, value in preset.items())]  # fmt: skip
    if not fitting:
        raise ModelFileError(
            f"{file} holds a model of the class {facts['class']}, which has no name here",
            remedy=Remedy("a model of your own needs {module}", module=Phrase("its module")),
        )
    _, best, preset = max(fitting, key=lambda one: one[0])
    return best, {name: value for name, value in params.items() if name not in preset}


def entry_of(name: str, ctx: click.Context, hint: str = "--model") -> Entry:
    """The registry's entry.

    Raises:
        click.BadParameter: there is none of that name; the message lists the names.
    """
    from recae.cli.model_list import names
    from recae.cli.own_models import entry_of_class, registered

    if ":" in name:
        return entry_of_class(name, hint)
    if name not in (known := [*names(), *registered()]):  # said before PyTorch is imported
        text = choose(name, known, OptionWording(ctx))
        raise click.BadParameter(f"{name!r}: {text}", ctx, param_hint=hint)
    from recae.models import MODELS

    return MODELS[name]


def _model_in(args: Sequence[str]) -> str | None:
    """The value of the last --model or -m, before options are known."""
    return value_in(args, "--model", "-m")


def value_in(args: Sequence[str], long: str, short: str = "-?") -> str | None:
    """The value of the last option `long` (or `short`), before options are known."""
    found = None
    for index, arg in enumerate(args):
        if arg == "--":
            break
        if arg in (long, short) and index + 1 < len(args):
            found = args[index + 1]
        elif arg.startswith(f"{long}="):
            found = arg.removeprefix(f"{long}=")
        elif arg.startswith(short) and len(arg) > 2 and not arg.startswith("--"):
            found = arg[2:]
    return found


def settings_file(ctx: click.Context) -> str | None:
    """The file that --settings names, which no parameter of the command has."""
    return value_in(ctx.meta[_ARGS], "--settings")


def command_with(ctx: click.Context, option: str, without: Sequence[str] = ()) -> str:
    """The command line as given, with `option` added and `without` left out, quoted for a shell."""
    import shlex

    args = [arg for arg in ctx.meta[_ARGS] if arg != option and arg not in without]
    return " ".join([ctx.command_path, shlex.join([*args, option])])


def options_as_given(ctx: click.Context, without: Sequence[str]) -> str:
    """The options of the command line, but those of the parameters `without` and hyper-parameters, for a shell."""
    import shlex

    words: list[str] = []
    for param in ctx.command.params:
        given = ctx.get_parameter_source(str(param.name)) == click.core.ParameterSource.COMMANDLINE
        if not isinstance(param, click.Option) or not given or param.name in without:
            continue
        value = ctx.params[str(param.name)]
        if param.is_flag:
            words.append(preferred(param) if value else param.secondary_opts[0])
        else:
            text = "none" if value is False else value
            words += [preferred(param), *map(shown, text if isinstance(text, tuple) else [text])]
    return shlex.join(words)
