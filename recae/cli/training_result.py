"""The result of a training run, printed as text or JSON."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from recae.cli.console import echo
from recae.cli.options import COLUMN_OPTIONS, note, verbosity
from recae.cli.printing import table_lines
from recae.recommender.model_card import chosen_words

if TYPE_CHECKING:
    from recae.evaluation import Report
    from recae.models import Recommender
    from recae.ratings import RatingMatrix
    from recae.splitting import Split


@dataclass
class Parts:
    """The training ratings, the validation ratings for early stopping, and the split to measure on;
    the last two may be None."""

    train: RatingMatrix
    validation: RatingMatrix | None = None
    split: Split | None = None
    validation_share: float | str = 0.0


@dataclass
class TrainingResult:
    """The fitted model of a training run, its data and its measurements."""

    given: dict[str, Any]
    model: Recommender
    ratings: RatingMatrix
    parts: Parts
    seconds: float
    report: Report | None = None
    floor: float | None = None
    simple: dict[str, Any] | None = None
    history: Any = field(init=False)

    def __post_init__(self) -> None:
        self.history = getattr(self.model, "history_", None)


def measure(result: TrainingResult) -> None:
    """Measure on the test part; for the sample, also compute the lowest reachable RMSE."""
    from recae.cli.own_parts import is_again
    from recae.evaluation import evaluate
    from recae.loaders import sample_truth

    split, given = result.parts.split, result.given
    if split is None:
        return
    metrics = given["metrics"].split(",") if given["metrics"] else None
    filter_seen = not is_again(split)
    result.report = evaluate(result.model, split, metrics, filter_seen=filter_seen)
    result.simple = simple_figure(split, next(iter(result.report)), filter_seen)
    if given["dataset"] == "sample" and "rmse" in result.report:
        result.floor = sample_truth().best_rmse(split.test)


def simple_figure(split: Split, name: str, filter_seen: bool) -> dict[str, Any] | None:
    """The model that every other one should beat by the metric `name`, and its figure; None where there is none."""
    from recae.distributed.ranks import single_process
    from recae.evaluation import evaluate
    from recae.evaluation.names import parse_metric, simple_model
    from recae.models import make_model

    model = simple_model(parse_metric(name))
    if model is None:
        return None
    with single_process():  # of several, only the first one measures
        fitted = make_model(model).fit(split.train)
    return {"model": model, "metric": name, "value": evaluate(fitted, split, name, filter_seen=filter_seen)[name]}


def worse_than_simple(result: TrainingResult) -> str | None:
    """A line that the simple model does better on the test part, where it does."""
    from recae.evaluation.names import lower_is_better

    simple = result.simple
    if result.report is None or simple is None:
        return None
    sign = 1 if lower_is_better(simple["metric"]) else -1
    own = result.report[simple["metric"]]
    if sign * own <= sign * simple["value"]:
        return None
    return (
        f"On this test part --model {simple['model']} does better: {simple['metric']} {simple['value']:.4f} against "
        f"{own:.4f}. Try other settings or another model."
    )


def as_object(result: TrainingResult) -> dict[str, Any]:
    """The whole result as one JSON object."""
    given, parts, history = result.given, result.parts, result.history
    figures = result.report.to_dict() if result.report is not None else {}
    found: dict[str, Any] = {
        **{name: value for name, value in figures.items() if name not in ("model", "data", "n_ratings", "n_users")},
        "model": given["name"],
        "dataset": given["dataset"],
        "settings": result.model.get_params(),
        "chosen": result.model.chosen_,
        "split": split_settings(result),
        "seed": given["seed"],
        "n_users": result.ratings.n_users,
        "n_items": result.ratings.n_items,
        "n_train": parts.train.n_ratings,
        "n_validation": parts.validation.n_ratings if parts.validation is not None else 0,
        "n_test": parts.split.test.n_ratings if parts.split is not None else 0,
        "seconds": round(result.seconds, 3),
        "out": given["out"],
    }
    if history is not None:
        found |= {"epochs": len(history), "best_epoch": history.best_epoch, validation_name(result): history.best}
    if result.simple is not None:
        found["simple_model"] = result.simple
    if result.floor is not None:
        found["best_reachable_rmse"] = result.floor
    return found


def as_training(result: TrainingResult) -> dict[str, Any]:
    """What the model's file says of its training, for `recae info`; figures where it was measured."""
    from recae.cli.printing import plain

    whole = as_object(result)
    kept = ("model", "dataset", "split", "seed", "n_train", "n_validation", "n_test", "seconds", "epochs", "best_epoch",
            "intervals", "simple_model")  # fmt: skip
    figures = {} if result.report is None else dict(result.report)
    found: dict[str, Any] = plain({**{name: whole[name] for name in kept if name in whole}, "figures": figures})
    return found


def validation_name(result: TrainingResult) -> str:
    """The name of the validation figure that early stopping uses; for rankers it is 1 - NDCG@100."""
    return "validation_rmse" if result.model.predicts_ratings else "validation_ranking_error"


def split_settings(result: TrainingResult) -> dict[str, Any] | None:
    """How the parts were made; the validation part is taken from the train part, of whatever split."""
    given, parts = result.given, result.parts
    if parts.split is None:
        return None
    return {"how": given["how"], **parts.split.settings, "validation": parts.validation_share}


def print_result(result: TrainingResult) -> None:
    """Print the result as text: figures on stdout, the rest on stderr."""
    history, given = result.history, result.given
    if history is not None and verbosity() >= 1:
        rows = [
            [r["epoch"], f"{r['loss']:.6g}", _figure(r["validation"]), f"{r['seconds']:.2f}"] for r in history.records
        ]
        for line in table_lines(rows, ["epoch", "loss", "validation", "seconds"], "rrrr"):
            note(line)
    if result.report is not None:
        echo(str(result.report))
    if (worse := worse_than_simple(result)) is not None:
        note(worse)
    if result.floor is not None:
        echo(f"  best reachable rmse on this test part (known, because the sample is generated): {result.floor:.4f}")
    trained = f"Trained on {result.parts.train.n_ratings:,} ratings in {result.seconds:.1f} s"
    if history is not None:
        trained += f"; epoch {history.best_epoch} of {len(history)} is used"
        if history.best is not None:
            trained += f" ({validation_name(result).replace('_', ' ')} {history.best:.4f})"
    note(f"{trained}.")
    if result.model.chosen_:
        note(f"Chosen on a part of the ratings: {chosen_words(result.model.chosen_)}.")
    if given["out"]:
        size = Path(given["out"]).stat().st_size
        note(f"Saved the model to {given['out']} ({size / 1e6:.1f} MB).")
        print_hints(result)


def _figure(value: float | None) -> str | None:
    return None if value is None else f"{value:.4f}"


def print_hints(result: TrainingResult) -> None:
    """Print commands to try next, with ids that exist."""
    ratings, given = result.parts.train, result.given
    users, items = ratings.counts("user"), ratings.counts("item")
    user, item = ratings.user_ids[int(users.argmax())], ratings.item_ids[int(items.argmax())]
    out, here = shlex.quote(given["out"]), click.get_current_context().find_root().info_name
    note("\nNext:")
    note(f"  {here} recommend {out} --user {shlex.quote(str(user))} -n 10")
    note(f"  {here} similar {out} --item {shlex.quote(str(item))} -n 10")
    if given["save_test"]:
        metrics = "rmse,ndcg@10" if result.model.predicts_ratings else "recall@10,ndcg@10"
        note(f"  {here} evaluate {out} {shlex.quote(given['save_test'])} --metrics {metrics}")
    if result.model.predicts_ratings and _is_read_by_itself(given):
        note("For lists, a model that ranks:")
        note(f"  {here} train {shlex.quote(given['dataset'])} --model ease")


def _is_read_by_itself(given: dict[str, Any]) -> bool:
    """Whether the ratings are read without an option that says how, so that their name alone gives them again."""
    return all(given.get(name) is None for name in (*COLUMN_OPTIONS, "unrated", "data_dir"))
