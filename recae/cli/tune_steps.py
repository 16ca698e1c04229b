"""What `recae tune` does, step by step."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from recae.cli.failures import Failure, Misuse, interrupted_code
from recae.cli.hyperparameters import command_with, given_params, model_of, option_name, options_as_given
from recae.cli.inputs import load_ratings
from recae.cli.options import note
from recae.cli.outputs import check_writable, files_read
from recae.cli.own_parts import (
    refuse_options_of_a_split,
    saved_split,
    split_by_time_for,
    split_options,
    taken_of,
    way_of,
)
from recae.cli.param_types import Value, shown
from recae.cli.printing import print_json, print_table
from recae.cli.train_steps import check_metrics

if TYPE_CHECKING:
    from recae.models import Recommender
    from recae.ratings import RatingMatrix
    from recae.splitting import Split
    from recae.tuning import Tuning

BEST = 5  # trials in the final table
SEARCH_OPTIONS = (  # say how to search; the others are about the data and the test part, and are those of `train`, too
    "name", "out", "budget", "tries", "hide", "validation", "metric", "no_pruning", "study", "resume", "restart",
    "as_json", "verbose", "quiet",
)  # fmt: skip


def run(ctx: click.Context, given: dict[str, Any]) -> None:
    """Load, split the test part off, search, write, print; `given` are the options of `recae tune`."""
    from recae.recommender.params import check
    from recae.splitting import Split
    from recae.tuning import tune
    from recae.tuning.space import space_of

    model = model_of(ctx, given["name"], given["seed"])
    split_by_time_for({given["name"]: model}, given)
    check_metrics(given["metric"], model)
    check(model)
    space = space_of(model, searched(model, given["tries"]), tuple(given_params(ctx)))
    study = study_of(given)
    log = Path(given["out"]).with_suffix(".json") if given["out"] else None
    check_writable(given["out"], log, study, inputs=files_read(given))
    ratings = to_search_on(given)
    if given["restart"] and study is not None:
        study.unlink(missing_ok=True)
    n_ratings = (ratings.train if isinstance(ratings, Split) else ratings).n_ratings
    note(f"Searching {', '.join(space)} of {given['name']} on {n_ratings:,} ratings ...")
    try:
        found = tune(
            model, ratings, space, given["budget"], validation=given["validation"], hide=hide_of(given),
            metric=given["metric"], again=given["again"], study=study,
            prune=not given["no_pruning"], rng=given["seed"], progress=note,
        )  # fmt: skip
    except KeyboardInterrupt as error:
        raise Failure(interrupted(ctx, study), interrupted_code(error)) from None
    if given["out"]:
        found.save(given["out"])
    report(found, given)


def searched(model: Recommender, tries: tuple[str, ...]) -> dict[str, Any] | None:
    """The search space of --try; None without --try.

    Raises:
        Misuse: a text that cannot be read, or a name given twice.
    """
    from recae.recommender.params import declared

    params, space = {p.name: p for p in declared(type(model))}, {}
    for text in tries:
        option, _, where = text.partition("=")
        name = option.strip().replace("-", "_")
        if name not in params:
            raise Misuse(f"--try {text}: no hyper-parameter {option!r}; choose from {', '.join(params)}")
        if name in space or not where:
            raise Misuse(f"--try {text}: expected NAME=RANGE or NAME=VALUES, once for each name")
        space[name] = search_range(Value(params[name]), text, where)
    return space or None


def search_range(kind: Value, text: str, where: str) -> Any:
    """low:high and low:high:log as a range, a|b|c as values of the hyper-parameter's own kind."""
    ends = where.split(":")
    try:
        if len(ends) in (2, 3) and "|" not in where:
            numbers = [int(end) if end.strip().lstrip("-").isdecimal() else float(end) for end in ends[:2]]
            return (*numbers, *ends[2:])
        return [kind.convert(value, None, None) for value in where.split("|")]
    except ValueError:
        raise Misuse(f"--try {text}: expected numbers such as 20:300 or 20:300:log") from None
    except click.BadParameter as error:
        raise Misuse(f"--try {text}: {error.message}") from None


def study_of(given: dict[str, Any]) -> Path | None:
    """The study file, which keeps the trials; None without --out and --study.

    Raises:
        Misuse: --resume is not possible here.
        Failure: there is a study, and neither --resume nor --restart is given.
    """
    named = given["study"] or (f"{given['out']}.study" if given["out"] else None)
    if given["resume"] and given["restart"]:
        raise Misuse("--resume and --restart exclude each other; choose one")
    if named is None:
        if given["resume"]:
            raise Misuse("--resume needs --out or --study, which name the study")
        note("The settings will not be saved; add --out tuned.toml to save them.")
        return None
    path = Path(named)
    if path.exists() and not given["resume"] and not given["restart"]:
        raise Failure(
            f"{path} holds the trials of a search; add --resume to resume it, or --restart to delete it and start from "
            "the beginning"
        )
    if given["resume"] and not path.exists():
        note(f"There is no study {path}; the search starts from the beginning.")
    return path


def hide_of(given: dict[str, Any]) -> Any:
    """What trials are measured on: by time where the test part is, or a date or a span is given."""
    by_time = way_of(given) == "time" or isinstance(given["validation"], str)
    return "time" if given["hide"] == "auto" and by_time else given["hide"]


def to_search_on(given: dict[str, Any]) -> RatingMatrix | Split:
    """The train part of the split that `recae train` makes, or a saved split; the search never uses the test part."""
    from recae.splitting import split

    saved = saved_split(given["dataset"])
    if saved is not None:
        refuse_options_of_a_split(*([] if saved.validation is not None else ["validation"]))
        return saved
    ratings = taken_of(load_ratings(given["dataset"], **given), given)
    if given["test"] == 0:
        return ratings
    return split(ratings, way_of(given), rng=given["seed"], **split_options(given)).train


def interrupted(ctx: click.Context, study: Path | None) -> str:
    """The message after an interruption."""
    if study is None or not study.exists():
        return "the search was interrupted; nothing is saved (with --out tuned.toml, the trials are kept)"
    command = command_with(ctx, "--resume", ["--restart"])
    return f"the search was interrupted; {study} holds its trials. Resume with:\n  {command}"


def report(found: Tuning, given: dict[str, Any]) -> None:
    """Print the best settings: a table, or JSON."""
    if given["as_json"]:
        print_json({**found.to_dict(), "dataset": given["dataset"], "out": given["out"]})
        return
    ordered = sorted(
        (t for t in found.trials if t["value"] is not None), key=lambda t: t["value"],
        reverse=found.about["direction"] == "maximize",
    )  # fmt: skip
    names = list(found.settings)
    rows = [[f"{t['value']:.4f}", *(_short(t["settings"][n]) for n in names), f"{t['seconds']:.1f}"] for t in ordered]
    print_table(rows[:BEST], [found.metric, *names, "seconds"], "r" * (len(names) + 2))
    note(f"{len(found.trials)} trials, {len(ordered)} of them complete, in {found.about['seconds']:.0f} s.")
    if given["out"]:
        ctx = click.get_current_context()
        data = options_as_given(ctx, SEARCH_OPTIONS)
        note(f"The settings are in {given['out']}, the log of the search in {Path(given['out']).with_suffix('.json')}.")
        note(
            f"\nNext:\n  {ctx.find_root().info_name} train {shlex.quote(given['dataset'])} {data}{' ' * bool(data)}"
            f"--settings {shlex.quote(given['out'])} --validation 0 --out m.recae"
        )
    else:
        options = " ".join(f"{option_name(n)} {shlex.quote(shown(found.settings[n]))}" for n in names)
        note(f"As options: --model {given['name']} {options}")


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else shown(value)
