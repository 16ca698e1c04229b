"""Seconds for the top-20 of all users, and for an evaluation beside its score product.

\b
    python -m benchmarks.topn_speed [--data ml-1m] [--repeats 5]

EASE and a factor model of 128 through `recommend` (lists as a frame of raw ids, seen items left out), implicit's own
`recommend` on the same factors; then recall@20 and ndcg@100 of 10,000 users x 20,000 items from a factor model of 128,
against the product of the factors, block by block, without ranking. The best of the repeats, compiled before.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import click
import numpy as np
import torch

import recae
from benchmarks.common.ratings import generated_likes
from benchmarks.common.record import write
from benchmarks.common.timing import seconds_of
from recae.models import Recommender
from recae.recommender.scoring import blocks
from recae.splitting import split

LIST = 20


def best_of(repeats: int, work: Callable[[], Any]) -> float:
    """Seconds of the fastest of some runs."""
    return min(seconds_of(work, repeats, warm_up=1))


def lists(data: str, repeats: int) -> dict[str, float]:
    """Seconds for the lists of all users."""
    ratings = recae.load(data)
    als = recae.ImplicitALS(factors=128, iterations=2, popularity=0.0).fit(ratings)
    models: dict[str, Recommender] = {"ease": recae.EASE(device="cpu", l2=500.0).fit(ratings), "als": als}
    models["pca"] = recae.PCARecommender(factors=128, popularity=0.0).fit(ratings)
    found = {}
    for name, model in models.items():
        found[name] = best_of(repeats, partial(model.recommend, ratings.user_ids, LIST))
        click.echo(f"top-{LIST} of {ratings.n_users:,} users, {name:<9} {found[name]:.3f} s")
    found["implicit"] = best_of(repeats, implicit_lists(als))
    click.echo(f"top-{LIST} of {ratings.n_users:,} users, implicit  {found['implicit']:.3f} s")
    return found


def implicit_lists(model: Any) -> Callable[[], Any]:
    """implicit's own `recommend` on the factors of one of ours."""
    from implicit.cpu.als import AlternatingLeastSquares

    theirs = AlternatingLeastSquares(factors=model.item_vectors().shape[1], num_threads=0)
    theirs.item_factors = np.ascontiguousarray(model.item_vectors(), np.float32)
    rows = model.ratings_.user_rows
    users = np.arange(rows.shape[0])
    theirs.user_factors = np.random.default_rng(0).normal(size=(len(users), theirs.item_factors.shape[1]))
    theirs.user_factors = theirs.user_factors.astype(np.float32)
    from scipy.sparse import csr_matrix

    seen = csr_matrix(rows)
    return lambda: theirs.recommend(users, seen, N=LIST, filter_already_liked_items=True)


class Factors(recae.Popularity):
    """Scores U Vᵀ, so that an evaluation can be timed beside the product."""

    users: torch.Tensor
    items: torch.Tensor

    def score_users(self, user_index: Any) -> Any:
        return (self.users[torch.from_numpy(user_index)] @ self.items.mT).numpy()


def evaluation(repeats: int, n_users: int = 10_000, n_items: int = 20_000) -> dict[str, float]:
    """Seconds for the product, and for the evaluation with it."""
    parts = split(generated_likes(n_users, n_items, 60), "random", test=0.2, rng=0)
    model: Any = Factors().fit(parts.train)
    made = torch.Generator().manual_seed(0)
    model.users, model.items = (torch.randn(n, 128, generator=made) for n in (n_users, n_items))

    def product() -> None:
        for block in blocks(n_users, n_items):
            model.score_users(np.arange(block.start, block.stop))

    found = {"product": best_of(repeats, product)}
    found["evaluate"] = best_of(repeats, lambda: recae.evaluate(model, parts.test, ["recall@20", "ndcg@100"]))
    found["ratio"] = found["evaluate"] / found["product"]
    click.echo(
        f"{n_users:,} x {n_items:,}: product {found['product']:.3f} s, evaluation {found['evaluate']:.3f} s, "
        f"ratio {found['ratio']:.2f}"
    )
    return found


@click.command(help=__doc__)
@click.option("--data", default="ml-1m", show_default=True)
@click.option("--repeats", default=5, show_default=True)
@click.option("--record/--no-record", default=True, help="Write results/topn_speed.json.")
def main(data: str, repeats: int, record: bool) -> None:
    found = {"lists": lists(data, repeats), "evaluation": evaluation(repeats)}
    if record:
        write("topn_speed", {"data": data, "repeats": repeats, "threads": torch.get_num_threads(), **found})


if __name__ == "__main__":
    main()
