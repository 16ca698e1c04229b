"""Linear autoencoders on the LightGCN split of Gowalla: Recall@20 and NDCG@20 beside the published ones.

\b
    python -m benchmarks.gowalla choose                       # settings, on a part of train
    python -m benchmarks.gowalla choose-alpha
    python -m benchmarks.gowalla choose-spectral
    python -m benchmarks.gowalla choose-blend
    python -m benchmarks.gowalla choose-recency
    python -m benchmarks.gowalla measure [--only ease,dan]    # one look at the test part each

The split (29,858 users, 40,981 items) has no validation part. `choose` takes one from train, 10 % of each user's pairs,
and only the 8,000 most rated items, so that a candidate takes seconds, not minutes. Alpha weighs popular items against
rare ones, so `choose-alpha` uses all items; one solution gives the scores of every alpha. `choose-spectral` hides a
fifth of the pairs of 3,000 users and leaves all others whole: to hide from everybody changes the operator for all.
`choose-blend` and `choose-recency` do the same; the latter hides the last fifth, for lists are in the order of visits.
`measure` fits the chosen settings on all of train and writes each figure when it is measured. Files:
`gowalla/train.txt[.gz]` and `test.txt[.gz]` in the data folder (RECAE_DATA_DIR or ./data), from the NGCF or LightGCN
repositories.
"""

from __future__ import annotations

from typing import Any

import click
import numpy as np
import torch

import recae
from benchmarks.common.options import choose_names, grid, read_config
from benchmarks.common.record import peak_mb, read, write
from benchmarks.common.timing import timed
from recae.loaders import search_places
from recae.models import make_model
from recae.models.ensemble.members import member_of
from recae.ratings import RatingMatrix
from recae.splitting import Split, published_lists, take_validation
from recae.splitting.masks import per_user_part

METRICS = ("recall-plain@20", "ndcg@20")
# He et al. (2020), the BARS collection, the papers of Turbo-CF (SIGIR 2024) and ChebyCF (SIGIR 2025). There is none
# of DAN on this very split, and none of Turbo-CF's NDCG.
PUBLISHED = {
    "ease": (0.1765, 0.1467), "LightGCN": (0.1820, 0.1547), "Turbo-CF": (0.1835, None), "GF-CF": (0.1849, 0.1518),
    "UltraGCN": (0.1862, 0.1580), "BSPM-EM": (0.1920, 0.1597), "ChebyCF": (0.1941, 0.1616),
}  # fmt: skip
BARS = {
    "ease": (0.1765, 0.1467), "edlae": (0.1840, 0.1535), "dan": (0.1865, 0.1560), "dan-alpha": (0.1865, 0.1560),
    "spectral": (0.1954, 0.1628),
    "sparse-ease": (0.1954, 0.1628), "ranking-blend": (0.1954, 0.1628), "recency": (0.2037, 0.1718),
    "recency-blend": (0.2037, 0.1718), "gf-cf": (0.1849, 0.1518), "cheby-cf": (0.1941, 0.1616),
}  # fmt: skip
BLENDED: dict[str, Settings] = {
    "plateau": {"model": "spectral", "filter": "plateau", "strength": 1.5, "user_power": 0.5, "pre": 0.4, "post": 0.4,
                "prior": 0.0, "low_pass": 0.2, "factors": 512, "popularity": 0.0},
    "als": {"model": "als", "factors": 256, "popularity": 0.0},
    "sparse-ease": {"model": "sparse-ease"},
}  # fmt: skip
POWERS = (0.0, 0.3, 0.5, 0.7, 0.9, 1.2)
ALPHAS = (0.0, 0.05, 0.1, 0.2)
Settings = dict[str, Any]


CANDIDATES: dict[str, list[Settings]] = {
    "ease": grid(l2=[20.0, 40.0, 80.0, 160.0]),
    "edlae": grid(l2=[20.0, 60.0, 120.0], dropout=[0.7, 0.8, 0.9]),
    "dan": [
        *grid(l2=[10.0, 20.0], alpha=[0.0, 0.1, 0.2], beta=[0.3], dropout=[0.5]),
        *grid(l2=[5.0, 10.0, 20.0], alpha=[0.0], beta=[0.3, 0.5, 0.7], dropout=[0.5, 0.7]),
    ],
}  # fmt: skip


def load(order: bool = False) -> Split:
    for folder in search_places():
        if (folder / "gowalla").is_dir():
            return published_lists(folder / "gowalla", order=order)
    raise click.ClickException(
        "no folder gowalla with train.txt and test.txt in " + ", ".join(map(str, search_places()))
        + ": take it from the LightGCN repository and set RECAE_DATA_DIR to the folder that has it"
    )  # fmt: skip


def popular_part(train: RatingMatrix, n_items: int) -> RatingMatrix:
    """The pairs of the `n_items` most rated items (ties by order), of users who have 5 of them or more."""
    popular = np.argsort(-train.counts("item"), kind="stable")[:n_items]
    frame = train.to_frame()
    frame = frame[frame["item"].isin(train.item_ids[popular])]
    part = recae.RatingMatrix.from_frame(frame, rating=None, name=f"{train.name}, {n_items:,} popular items")
    return part.filter(min_user=5)


def measured(name: str, settings: Settings, parts: Split) -> Settings:
    """Figures, seconds and memory of one model."""
    kind, settings = settings.get("model", name), {key: v for key, v in settings.items() if key != "model"}
    fit_seconds, model = timed(lambda: make_model(kind, **settings).fit(parts.train, progress=False))
    evaluate_seconds, report = timed(lambda: recae.evaluate(model, parts, METRICS))
    row: Settings = {
        "name": name,
        "model": kind,
        "settings": settings,
        **{metric: report[metric] for metric in METRICS},
    }
    intervals = {metric: list(i) for metric in METRICS if (i := report.interval(metric)) is not None}
    return row | {"intervals": intervals, "fit_seconds": fit_seconds, "evaluate_seconds": evaluate_seconds,
                  "peak_mb": peak_mb()}  # fmt: skip


def line(row: Settings) -> str:
    recall, ndcg = (row[metric] for metric in METRICS)
    return (f"{row['name']} {row['settings']}: Recall@20 {recall:.4f}, NDCG@20 {ndcg:.4f}, "
            f"fitted in {row['fit_seconds']:.0f} s, peak {row['peak_mb'] / 1024:.1f} GiB")  # fmt: skip


@click.group(help=__doc__)
def main() -> None:
    pass


@main.command()
@click.option("--items", default=8_000, show_default=True, help="Items to keep.")
@click.option("--only", default="", help="Some of the models, by commas.")
def choose(items: int, only: str) -> None:
    """Settings by Recall@20 on 10 % of each user's train pairs, among popular items."""
    train, validation = take_validation(popular_part(load().train, items), 0.1, rng=0, how="per-user")
    parts, tried = Split(train, validation, how="per-user"), []
    click.echo(repr(parts))
    for name in choose_names(CANDIDATES, only):
        for settings in CANDIDATES[name]:
            tried.append(measured(name, settings, parts))
            click.echo(line(tried[-1]))
            write("gowalla-choose", {"data": repr(parts), "seed": 0, "items": items, "tried": tried})


@main.command("choose-alpha")
def choose_alpha() -> None:
    """Alpha of DAN by Recall@20 on 10 % of each user's train pairs, among all items."""
    train, validation = take_validation(load().train, 0.1, rng=0, how="per-user")
    parts, tried = Split(train, validation, how="per-user"), []
    model: Any = make_model("dan", **{**read_config("gowalla")["dan"], "alpha": 0.0})
    model.fit(train, progress=False)
    counts = torch.from_numpy(np.maximum(train.counts("item"), 1)).to(model.weights_)
    before = 0.0
    for alpha in ALPHAS:  # B is diag(n^alpha) B diag(n^-alpha): one solution serves all
        scale = counts.pow(alpha - before)
        model.weights_.mul_(scale[:, None]).div_(scale)
        before = alpha
        report = recae.evaluate(model, parts, METRICS)
        tried.append({"alpha": alpha, **{metric: report[metric] for metric in METRICS}})
        click.echo(str(tried[-1]))
        write("gowalla-choose-alpha", {"data": repr(parts), "seed": 0, "settings": model.get_params(), "tried": tried})


def few_users_part(train: RatingMatrix, last: bool = False) -> Split:
    """Train without a fifth of the pairs (the last ones, or any) of 3,000 users, and those of 1,500 of them."""
    rng = np.random.default_rng(0)
    users = rng.permutation(np.flatnonzero(train.counts("user") >= 5))[:3_000]
    hidden = per_user_part(train, 0.2, rng, last) & np.isin(train.pairs()[0], users)
    measuring = np.isin(train.pairs()[0], users[:1_500])
    return Split(train.select(~hidden), train.select(hidden & measuring), how="per-user")


@main.command("choose-spectral")
def choose_spectral() -> None:
    """Strength and post of Spectral by Recall@20 on a fifth of the train pairs of 3,000 users; half of them measure."""
    parts, tried = few_users_part(load().train), []
    settings = {"factors": 800, "popularity": 0.0}
    model: Any = make_model("spectral", **settings)
    candidates = [{"strength": c, "post": post} for post in (0.35, 0.45, 0.55) for c in (0.15, 0.45, 1.5)]
    for candidate, fitted in model._trials(parts.train, candidates):
        report = recae.evaluate(fitted, parts, METRICS)
        tried.append({**settings, **candidate, **{metric: report[metric] for metric in METRICS}})
        click.echo(str(tried[-1]))
        write("gowalla-choose-spectral", {"data": repr(parts), "seed": 0, "tried": tried})


@main.command("choose-blend")
def choose_blend() -> None:
    """Members and weights beside Spectral's by Recall@20, on the part of `choose-spectral`."""
    parts, tried = few_users_part(load().train), []
    members = {"spectral": {"model": "spectral", **read_config("gowalla")["spectral"]}, **BLENDED}
    fitted: dict[str, Any] = {}
    for name, settings in members.items():
        fitted[name] = member_of(settings, rates=False).fit(parts.train, progress=False)
        blends = [{name: 1.0}] if name == "spectral" else [{name: 1.0}, *weighings(name, list(fitted))]
        for weights in blends:
            model = blend_of({one: fitted[one] for one in weights}, members, tuple(weights.values()), parts.train)
            report = recae.evaluate(model, parts, METRICS)
            tried.append({"weights": weights, **{metric: report[metric] for metric in METRICS}})
            click.echo(str(tried[-1]))
            write("gowalla-choose-blend", {"data": repr(parts), "seed": 0, "members": members, "tried": tried})


def weighings(name: str, fitted: list[str]) -> list[dict[str, float]]:
    """Weights of `name` beside Spectral, and beside each one that is fitted, too."""
    pairs = [{"spectral": 1.0, name: weight} for weight in (0.15, 0.3, 0.6)]
    others = [one for one in fitted if one not in ("spectral", name)]
    return pairs + [{"spectral": 1.0, other: 0.3, name: weight} for other in others for weight in (0.15, 0.3)]


def blend_of(models: dict[str, Any], settings: dict[str, Settings], weights: tuple[float, ...], train: Any) -> Any:
    """A RankingBlend of models that are fitted already."""
    blend: Any = make_model("ranking-blend", members=tuple(settings[name] for name in models), weights=weights)
    blend._set_ratings(train)
    blend.models_, blend.weights_ = list(models.values()), np.array(weights) / sum(weights)
    return blend


@main.command("choose-recency")
def choose_recency() -> None:
    """The power of Recency over Spectral by Recall@20 on the last fifth of the train pairs of 3,000 users."""
    parts, tried = few_users_part(load(order=True).train, last=True), []
    base = {"model": "spectral", **read_config("gowalla")["spectral"]}
    model: Any = make_model("recency", base=base, power=0.0).fit(parts.train, progress=False)
    for power in POWERS:
        model.power_ = power
        report = recae.evaluate(model, parts, METRICS)
        tried.append({"power": power, **{metric: report[metric] for metric in METRICS}})
        click.echo(str(tried[-1]))
        write("gowalla-choose-recency", {"data": repr(parts), "seed": 0, "base": base, "tried": tried})


@main.command()
@click.option("--only", default="", help="Some of the models of configs/gowalla.toml, by commas.")
def measure(only: str) -> None:
    """The chosen settings, fitted on all of train, measured on the test part."""
    chosen, parts = read_config("gowalla"), load(order=True)  # which only `recency` reads
    rows = {row.get("name", row["model"]): row for row in read("gowalla", {"rows": []})["rows"]}
    for name in choose_names(chosen, only):
        rows[name] = row = measured(name, chosen[name], parts)
        for i, metric in enumerate(METRICS):
            row |= {f"bar {metric}": BARS[name][i], f"reached {metric}": round(row[metric], 4) >= BARS[name][i]}
        click.echo(line(row))
        write("gowalla", {"data": repr(parts), "published": PUBLISHED, "rows": list(rows.values())})


if __name__ == "__main__":
    main()
