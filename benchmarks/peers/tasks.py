"""What is compared: the tasks, who does them, what everybody is handed, and what is made of the answers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import recae
from benchmarks.accuracy.fits import parts, rows_of, tupled
from benchmarks.common.rating_files import write_csv
from benchmarks.topn.protocol import hidden_users
from recae.metrics import rmse
from recae.splitting import Split

FACTORS, LIST, COMPARED = 128, 20, 200
OURS_FOR_RATINGS = ("bias", "biased-mf", "i-autorec")
THEIRS_FOR_RATINGS = (("surprise", "svd"), ("surprise", "svd++"), ("myfm", "fm"))
READERS = ("pandas", "recae", "recbole", "rectools", "cornac", "surprise")
SIZES = {"ratings-1m": 1_000_000, "ratings-20m": 20_000_000}
FOLDS = {"ml-100k": "folds", "ml-1m": "random-90/10"}


@dataclass(frozen=True)
class Row:
    """A line of the table: who does which task, and how."""

    task: str
    peer: str
    method: str = ""

    @property
    def key(self) -> str:
        return " ".join(part for part in (self.task, self.peer, self.method) if part)

    @property
    def section(self) -> str:
        """The rows that are compared with each other."""
        return f"{self.task} {self.method.split(' ')[0]}" if self.task in ("load", "ratings") else self.task


def table(large: bool) -> list[Row]:
    """All rows, in order; reading 20 million ratings is among them if `large`."""
    files = [name for name in SIZES if large or name == "ratings-1m"]
    found = [Row("load", peer, name) for name in files for peer in READERS]
    found += [Row("autorec-epoch", peer) for peer in ("recae", "torch")]
    found += [Row("vae-epoch", peer) for peer in ("recae", "irspack", "recbole", "cornac")]
    found += [Row("ease-fit", peer) for peer in ("recae", "irspack", "recbole", "rectools", "cornac")]
    found += [Row("top-20", peer) for peer in ("recae", "implicit", "rectools", "cornac")]
    for name in FOLDS:
        found += [Row("ratings", "recae", f"{name} {method}") for method in OURS_FOR_RATINGS]
        found += [Row("ratings", peer, f"{name} {method}") for peer, method in THEIRS_FOR_RATINGS]
    return found


# ---------------------------------------------------------------- what they are handed


def hand_over(data: Path, settings: dict[str, Any], large: bool) -> None:
    """Arrays, files and settings.json; what is there already is left."""
    data.mkdir(parents=True, exist_ok=True)
    for name, rows in SIZES.items():
        if (large or name == "ratings-1m") and not (data / f"{name}.csv").exists():
            write_csv(data / "writing.csv", rows, "shuffled", seed=0)
            (data / "writing.csv").rename(data / f"{name}.csv")
    liked = hidden_users()
    hand_over_liked(data, liked)
    hand_over_factors(data)
    shapes = {name: hand_over_ratings(data, name) for name in FOLDS}
    more = {
        "autorec": {"hidden": 500, "batch_size": 512, "l2": 100.0, "lr": 2e-3, "shape": shapes["ml-1m"]},
        "vae": vae_settings(liked, settings["most_epochs"]), "shapes": shapes, "n": LIST, "compared": COMPARED,
        "methods": {name: {method: ours(name, method) for method in OURS_FOR_RATINGS} for name in FOLDS},
    }  # fmt: skip
    (data / "settings.json").write_text(json.dumps({**more, **settings}, indent=1))


def vae_settings(liked: Split, epochs: int) -> dict[str, Any]:
    """Mult-VAE's for everybody: the paper's, its annealing over 85 % of all steps."""
    vae = {"hidden": 600, "latent": 200, "batch_size": 500, "lr": 1e-3, "beta": 0.2, "dropout": 0.5}
    return {**vae, "anneal_steps": int(0.85 * epochs * -(-liked.train.n_users // 500))}


def ours(dataset: str, method: str) -> dict[str, Any]:
    """A model of ours with its settings, chosen on held-out training data or defaults (`benchmarks/configs`)."""
    row = rows_of(dataset).get(method) or rows_of("ml-1m")[method]
    return {"model": row["model"], "params": {key: tupled(value) for key, value in row.get("params", {}).items()}}


def hand_over_liked(data: Path, liked: Split) -> None:
    """CSR arrays of ones: what is learnt from, what hidden users show, what they are to be shown."""
    assert liked.validation is not None
    assert liked.validation_input is not None
    assert liked.test_input is not None
    busy = np.flatnonzero(liked.validation.counts("user"))
    matrices = {
        "train": liked.train.user_rows, "shown": liked.validation_input.user_rows[busy],
        "wanted": liked.validation.user_rows[busy], "test": liked.test_input.user_rows[busy_users(liked)],
    }  # fmt: skip
    for name, rows in matrices.items():
        write_rows(data, name, rows)


def hand_over_factors(data: Path) -> None:
    """Factors of all users and items of MovieLens-1M, and what everybody has seen."""
    ratings = recae.load("ml-1m")
    write_rows(data, "seen", ratings.user_rows)
    if not (data / "factors.npz").exists():
        als = recae.ImplicitALS(factors=FACTORS, iterations=2, rng=0, popularity=0.0).fit(ratings)
        np.savez(data / "factors.npz", users=als.user_factors_, items=als.item_factors_)


def write_rows(data: Path, name: str, rows: Any) -> None:
    """A pattern: what is rated, not how."""
    np.savez(data / f"{name}.npz", indptr=rows.indptr, indices=rows.indices, shape=rows.shape)


def hand_over_ratings(data: Path, dataset: str) -> list[int]:
    """u1 of MovieLens-100K, split 0 of MovieLens-1M, as columns; users and items there are."""
    train, test, _ = parts(dataset, FOLDS[dataset], 0)
    for name, part in (("train", train), ("test", test)):
        users, items, ratings = part.pairs()
        np.savez(data / f"{dataset}-{name}.npz", users=users, items=items, ratings=ratings)
    return [train.n_users, train.n_items]


def busy_users(liked: Split) -> npt.NDArray[np.int64]:
    """Test users who have something to be found."""
    return np.flatnonzero(liked.test.counts("user"))


# ---------------------------------------------------------------- what is made of the answers


def judged(row: Row, figures: dict[str, Any], arrays: dict[str, Any], data: Path) -> dict[str, Any]:
    """A peer's figures, with those that are measured here, in one way for all, from its arrays."""
    if "predicted" in arrays:
        dataset = row.method.split(" ")[0]
        with np.load(data / f"{dataset}-train.npz") as train, np.load(data / f"{dataset}-test.npz") as test:
            low, high = train["ratings"].min(), train["ratings"].max()
            figures = {**figures, "rmse": rmse(test["ratings"], np.clip(arrays["predicted"], low, high))}
    for name in ("weights", "lists"):
        if name in arrays:
            figures = {**figures, **compared(data / f"ours-{name}.npy", name, arrays[name], row.peer == "recae")}
    return figures


def compared(file: Path, name: str, found: npt.NDArray[Any], is_ours: bool) -> dict[str, float]:
    """How far EASE's weights are from ours (the largest difference over the largest weight), or how many of the listed
    items are the same: who does another thing may be fast at it."""
    if is_ours:
        np.save(file, found)
    if not file.exists():
        return {}
    wanted = np.load(file)
    if name == "lists":
        same = [len(np.intersect1d(a, b)) for a, b in zip(found, wanted)]
        return {"same_items": float(np.sum(same) / wanted.size)}
    return {"off_by": float(np.abs(found - wanted).max() / np.abs(wanted).max())}


# ---------------------------------------------------------------- in words


def agreement(row: dict[str, Any]) -> str:
    """How far a peer's weights or lists agree with recae's; "" where nothing is compared."""
    if row["peer"] == "recae":
        return ""
    if "off_by" in row:
        return f"weights differ by {row['off_by']:.0e}"
    return f"{row['same_items']:.2%} of the items are ours" if "same_items" in row else ""


def duration(seconds: float) -> str:
    """Seconds, with fewer decimals for longer times."""
    return f"{seconds:.0f} s" if seconds >= 100 else f"{seconds:.1f} s" if seconds >= 10 else f"{seconds:.3f} s"


def in_words(row: dict[str, Any]) -> str:
    """A measured row as one line for the terminal."""
    if "reason" in row:
        return f"- {row['reason']}"
    rmse = f"RMSE {row['rmse']:.4f}, " if "rmse" in row else ""
    return f"{rmse}{duration(row['median'])}, {row['peak_mb']:,.0f} MB  {agreement(row)}".rstrip()
