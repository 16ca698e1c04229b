"""What a split by time says of models: users without a training rating ranked by popularity, and in catalogue order.

    python -m benchmarks.protocols
    python -m benchmarks.protocols --data ml-100k

The last 10 % of the ratings are hidden. Each model is fitted once, with its defaults, and measured twice: `before`, its
own scores rank the items for everybody, as recae did until 0.1.0 (scores of an empty row are mostly 0, and lists then
are the first items of the catalogue); `after`, users without a training rating get the most rated items. Recall@20 over
all test users, over those with training ratings (known) and over those without (new); p is that of the paired t-test
over users against popularity.
"""

from __future__ import annotations

from typing import Any

import click

from benchmarks.common.record import write
from benchmarks.common.timing import timed

DATA = ("ml-100k", "ml-latest-small")
# The models with the settings that the published figures have.
MODELS: dict[str, dict[str, Any]] = {
    "popularity": {}, "ease": {"l2": 500.0}, "item-knn": {"shrink": 10.0, "popularity": 0.0},
    "pca": {"factors": 50, "popularity": 0.0},
}  # fmt: skip
METRIC = "recall@20"


def measured(model: Any, parts: Any) -> Any:
    """The report of a fitted model on known and on new users."""
    import recae

    return recae.evaluate(model, parts, [METRIC, "coverage@20"])


def figures(report: Any, popular: Any) -> dict[str, Any]:
    """Recall of all users and of both groups, and how it stands to popularity's."""
    from recae.comparison import paired_test

    groups = {group: values[METRIC] for group, values in report.group_values().items()}
    test = paired_test(report.per_user[METRIC], popular.per_user[METRIC])
    return {"all": report[METRIC], **groups, "coverage": report["coverage@20"], "p_against_popularity": test["p"]}


def one_set(name: str) -> dict[str, Any]:
    """All models on one set."""
    import recae

    parts = recae.split(recae.load(name), "time", test=0.1)
    rows: list[dict[str, Any]] = []
    popular = measured(recae.make_model("popularity").fit(parts.train), parts)
    for label, settings in MODELS.items():
        model = recae.make_model(label, **settings)
        seconds, _ = timed(lambda model=model: model.fit(parts.train))  # type: ignore[misc]
        after = figures(measured(model, parts), popular)
        model.ranking_scores = model.score_users  # type: ignore[method-assign]
        before = figures(measured(model, parts), popular)
        rows.append({"model": label, "before": before, "after": after, "seconds": seconds})
        click.echo(
            f"{name} {label:<12} before {before['all']:.4f}  after {after['all']:.4f}  known {after['known']:.4f}"
        )
    counts = popular.counts
    return {"data": name, "known_users": counts["known_users"], "new_users": counts["new_users"], "rows": rows}


@click.command(help=__doc__)
@click.option("--data", multiple=True, default=DATA, show_default=True, help="Data sets.")
def main(data: tuple[str, ...]) -> None:
    write(
        "protocols", {"metric": METRIC, "split": "time, test=0.1", "seed": 0, "sets": [one_set(name) for name in data]}
    )


if __name__ == "__main__":
    main()
