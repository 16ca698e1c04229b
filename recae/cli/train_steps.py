"""What `recae train` does, step by step."""

from __future__ import annotations

import time
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from recae.cli.failures import Failure, Misuse, interrupted_code
from recae.cli.hyperparameters import AUTO, command_with, model_of, settings_file
from recae.cli.inputs import load_ratings
from recae.cli.options import note, verbosity
from recae.cli.outputs import as_csv, check_writable, files_read, write_text
from recae.cli.own_parts import (
    load_own_parts,
    load_validation,
    refuse_options_of_a_split,
    saved_split,
    split_by_time_for,
    split_options,
    taken_of,
    way_of,
)
from recae.cli.printing import print_json
from recae.cli.training_result import Parts, TrainingResult, as_object, as_training, measure, print_result
from recae.distributed.launch import launch
from recae.errors import DivergenceError

if TYPE_CHECKING:
    import pandas as pd

    from recae.models import Recommender
    from recae.ratings import RatingMatrix
    from recae.splitting import Split

VALIDATION = 0.05  # share of the training ratings, by default, for models that train in epochs


def run(ctx: click.Context, given: dict[str, Any]) -> None:
    """Load, split, fit, save, measure, print; `given` are the options of `recae train`.

    Of several processes, each loads and splits; they share the fit; only the first process writes and measures.
    """
    from recae.atomic import only_process
    from recae.recommender.fitting import refuse_many_processes

    refuse_idle_options(given)
    model, here = model_of(ctx, given["name"], given["seed"]), launch()
    refuse_many_processes(type(model))
    split_by_time_for({given["name"]: model}, given)
    if given["without_ratings"] and given["name"] != AUTO and not model._reads_only_rows():
        raise Misuse(f"--without-ratings: {given['name']} serves new users from the ratings of others; ease does not")
    if here.restarts and model.iterative:
        resume_after_restart(given)
    check_metrics(given["metrics"], *([model] if given["name"] != AUTO else []))
    checkpoint = checkpoint_of(given, model)
    if here.is_first:
        read = [*files_read(given), settings_file(ctx)]  # --start is a model that training may go on with in its place
        check_writable(given["out"], given["save_test"], checkpoint, inputs=read)
    with ExitStack() as stack:
        for file in dict.fromkeys(filter(None, (given["out"], checkpoint))):
            if here.is_first:
                stack.enter_context(only_process(Path(file), "training"))
        train(ctx, model, checkpoint, given)


def train(ctx: click.Context, model: Recommender, checkpoint: Path | None, given: dict[str, Any]) -> None:
    """What `run` does when nothing stands against it."""
    from recae.ratings.known_times import ordered_times
    from recae.recommender.simple_model import say_if_worse

    saved = saved_split(given["dataset"])
    ratings = taken_of(load_ratings_in_turn(given), given) if saved is None else saved.train
    if model.reads_order:
        ordered_times(ratings, f"and {given['name']} reads their order")
    parts = divide(ratings, model, given, saved)
    start = start_of(given, parts)
    if given["save_test"] and launch().is_first:
        save_test(parts, given["save_test"])
    if not given["out"]:
        note("The model will not be saved; add --out m.recae to save it.")
    seconds = fit(ctx, model, parts, checkpoint, given, start)
    if (choice := getattr(model, "choice_", None)) is not None:  # `auto`: from here on the model that it took
        note(f"auto takes {choice.reason}.")
        model, given["name"] = vars(model)["model_"], choice.name
    if not launch().is_first:
        return
    if parts.validation is not None:
        say_if_worse(model, parts.validation, None)
    result = TrainingResult(given, model, ratings, parts, seconds)
    try:
        measure(result)
    finally:  # the file says what was measured; what measuring ends with does not cost the model
        if given["out"]:
            model.save(given["out"], ratings=not given["without_ratings"], training=as_training(result))
    remove(checkpoint)
    if given["as_json"]:
        print_json(as_object(result))
    else:
        print_result(result)


# ---------------------------------------------------------------- several processes


def resume_after_restart(given: dict[str, Any]) -> None:
    """Resume from the checkpoint, without --resume, after torchrun has restarted all processes."""
    given["resume"], given["restart"] = bool(given["checkpoint"] or given["out"]), False
    note("torchrun has restarted all processes; training resumes from the checkpoint, if there is one.")


def check_metrics(names: str | None, *models: Recommender) -> None:
    """Refuse, before the work, metrics that are unknown, or that none of the models has.

    Raises:
        ParameterError: a name is no metric.
        Misuse: a metric is of predicted ratings, and a model ranks.
    """
    from recae.evaluation.names import parse_metrics

    found = parse_metrics([name.strip() for name in names.split(",")]) if names else []
    of_ratings = next((metric.name for metric in found if metric.kind == "rating"), None)
    ranker = next((model for model in models if not model.predicts_ratings), None)
    if of_ratings is not None and ranker is not None:
        raise Misuse(f"--metrics {of_ratings}: {type(ranker).__name__} ranks items and predicts no ratings")


def load_ratings_in_turn(given: dict[str, Any]) -> RatingMatrix:
    """The ratings; where they may need a download, one process of each machine loads them first."""
    from recae.distributed.ranks import current
    from recae.loaders import DATASETS

    named = given["dataset"] in DATASETS and bool(DATASETS[given["dataset"]].files)
    with current().one_ahead() if named else nullcontext():
        return load_ratings(given["dataset"], **given)


# ---------------------------------------------------------------- before training


def refuse_idle_options(given: dict[str, Any]) -> None:
    """Refuse options that would have no effect.

    Raises:
        Misuse: there is one.
    """
    if given["without_ratings"] and not given["out"]:
        raise Misuse("--without-ratings is about the file that --out names")
    if given["test"] == 0:
        for name in ("save_test", "metrics"):
            if given[name]:
                raise Misuse(f"--{name.replace('_', '-')}: --test 0 leaves no test part")


def checkpoint_of(given: dict[str, Any], model: Recommender) -> Path | None:
    """The checkpoint file; None for a model that is fitted in one step, or without --out and --checkpoint.

    Raises:
        Misuse: --resume or --checkpoint is not possible here.
        Failure: there is a checkpoint, and neither --resume nor --restart is given.
    """
    named = given["checkpoint"] or (f"{given['out']}.ckpt" if given["out"] else None)
    if not model.iterative:
        if given["resume"] or given["checkpoint"]:
            raise Misuse(f"{given['name']} is fitted in one step, so it has no checkpoint to write or resume from")
        return None
    if given["resume"] and given["restart"]:
        raise Misuse("--resume and --restart exclude each other; choose one")
    if given["resume"] and named is None:
        raise Misuse("--resume needs --out or --checkpoint, which name the checkpoint")
    if named is None:
        return None
    path = Path(named)
    if given["resume"] and not stored(path):
        note(f"There is no checkpoint {path}; training starts from the beginning.")
    if stored(path) and not given["resume"] and not given["restart"]:
        raise Failure(
            f"{path} is the checkpoint of an interrupted training; add --resume to resume it, or --restart to delete "
            "it and start from the beginning"
        )
    return path


def stored(checkpoint: Path) -> list[Path]:
    """The checkpoint, and those of earlier stages of the training, which are files beside it: those that exist."""
    stages = (checkpoint.with_name(f"{checkpoint.name}.{stage}") for stage in ("own", "local"))
    return [path for path in (checkpoint, *stages) if path.exists()]


def remove(checkpoint: Path | None) -> None:
    """Delete the files of a checkpoint, if there are any."""
    for path in [] if checkpoint is None else stored(checkpoint):
        path.unlink(missing_ok=True)


def divide(ratings: RatingMatrix, model: Recommender, given: dict[str, Any], saved: Split | None = None) -> Parts:
    """Training, validation and test parts: those that were saved, or by the options."""
    from recae.splitting import split, take_validation

    how: Any = way_of(given) if saved is None else saved.how
    given["how"] = how
    test, seed = given["test"], given["seed"]
    parts = Parts(ratings)
    if saved is not None:
        refuse_options_of_a_split()
        parts = Parts(saved.train, None if saved.validation_input is not None else saved.validation, split=saved)
    elif isinstance(test, Path):
        made = load_own_parts(ratings, given)
        given["how"], parts = "own", Parts(made.train, made.validation, split=made)
    elif test != 0:
        made = split(ratings, how, rng=seed, **split_options(given))
        parts = Parts(made.train, split=made)
    validation = given["validation"]
    if validation is None:
        enough = model.iterative and parts.validation is None and parts.train.n_ratings * VALIDATION >= 1
        validation = VALIDATION if enough else 0.0
    parts.validation_share = str(validation) if isinstance(validation, Path) else validation
    if isinstance(validation, Path):
        if parts.validation is None:
            parts.validation = load_validation(validation, parts.train, given)
    elif isinstance(validation, int) and validation >= 1:
        raise Misuse(f"--validation {validation}: expected a share below 1")
    elif validation:
        by_time = isinstance(validation, str)
        way: Any = "time" if by_time else how if how in ("per-user", "time") else "random"
        parts.train, parts.validation = take_validation(parts.train, validation, seed, way)
    if parts.split is not None:
        kept = None if how == "held-out-users" else parts.validation
        parts.split = replace(parts.split, train=parts.train, validation=kept)
        note(repr(parts.split), level=1)
    return parts


def save_test(parts: Parts, file: str) -> None:
    assert parts.split is not None
    write_text(file, as_csv(as_read(parts.split.test)))
    note(f"The test part is in {file}.")


def as_read(ratings: RatingMatrix) -> pd.DataFrame:
    """A table that, read as the data was, gives these ratings: with its columns, and as many rows as were counted."""
    told, frame = ratings.read_as, ratings.to_frame()
    if told.get("duplicates") == "count" or (told.get("duplicates") == "sum" and told.get("rating") is False):
        frame = frame.loc[frame.index.repeat(frame["rating"].astype(int))]
    frame = frame.drop(columns="rating") if told.get("rating") is False else frame
    return frame.rename(columns={role: told[role] for role in frame.columns if isinstance(told.get(role), str)})


# ---------------------------------------------------------------- training


def start_of(given: dict[str, Any], parts: Parts) -> Recommender | None:
    """The model that training begins with; it is warned of test ratings that it has learnt from."""
    if given["start"] is None:
        return None
    from recae.cli.inputs import load_model
    from recae.recommender.warm_start import warn_if_learnt

    start = load_model(given["start"])
    warn_if_learnt(start, None if parts.split is None else parts.split.test, "test")
    return start


def fit(
    ctx: click.Context, model: Recommender, parts: Parts, checkpoint: Path | None, given: dict[str, Any],
    begun: Recommender | None = None,
) -> float:  # fmt: skip
    """Train; returns the duration in seconds. If it is interrupted, the message names the checkpoint."""
    start = time.perf_counter()
    settings: dict[str, Any] = {}
    if checkpoint is not None:
        settings = {"checkpoint": checkpoint, "checkpoint_seconds": given["checkpoint_every"]}
        if given["restart"]:
            remove(checkpoint)
    together = f" with {launch().size} processes" if launch().size > 1 else ""
    note(f"Training {given['name']} on {parts.train.n_ratings:,} ratings{together} ...")
    try:
        model.fit(
            parts.train, parts.validation, start=begun, resume=given["resume"],
            progress=False if verbosity() < 0 else None,
            **settings,
        )  # fmt: skip
    except KeyboardInterrupt as error:
        raise Failure(interrupted(ctx, error, checkpoint), interrupted_code(error)) from None
    except DivergenceError:
        remove(checkpoint)  # resumed from it, training would diverge again
        raise
    return time.perf_counter() - start


def interrupted(ctx: click.Context, error: BaseException, checkpoint: Path | None) -> str:
    """The message after an interruption."""
    if checkpoint is None or not stored(checkpoint):
        return "training was interrupted; nothing is saved (with --out m.recae, a checkpoint is written)"
    done = str(error).split(";")[0] or "training was interrupted"
    if launch().size > 1:
        return f"{done}; the checkpoint is {checkpoint}. To resume, add --resume to the same torchrun command"
    return f"{done}; the checkpoint is {checkpoint}. Resume with:\n  {command_with(ctx, '--resume', ['--restart'])}"
