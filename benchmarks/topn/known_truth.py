"""Rankers on generated likes whose truth is known and not linear: EASE and autoencoders beside the best possible lists.

\b
    python -m benchmarks.known_truth                  # 500, 2,000 and 8,000 users
    python -m benchmarks.known_truth --users 30000

A user is a point z of four dimensions; how much item j is liked is a wave of z (32 sines of random directions and
phases, mixed), and how well known the item is. A user likes 30 of 1,000 items on average, drawn without replacement by
exp(score): so what somebody likes says where z is, but no item-item matrix says what follows. 500 users are hidden to
stop by and 500 to test on, who show 80 %. The truth ranks by the very scores that the likes were drawn by: no model
that sees only a row can be above it but by chance. Settings are defaults, but `rec-vae` has smaller batches (those of
500 users are few steps), and als, mult-vae and rec-vae add no popularity.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import click
import numpy as np

import recae
from benchmarks.common.record import write
from benchmarks.common.timing import timed
from benchmarks.topn.protocol import fitted
from recae._types import FloatArray
from recae.models import make_model
from recae.ranking import top_n
from recae.ratings import RatingMatrix

ITEMS, DIMENSIONS, WAVES, SHARPNESS, KNOWN, LIKES, FEWEST = 1_000, 4, 32, 4.2, 0.7, 20, 10
METRICS = ("ndcg@100", "recall@20")
MODELS: dict[str, dict[str, Any]] = {
    "popularity": {}, "ease": {}, "dan": {}, "als": {"popularity": 0.0}, "mult-vae": {"popularity": 0.0},
    "rec-vae": {"popularity": 0.0, "batch_size": 100},
}  # fmt: skip


def true_scores(n_users: int, seed: int = 0) -> FloatArray:
    """How much each user likes each item, (n_users, ITEMS): the first users are the same for any number of them."""
    rng = np.random.default_rng(seed)
    directions, phases = 1.5 * rng.normal(size=(DIMENSIONS, WAVES)), rng.normal(size=WAVES)
    mixed, known = rng.normal(size=(WAVES, ITEMS)) / np.sqrt(WAVES), KNOWN * rng.normal(size=ITEMS)
    z = rng.normal(size=(n_users, DIMENSIONS))
    return np.asarray(SHARPNESS * np.sin(z @ directions + phases) @ mixed + known, np.float32)


def drawn_likes(scores: FloatArray, seed: int = 0) -> RatingMatrix:
    """Likes drawn by exp(score) without replacement: those of the highest scores plus Gumbel noise."""
    rng = np.random.default_rng([seed, 1])
    count = FEWEST + rng.poisson(LIKES, len(scores))
    noisy = scores + rng.gumbel(size=scores.shape).astype(np.float32)
    order, _ = top_n(noisy, int(count.max()))
    users, place = np.nonzero(np.arange(order.shape[1]) < count[:, None])
    return RatingMatrix.from_columns(users, order[users, place], np.ones(len(users), np.float32))


def by_the_truth(scores: FloatArray, parts: Any) -> dict[str, float]:
    """Figures of lists by the scores that the test users' likes were drawn by."""
    from benchmarks.peers.scores import Given

    users = np.asarray(parts.test.user_ids, np.int64)
    model = Given(parts.test_input.user_rows, scores[users][:, np.asarray(parts.train.item_ids, np.int64)])
    model.ratings_ = parts.train
    report = recae.evaluate(model, parts, METRICS, block=parts.test.n_users)
    return {metric: float(report[metric]) for metric in METRICS}


def rows_of(n_users: int) -> list[dict[str, Any]]:
    """Figures of each model, the truth last."""
    scores = true_scores(n_users + 1_000)
    parts = recae.split(drawn_likes(scores), "held-out-users", test=500, validation=500, rng=0)
    rows: list[dict[str, Any]] = []
    for name, settings in MODELS.items():
        seconds, model = timed(partial(fitted, make_model(name, **settings), parts))
        report = recae.evaluate(model, parts, METRICS)
        rows.append({"model": name, "settings": settings, "users": n_users, "seconds": seconds})
        rows[-1] |= {metric: float(report[metric]) for metric in METRICS}
        click.echo(f"{n_users:>7,} {name:<12} NDCG@100 {report['ndcg@100']:.4f}  {seconds:.0f} s")
    return [*rows, {"model": "truth", "users": n_users, "seconds": None, **by_the_truth(scores, parts)}]


@click.command(help=__doc__)
@click.option(
    "--users", multiple=True, type=click.IntRange(1), default=(500, 2_000, 8_000), show_default=True,
    help="Users to learn from.",
)  # fmt: skip
def main(users: tuple[int, ...]) -> None:
    rows: list[dict[str, Any]] = []
    for n_users in users:
        rows += rows_of(n_users)
        click.echo(f"{n_users:>7,} {'truth':<12} NDCG@100 {rows[-1]['ndcg@100']:.4f}")
        write("known-truth", {"seed": 0, "rows": rows})


if __name__ == "__main__":
    main()
