"""Parts of the ratings for the commands: cut by the options, from files of their own, or saved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from recae.cli.failures import Misuse
from recae.cli.inputs import load_ratings
from recae.cli.options import note

if TYPE_CHECKING:
    from recae.models import Recommender
    from recae.ratings import RatingMatrix
    from recae.splitting import Split


def split_by_time_for(models: Mapping[str, Recommender], given: dict[str, Any]) -> None:
    """Where a model reads the order of ratings, and the user says no split: the test part is the latest ratings.

    A random one would let a model read what happened after a rating that it is asked for. Says so in a line.

    Args:
        models: what is going to be fitted, by name.
        given: the options; "how" is changed.
    """
    context = click.get_current_context()
    said = context.get_parameter_source("how") is not click.core.ParameterSource.DEFAULT or "how" not in given
    if said or isinstance(given["test"], Path) or saved_split(given["dataset"]) is not None:
        return
    for name, model in models.items():
        if model.reads_order or getattr(model, "task", "") == "next-item":
            default, given["how"] = given["how"], "time"
            if given["test"] != 0 or model.iterative:
                note(f"{name} reads the order of ratings: held out are the latest ones (--split time, not {default}).")
            return


def way_of(given: dict[str, Any]) -> Any:
    """How the test part is chosen: a date or a span says by itself that it is by time."""
    how = str(given["how"])
    return "time" if isinstance(given["test"], str) and how == "random" else how


def saved_split(source: str) -> Split | None:
    """The split that `recae split` or `Split.save` wrote to `source`; None where it is no such file."""
    from recae.splitting import Split
    from recae.splitting.split_files import is_split

    return Split.load(source) if is_split(Path(source)) else None


def refuse_options_of_a_split(*allowed: str) -> None:
    """Refuse options of the command that say how to split, where the data is split already.

    Raises:
        Misuse: names the first one.
    """
    context = click.get_current_context()
    for name in ("how", "test", "validation", "fold", "folds", "windows", "again", "threshold", "min_user"):
        given = context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
        if given and name not in allowed:
            raise Misuse(f"--{'split' if name == 'how' else name}: the data is a saved split, whose parts are made")


def load_own_parts(train: RatingMatrix, given: dict[str, Any]) -> Split:
    """The split of `train` and the files that --test and, perhaps, --validation name."""
    from recae.splitting import own_split

    files = [given[name] for name in ("test", "validation") if isinstance(given[name], Path)]
    return own_split(*_alike(train, *(load_ratings(str(file), **given) for file in files)))


def load_validation(file: Path, train: RatingMatrix, given: dict[str, Any]) -> RatingMatrix:
    """The validation part from a file of its own, in the users and items of `train`."""
    from recae.recommender.fitting import matched_validation

    train, validation = _alike(train, load_ratings(str(file), **given))
    matched = matched_validation(train, validation)
    assert matched is not None
    return matched


def split_options(given: dict[str, Any]) -> dict[str, Any]:
    """The arguments of `recae.split` besides the seed.

    Raises:
        Misuse: an option belongs to another split.
    """
    how, test = way_of(given), given["test"]
    refuse_again(given, how)
    folds = {name: given[name] for name in ("folds", "fold") if given[name] is not None}
    if how == "k-fold":
        if "fold" not in folds:
            raise Misuse("--split k-fold needs --fold, the index of the test fold: 0, 1, ...")
        return {"test": test, **folds}
    if folds:
        raise Misuse(f"--{next(iter(folds))} applies only to --split k-fold, not to --split {how}")
    if isinstance(test, int) and test >= 1 and how != "held-out-users":
        raise Misuse(f"--test {test}: expected a share below 1 (only --split held-out-users accepts a number of users)")
    return {"test": test, **({"again": True} if given.get("again") else {})}


def split_by(source: str, given: dict[str, Any]) -> Split:
    """The split that the options of `recae split` say.

    Raises:
        Misuse: options that do not go together.
    """
    from recae.splitting import split

    ratings, test, validation = taken_of(load_ratings(source, **given), given), given["test"], given["validation"]
    if isinstance(test, Path):
        return load_own_parts(ratings, given)
    if isinstance(validation, Path):
        raise Misuse("--validation: a file goes with a file for --test")
    return split(ratings, way_of(given), validation=validation or 0.0, rng=given["seed"], **split_options(given))


def taken_of(ratings: RatingMatrix, given: dict[str, Any]) -> RatingMatrix:
    """The ratings, or what --threshold and --min-user keep of them."""
    from recae.ratings.liked import liked

    told = liked_options(given)
    return liked(ratings, **told) if told else ratings


def liked_options(given: dict[str, Any]) -> dict[str, Any]:
    """What --threshold and --min-user say, as arguments of `liked`; empty without a threshold.

    Raises:
        Misuse: --min-user stands by itself.
    """
    told = {name: given[name] for name in ("threshold", "min_user") if given[name] is not None}
    if told and "threshold" not in told:
        raise Misuse("--min-user is about what --threshold keeps; add --threshold 1 to keep all counts from 1 on, as 1")
    return told


def to_compare_on(source: str, given: dict[str, Any]) -> tuple[Any, str, dict[str, Any]]:
    """What `recae.compare` is given: the ratings or splits, the protocol, and the options of the split.

    Raises:
        Misuse: options that do not go together.
    """
    from recae.splitting import rolling_windows

    saved = saved_split(source)
    if saved is not None:
        refuse_options_of_a_split()
        return saved, saved.how, {}
    ratings, how = load_ratings(source, **given), way_of(given)
    made = {name: given[name] for name in ("test", "validation", "fold", "again") if given[name] is not None}
    refuse_again(given, how)
    if isinstance(given["test"], Path):
        if given["validation"] is not None and not isinstance(given["validation"], Path):
            raise Misuse("--validation: with a test part of its own the validation part is a file, too")
        return load_own_parts(ratings, given), "own", {}
    if isinstance(given["validation"], Path):
        raise Misuse("--validation: a file goes with a file for --test")
    if given["windows"] is None:
        return ratings, how, made
    if how != "time" or not isinstance(given["test"], str):
        raise Misuse("--windows needs --split time and a span for --test, such as 7D")
    if made.keys() - {"test", "again"}:
        raise Misuse("--windows: each window learns from all that was before it; leave --validation and --fold out")
    windows = rolling_windows(ratings, given["windows"], given["test"], again=bool(given["again"]))
    return list(windows), how, {}


def is_again(parts: Any) -> bool:
    """Whether a split was made with `again=True`, so that lists name what a user has had."""
    settings: dict[str, Any] = getattr(parts, "settings", {})
    return bool(settings.get("again"))


def refuse_again(given: dict[str, Any], how: str) -> None:
    """Refuse --again where no part is cut by time.

    Raises:
        Misuse: says what it applies to.
    """
    if given.get("again") and how != "time":
        raise Misuse(f"--again applies only to --split time, not to --split {how}")


def _alike(*parts: RatingMatrix) -> list[RatingMatrix]:
    """Parts whose ids are of one kind: where a file's ids look like numbers and another's do not, all are texts."""
    found = list(parts)
    for ids in ("user_ids", "item_ids"):
        if len({getattr(part, ids).dtype.kind in "iuf" for part in found}) > 1:
            found = [replace(part, **{ids: getattr(part, ids).astype(str).astype(object)}, _cache={}) for part in found]
    return found
