"""Rare groups, and data that change: a digit that was rare or not there at all, users and items apart, "
"ratings by time."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from recae import plots
from recae.demos.measures import reconstructed, rounded
from recae.demos.stage import Figures, Stage
from recae.demos.words import row
from recae.evaluation import Report, evaluate
from recae.models import AutoRec, Bias
from recae.ratings import RatingMatrix
from recae.recommender.base import Recommender
from recae.splitting import split

DIGIT, SHARE = 5, 0.01  # which digit is made rare, and what is left of it
ROWS, EPOCHS = 10_000, (4, 40)
RATING_EPOCHS = 30
SHOWN_GROUPS = 8  # of a column


def look(figures: Figures) -> str:
    """What is to be seen."""
    digit, networks = figures["digit"], figures["networks"]
    ratios = [row(networks, name)["times_the_others"] for name in ("all there", "rare", "not there")]
    time, by = row(figures["by_time"], "autorec"), row(figures["by_time"], "biases")
    better = "below" if time["rmse"] < by["rmse"] else "not below"
    parts = [_apart(one) for one in figures["groups"]]
    return (
        f"The error of images of {digit} is {ratios[0]:.2f} times that of other digits where all were trained on, "
        f"{ratios[1]:.2f} times where 1 % of them were, {ratios[2]:.2f} times where none was. Ratings: "
        f"{'; '.join(parts)}. Tested on the last ratings in time, AutoRec's error is {time['rmse']:.3f}, {better} the "
        f"biases' {by['rmse']:.3f}; tested on random ones {time['rmse_random']:.3f} and {by['rmse_random']:.3f}."
    )


def _apart(groups: Figures) -> str:
    """The groups with the lowest and the highest error, and whether their intervals meet."""
    low, high = groups["best"], groups["worst"]
    meet = "their intervals meet" if low["high"] >= high["low"] else "their intervals are apart"
    return (
        f"by {groups['by']} the error goes from {low['rmse']:.3f} ({low['group']}) to {high['rmse']:.3f} "
        f"({high['group']}), {meet}"
    )


def run(stage: Stage) -> Figures:
    digits, ratings = stage.digits, stage.ratings
    networks = _digit(stage)
    random = split(ratings, "random", test=0.1, rng=stage.seed)
    model = _fitted(stage, random.train)
    reports = {by: evaluate(model, random, "rmse", by=by) for by in (_column(ratings), "activity", "popularity")}
    found = [{"by": by, **_extremes(report)} for by, report in reports.items()]
    _draw(stage, reports)
    last = split(ratings, "time", test=0.1)
    by_time = [_beside("autorec", model, _fitted(stage, last.train), random, last)]
    by_time.append(_beside("biases", Bias().fit(random.train), Bias().fit(last.train), random, last))
    stage.table(by_time)
    return {
        "data": f"{digits.source}; {ratings.name}", "digit": DIGIT, "networks": networks, "groups": found,
        "by_time": by_time,
    }  # fmt: skip


def _digit(stage: Stage) -> list[Figures]:
    """Errors by digit of networks that met all digits, few of one, and none of it."""
    digits = stage.digits
    rows, labels = digits.train[:ROWS], digits.train_labels[:ROWS]
    places = torch.nonzero(labels == DIGIT).squeeze(1)
    few = places[: max(1, round(SHARE * len(places)))]
    kept = {"all there": labels >= 0, "rare": (labels != DIGIT), "not there": labels != DIGIT}
    kept["rare"] = kept["rare"].clone().index_fill_(0, few, value=True)
    errors = {name: _errors(stage, name, rows[keep]) for name, keep in kept.items()}
    series = {f"{DIGIT}: {name}": one.tolist() for name, one in errors.items()}
    figure = plots.bars(
        [str(d) for d in range(10)], series, xlabel="digit", ylabel="squared error a pixel, test images", digits=3,
        title=f"{digits.noun}: a digit that training met as often as others, rarely, or never",
    )  # fmt: skip
    stage.save(figure, "groups-digit")
    found = []
    for name, one in errors.items():
        others = float(np.delete(one, DIGIT).mean())
        found.append(
            {"training": name, "images": int(kept[name].sum()), "error_of_it": rounded(one[DIGIT], 5),
             "error_of_others": rounded(others, 5), "times_the_others": rounded(one[DIGIT] / others, 3)}
        )  # fmt: skip
    stage.table(found)
    return found


def _errors(stage: Stage, name: str, rows: Tensor) -> np.ndarray:
    """Squared error a pixel of the test images of each digit, (10,)."""
    digits = stage.digits
    model = stage.network(digits.sizes("784-256-32"), activations="relu", output="sigmoid")
    stage.train(f"a digit {name}", model, EPOCHS, loss="cross-entropy", rows=rows)
    error = (reconstructed(model, digits.test) - digits.test).square().mean(1)
    return np.array([float(error[digits.test_labels == digit].mean()) for digit in range(10)])


def _fitted(stage: Stage, train: RatingMatrix) -> Any:
    model: Any = AutoRec(by="item", epochs=stage.epochs or RATING_EPOCHS, rng=stage.seed, device="cpu", hidden=100)
    return model.fit(train, progress=False)


def _column(ratings: RatingMatrix) -> str:
    """A column of the users that says something of them."""
    names = [] if ratings.user_table is None else list(ratings.user_table.columns)
    return next((name for name in ("gender", "favourite") if name in names), "activity")


def _extremes(report: Report) -> Figures:
    rows: list[Figures] = [
        {"group": name, "rmse": rounded(part["rmse"], 4), "low": rounded(low, 4), "high": rounded(high, 4)}
        for name, part in report.parts.items()
        for low, high in [part.interval("rmse") or (part["rmse"], part["rmse"])]
    ]
    return {"best": min(rows, key=lambda one: one["rmse"]), "worst": max(rows, key=lambda one: one["rmse"])}


def _draw(stage: Stage, reports: dict[str, Report]) -> None:
    panels = {}
    for by, report in reports.items():
        first = list(report.parts.items())[:SHOWN_GROUPS]
        panels[f"by {by}"] = [(name, part["rmse"], part.interval("rmse")) for name, part in first]
    whole = next(iter(reports.values()))["rmse"]
    title = "AutoRec's error by group, 95 % intervals over users"
    figure = plots.intervals(panels, xlabel="RMSE", level=(whole, "all test ratings"), title=title)
    stage.save(figure, "groups-ratings")


def _beside(name: str, random: Recommender, last: Recommender, split_: Any, by_time: Any) -> Figures:
    return {
        "model": name, "rmse": rounded(evaluate(last, by_time, "rmse")["rmse"], 4),
        "rmse_random": rounded(evaluate(random, split_, "rmse")["rmse"], 4),
    }  # fmt: skip
