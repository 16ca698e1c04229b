"""What a split by time says of models: users without a training rating ranked by popularity, and in catalogue order.

\b
    python -m benchmarks.protocols
    python -m benchmarks.protocols --data ml-100k

The last 10 % of the ratings are hidden. Each model is fitted once, with the settings in `MODELS`, which are not all
defaults, and measured twice: `before`, its own scores rank the items for everybody, as recae did until 0.1.0 (scores of
an empty row are mostly 0, and lists then are the first items of the catalogue); `after`, users without a training
rating get the most rated items. Recall@20 over all test users, over those with training ratings (known) and over those
without (new); p is that of the paired t-test over users against popularity.

A generated log of purchases, in which things are bought again, is cut by time as well: `before`, rows of one pair are
merged as they are read (the last stays) and then cut, so that a pair that is bought again leaves the train part;
`after`, rows are cut and then merged. `again` measures all purchases after the cut, what was bought before included.
"""

from __future__ import annotations

import warnings
from typing import Any

import click
import numpy as np

from benchmarks.common.record import write
from benchmarks.common.timing import timed

DATA = ("ml-100k", "ml-latest-small")
# The models with the settings that the published figures have.
MODELS: dict[str, dict[str, Any]] = {
    "popularity": {}, "ease": {"l2": 500.0}, "item-knn": {"shrink": 10.0, "popularity": 0.0},
    "pca": {"factors": 50, "popularity": 0.0},
}  # fmt: skip
METRIC = "recall@20"
KINDS = 30  # of things, in the generated purchases


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


def purchases(n_users: int = 4_000, n_items: int = 3_000, n: int = 150_000, seed: int = 0) -> Any:
    """Rows (user, item, timestamp) of a year: a user likes one of 30 kinds, and half of the purchases were made before.

    Kinds have the same number of items; within a kind, and over kinds, sales have a long tail.
    """
    import pandas as pd

    rng = np.random.default_rng(seed)
    activity, sales = rng.pareto(2.0, n_users) + 0.3, rng.pareto(1.2, n_items) + 0.1
    of_item, of_user = rng.permutation(n_items) % KINDS, rng.integers(0, KINDS, n_users)
    users = rng.choice(n_users, n, p=activity / activity.sum())
    items = rng.choice(n_items, n, p=sales / sales.sum())
    for kind in range(KINDS):  # seven of ten purchases are of the kind that the user likes
        mine = np.flatnonzero((of_user[users] == kind) & (rng.random(n) < 0.7))
        these = np.flatnonzero(of_item == kind)
        items[mine] = rng.choice(these, len(mine), p=sales[these] / sales[these].sum())
    had: dict[int, list[int]] = {}
    again = rng.random(n) < 0.5
    for row, user in enumerate(users):  # in the order of time
        before = had.setdefault(user, [])
        if again[row] and before:
            items[row] = before[int(rng.integers(len(before)))]
        before.append(int(items[row]))
    times = 1_700_000_000 + np.sort(rng.integers(0, 365 * 86_400, n))
    return pd.DataFrame({"user": users, "item": items, "timestamp": times})


def repeats() -> dict[str, Any]:
    """NDCG@20 of the last tenth of the purchases: merged before they are cut, merged after it, and with what is had."""
    import recae

    frame = purchases()
    last = frame.drop_duplicates(["user", "item"], keep="last")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # how many rows were merged and left out is what is measured here
        days = (frame["timestamp"].max() - frame["timestamp"].quantile(0.9)) / 86_400
        cut = f"{int(days)}D"
        ways = {
            "before": recae.split(recae.load(last, rating=False), "time", test=cut),
            "after": recae.split(recae.load(frame, rating=False), "time", test=cut),
            "again": recae.split(recae.load(frame, rating=False), "time", test=cut, again=True),
        }
    rows: list[dict[str, Any]] = []
    for label, settings in MODELS.items():
        row: dict[str, Any] = {"model": label}
        for way, parts in ways.items():
            model = recae.make_model(label, **settings).fit(parts.train)
            row[way] = recae.evaluate(model, parts, ["ndcg@20"], filter_seen=way != "again")["ndcg@20"]
        rows.append(row)
        click.echo(f"purchases {label:<12}" + "".join(f"  {way} {row[way]:.4f}" for way in ways))
    sizes = {way: {"train": parts.train.n_ratings, "test": parts.test.n_ratings} for way, parts in ways.items()}
    return {"purchases": len(frame), "pairs": len(last), "cut": cut, "sizes": sizes, "rows": rows}


@click.command(help=__doc__)
@click.option("--data", multiple=True, default=DATA, show_default=True, help="Data sets.")
def main(data: tuple[str, ...]) -> None:
    found = {"metric": METRIC, "split": "time, test=0.1", "seed": 0, "settings": MODELS}
    write("protocols", {**found, "sets": [one_set(name) for name in data], "repeats": repeats()})


if __name__ == "__main__":
    main()
