"""A row of the accuracy tables: its model, its train and test parts, and the figures of one fit."""

from __future__ import annotations

from typing import Any

from benchmarks.accuracy.saved_predictions import blend_figures, load_predictions, save_predictions
from benchmarks.common.options import read_config
from benchmarks.common.paths import CONFIGS
from benchmarks.common.ratings import ML_1M, ML_10M, ML_20M, drawn
from benchmarks.common.record import peak_mb
from benchmarks.common.timing import timed

DRAWN = "-drawn"
SHAPES = {"ml-1m": ML_1M, "ml-10m": ML_10M, "ml-20m": ML_20M}
FOLDS = ("u1", "u2", "u3", "u4", "u5")
Row = dict[str, Any]


def parts(dataset: str, protocol: str, seed: int) -> tuple[Any, Any, Any]:
    """Train, test, and for unseen users the ratings they reveal."""
    import recae
    from recae.loaders import load_fold

    if protocol == "random-90/10":
        split = recae.split(ratings_of(dataset), "random", test=0.1, rng=seed)
        return split.train, split.test, None
    if protocol == "folds":
        train, test = load_fold(dataset, FOLDS[seed])
        return train, test, None
    split = recae.split(recae.load(dataset), "held-out-users", test=100, fold_in=0.8, rng=seed)
    return split.train, split.test, split.test_input


def ratings_of(dataset: str) -> Any:
    """The data set; of a name that ends in "-drawn", generated ratings of its shape, for times and memory."""
    import recae

    name = dataset.removesuffix(DRAWN)
    return recae.load(dataset) if name == dataset else drawn(*SHAPES[name])


def one_fit(dataset: str, row: Row, seed: int, name: str | None = None) -> Row:
    """Figures of one fit on the test part; with a name, its predictions are saved for blends.

    A blend with given weights is computed from saved predictions where those of all members are there.
    """
    from recae.metrics import mae, rmse

    train, test, revealed = parts(dataset, row.get("protocol", "random-90/10"), seed)
    members = saved_members(dataset, row, seed)
    sizes = {"seed": seed, "n_train": train.n_ratings, "n_test": test.n_ratings}
    if members:
        return {**sizes, **blend_figures(members, row["weights"], train, test)}
    model = model_of(row, dataset)
    if "rng" in model.get_params():
        model.set_params(rng=seed)
    seconds, _ = timed(lambda: model.fit(train, progress=False))
    users, items, ratings = test.pairs()
    if revealed is None:
        dates = {"timestamps": test.timestamps} if model.reads_dates else {}
        predicted = model.predict_pairs(users, items, **dates)
    else:
        predicted = model.predict_pairs_new(revealed.user_rows, users, items)
    found = {
        **sizes, "rmse": rmse(ratings, predicted), "mae": mae(ratings, predicted), "seconds": seconds,
        "peak_mb": peak_mb(), **blend_weights(model),
    }  # fmt: skip
    if name is not None and revealed is None and not model.reads_dates:
        save_predictions(f"{dataset}-{name}-{seed}", row, model, test, found)
    return found


def saved_members(dataset: str, row: Row, seed: int) -> list[Row]:
    """Saved predictions of a blend's members, where it has weights and those of all members are there; else none."""
    if row["model"] != "blend" or not {"of", "weights"} <= set(row):
        return []
    rows = rows_of(dataset)
    found = [load_predictions(f"{dataset}-{member}-{seed}", rows[member]) for member in row["of"]]
    return [] if None in found else [one for one in found if one is not None]


def model_of(row: Row, dataset: str | None = None) -> Any:
    """The row's unfitted model: settings from the file that `settings` names, overridden by `params`.

    A blend names its member rows (`of`) and may give a weight for each (`weights`); `dated` is one with its dates read.
    """
    import recae
    from recae.settings import read_settings

    if "of" in row:
        assert dataset is not None
        members = tuple(model_of(rows_of(dataset)[name], dataset) for name in row["of"])
        blend = recae.Blend(members=members, weights=tupled(row.get("weights", "stacked")))
        return recae.Dated(base=blend) if row["model"] == "dated" else blend
    name: str = row["model"]
    params: dict[str, Any] = {}
    if "settings" in row:
        name, params = read_settings(CONFIGS / row["settings"])
    return recae.make_model(name, **{**params, **{k: tupled(v) for k, v in row.get("params", {}).items()}})


def rows_of(dataset: str) -> dict[str, Row]:
    """The rows that a blend may name."""
    return read_config(dataset.removesuffix(DRAWN))


def tupled(value: Any) -> Any:
    """TOML's lists as the models' tuples."""
    return tuple(tupled(v) for v in value) if isinstance(value, list) else value


def league_of(row: Row) -> str:
    """The league that the row names, otherwise its model's."""
    import recae
    from recae.comparison.leagues import league_of as league_of_model

    if row["model"] == "blend":
        return "blends"
    return row.get("league") or league_of_model(recae.Dated() if "of" in row else model_of(row))


def blend_weights(model: Any) -> dict[str, Any]:
    """The weights of a blend, and its members' RMSE out of sample; empty for other models."""
    if getattr(model, "weights_", None) is None:
        return {}
    errors = model.member_rmse_
    return {"weights": model.weights_.tolist(), "member_rmse": None if errors is None else errors.tolist()}
