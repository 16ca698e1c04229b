"""Linear autoencoders, PCA and matrix factorisation, side by side: what is the same, and what is better.

\b
    python -m benchmarks.linear_vs_mf ml-1m              # both tables, the JSON, the figure
    python -m benchmarks.linear_vs_mf ml-1m --only ranking

Ranking: ratings of 4 and 5, users with 5 of them; 1,000 users to choose settings on and 1,000 to test on, met with
80 % of their ratings (Liang et al. 2018). Every model has at most six candidates, chosen by NDCG@100 on the validation
users, and is then measured once on the test users. Ratings: a random 90/10 split; settings are chosen by RMSE on 10 %
of train.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import click

import recae
from benchmarks.common.options import grid
from benchmarks.common.paths import DOCS
from benchmarks.common.record import write
from benchmarks.common.timing import timed
from benchmarks.topn.rating_pca import RatingPCA
from recae.comparison import compare
from recae.models import Recommender, make_model
from recae.plots import save
from recae.plots.comparison_plot import accuracy_against_time
from recae.splitting import Split, take_validation

RANKING_METRICS = ("ndcg@100", "recall@20", "recall@50", "coverage@20", "novelty@20")
Grid = list[dict[str, Any]]


# Label: model's name, candidates. The first three have one objective and differ in how it is minimised.
RANKING: dict[str, tuple[str, Grid]] = {
    "PCA (PureSVD)": ("pca", grid(factors=[20, 30, 40, 50, 64, 100])),
    "linear autoencoder, by gradient": ("linear-ae", grid(hidden=[20, 30, 40, 50, 64, 100])),
    "matrix factorisation, all weights 1": (
        "als",
        grid(factors=[20, 30, 40, 50, 64, 100], alpha=[1.0], l2=[0.01], iterations=[50]),
    ),
    "weighted matrix factorisation (ALS)": ("als", grid(factors=[64, 128], alpha=[4.0, 10.0, 20.0], l2=[50.0])),
    "BPR": ("bpr", grid(factors=[64], lr=[0.002, 0.005, 0.01], l2=[0.003, 0.01], iterations=[60])),
    "LAE (ridge), closed form": ("dlae", grid(dropout=[0.0], l2=[100.0, 300.0, 500.0, 1000.0, 2000.0, 4000.0])),
    "EASE": ("ease", grid(l2=[100.0, 200.0, 300.0, 500.0, 1000.0, 2000.0])),
    "EDLAE": ("edlae", grid(l2=[100.0, 300.0, 1000.0], dropout=[0.33, 0.5])),
    "DLAE": ("dlae", grid(l2=[100.0, 300.0, 1000.0], dropout=[0.33, 0.5])),
    "RDLAE": ("rlae", grid(l2=[300.0, 1000.0], dropout=[0.33], xi=[0.1, 0.3, 0.6])),
    "DAN": ("dan", grid(l2=[20.0, 100.0], alpha=[0.1, 0.2, 0.3], beta=[0.3], dropout=[0.5])),
    "SLIM": ("slim", grid(l1=[1.0, 2.0, 5.0], l2=[300.0, 1000.0])),
    "item-kNN": ("item-knn", grid(k=[20, 50, 100], shrink=[0.0, 10.0])),
    "popularity": ("popularity", [{}]),
}
LINEAR: dict[str, list[Any]] = {
    "activation": ["identity"], "input": ["raw"], "epochs": [30], "hidden": [500], "lr": [2e-3],
}  # fmt: skip
RATINGS: dict[str, tuple[str, Grid]] = {
    "AutoRec (item-based)": ("i-autorec", [{"input": "raw"}]),  # as the linear one has it
    "linear autoencoder on what is rated": ("i-autorec", grid(**LINEAR, l2=[200.0, 800.0, 1600.0, 3200.0])),
    "biased matrix factorisation": ("biased-mf", grid(factors=[32, 64], l2=[0.06, 0.08, 0.1])),
    "PCA of what biases leave": ("rating-pca", grid(factors=[2, 5, 10, 20, 30, 50])),
    "biases": ("bias", [{}]),
    "global mean": ("global-mean", [{}]),
}


def made(name: str, settings: dict[str, Any]) -> Recommender:
    """A model by name, not fitted; its lists are by its own scores."""
    if name == "rating-pca":
        return RatingPCA(**settings)
    model = make_model(name, **settings)
    return model.set_params(popularity=0.0) if "popularity" in model.get_params() else model


def chosen(
    rows: Mapping[str, tuple[str, Grid]], measure: Callable[[Recommender], float], say: Callable[[str], None]
) -> tuple[dict[str, Recommender], dict[str, Any]]:
    """The best candidate of each row, not fitted, and every candidate tried; `measure` fits, and larger is better."""
    models: dict[str, Recommender] = {}
    log: dict[str, Grid] = {}
    for label, (name, candidates) in rows.items():
        tried: Grid = []
        for settings in candidates:
            if len(candidates) > 1:
                seconds, figure = timed(partial(measure, made(name, settings)))
                tried.append({"settings": settings, "validation": figure, "seconds": seconds})
        best: dict[str, Any] = max(tried, key=lambda one: one["validation"]) if tried else {"settings": candidates[0]}
        models[label], log[label] = made(name, best["settings"]), tried
        say(f"  {label}: {best['settings']}" + (f", {abs(best['validation']):.4f} on validation" if log[label] else ""))
    return models, log


def ranking(ratings: Any, held_out: int, rows: Mapping[str, tuple[str, Grid]], say: Callable[[str], None]) -> Any:
    """Comparison on held-out users, and what was tried."""
    liked = ratings.binarize(4).filter(min_user=5)
    parts = recae.split(liked, "held-out-users", test=held_out, validation=held_out, rng=0)
    metrics = [name for name in RANKING_METRICS if int(name.split("@")[1]) <= parts.train.n_items]

    def on_validation(model: Recommender) -> float:
        return recae.evaluate(model.fit(parts.train, progress=False), parts, metrics[0], part="validation")[metrics[0]]

    models, log = chosen(rows, on_validation, say)
    return compare(parts, models, metrics=metrics, progress=say), log


def rating(ratings: Any, rows: Mapping[str, tuple[str, Grid]], say: Callable[[str], None]) -> Any:
    """Comparison by RMSE, and what was tried."""
    parts = recae.split(ratings, "random", test=0.1, rng=0)
    train, validation = take_validation(parts.train, 0.1, rng=0)
    inner = Split(train, validation, how="random")

    def on_validation(model: Recommender) -> float:
        return -recae.evaluate(model.fit(train, progress=False), inner, "rmse")["rmse"]

    models, log = chosen(rows, on_validation, say)
    return compare(parts, models, metrics=["rmse", "mae"], progress=say), log


def draw(result: dict[str, Any], path: Path) -> None:
    """Draw NDCG against time, of a comparison's `to_dict`, without popularity, which is too far from the others."""
    rows, name = [row for row in result["models"] if row["model"] != "popularity"], result["metrics"][0]
    figure = accuracy_against_time(
        [row["model"] for row in rows], [row["fit_seconds"] for row in rows], [row[name] for row in rows],
        [row["intervals"][name] for row in rows], ylabel="NDCG@100",
        title=f"{result['data']}: {result['n_test_users']:,} held-out users, 95 % intervals",
    )  # fmt: skip
    save(figure, path)


@click.command(help=__doc__)
@click.argument("dataset", type=click.Choice(["ml-1m", "ml-100k"]))
@click.option("--only", type=click.Choice(["ranking", "ratings"]), help="One of the two tables.")
def main(dataset: str, only: str | None) -> None:
    ratings = recae.load(dataset)
    payload: dict[str, Any] = {"dataset": dataset}

    def say(line: str) -> None:
        click.echo(line, err=True)

    if only != "ratings":
        found, log = ranking(ratings, 1000 if dataset == "ml-1m" else 150, RANKING, say)
        click.echo(f"{found}\n")
        payload["ranking"] = {**found.to_dict(), "tried": log}
        draw(payload["ranking"], DOCS / f"linear_vs_mf_{dataset}.png")
    if only != "ranking":
        found, log = rating(ratings, RATINGS, say)
        click.echo(f"{found}\n")
        payload["ratings"] = {**found.to_dict(), "tried": log}
    click.echo(str(write(f"linear_vs_mf-{dataset}" + (f"-{only}" if only else ""), payload)))


if __name__ == "__main__":
    main()
