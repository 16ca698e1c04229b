"""Epochs, whole fits and lists on a GPU for `benchmarks.gpu`."""

from __future__ import annotations

import contextlib
import importlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from benchmarks.common.ratings import ML_1M, ML_20M, uniform
from benchmarks.speed.gpu_setting import Part, Row, Setting
from recae.evaluation import evaluate
from recae.models import EASE, AutoRec, MultVAE
from recae.ratings import RatingMatrix
from recae.splitting import split

PRECISIONS = ["float32", "tf32", "bf16"]
Products = Literal["sparse", "dense"]
PATHS: tuple[Products, ...] = ("sparse", "dense")
HARMLESS = 1e-3  # of an RMSE, against float32's


def epoch_seconds(model: Any, ratings: RatingMatrix) -> float:
    """Median seconds of an epoch; the first, which compiles, is left out."""
    model.fit(ratings, progress=False)
    return float(np.median(model.history_.frame()["seconds"].to_numpy()[1:]))


def on_path(path: Products, at: Setting) -> list[str]:
    """Precisions that are different ones: tf32 is of dense products; on a CPU there is float32 alone."""
    if at.device.type != "cuda":
        return PRECISIONS[:1]
    return PRECISIONS if path == "dense" else [PRECISIONS[0], PRECISIONS[2]]


def autorec(at: Setting, shape: tuple[int, int, int], paths: tuple[Products, ...] = PATHS) -> Iterator[Row]:
    """An epoch of item-based AutoRec by path and precision."""
    ratings, k, name = at.ratings(shape), 16 if at.small else 500, "ml-20m" if shape == ML_20M else "ml-1m"
    n_users, n_items = ratings.shape
    rows = min(512, -(-n_items // 8))
    steps, weights = -(-n_items // rows), 2.0 * n_users * k
    goal = "autorec" if shape == ML_20M else "autorec, ml-1m"
    for path in paths:
        dense = path == "dense"
        flops = 12.0 * n_users * n_items * k if dense else 8.0 * ratings.n_ratings * k
        # A step: gradients written, Adam's four arrays read and three written; and what is read of the weights.
        moved = steps * weights * (4.0 + 28.0) + (24.0 * n_users * n_items if dense else 16.0 * ratings.n_ratings * k)
        for kind in on_path(path, at):
            model = AutoRec(by="item", hidden=k, batch_size=rows, epochs=6, noise=0.0, path=path, device=str(at.device),
                            precision=kind)  # fmt: skip
            what = f"AutoRec k = {k}, epoch, {name}, {path}, {kind}"
            if not dense and kind == "float32":  # fused: no gradient is written, and each entry's weights are read once
                once = steps * weights * 24.0 + 8.0 * ratings.n_ratings * k
                yield at.row(what, epoch_seconds(model, ratings), flops=flops, moved=once, goal=goal)
                what += ", by autograd"
            with by_autograd():
                seconds = epoch_seconds(model, ratings)
            yield at.row(what, seconds, flops=flops, moved=moved, kind=kind if dense else "float32", goal=goal)


@contextlib.contextmanager
def by_autograd() -> Iterator[None]:
    """Within, AutoRec takes no fused steps."""
    autorec: Any = importlib.import_module("recae.models.autorec.autorec")
    kept = autorec.fused_steps
    autorec.fused_steps = lambda *_: None
    try:
        yield
    finally:
        autorec.fused_steps = kept


def mult_vae(at: Setting) -> Iterator[Row]:
    """An epoch of Mult-VAE (600, 200) at MovieLens-20M's shape."""
    ratings = at.ratings(ML_20M)
    n_users, n_items = ratings.shape
    hidden, latent = (16, 8) if at.small else (600, 200)
    steps = -(-n_users // min(500, -(-n_users // 8)))
    # Decoder forward and its two gradients; logits written, and read and written by the loss and its gradient.
    flops = 6.0 * n_users * hidden * (n_items + 3 * latent) + 4.0 * ratings.n_ratings * hidden
    moved = 32.0 * steps * (2.0 * n_items * hidden + 3.0 * hidden * latent) + 20.0 * n_users * n_items
    for kind in on_path("dense", at)[:2]:
        model = MultVAE(hidden=hidden, latent=latent, epochs=4, patience=None, own_part=0.0, device=str(at.device),
                        precision=kind)  # fmt: skip
        seconds = epoch_seconds(model, ratings)
        yield at.row(f"Mult-VAE {hidden}-{latent}, epoch, {kind}", seconds, flops=flops, moved=moved, kind=kind,
                     goal="mult-vae")  # fmt: skip


def ease(at: Setting) -> Iterator[Row]:
    """EASE at 20,000 items: XᵀX and its inverse."""
    ratings = at.ratings((60_000, 20_000, 6_000_000))
    n = ratings.n_items
    seconds = at.seconds(lambda: EASE(device=str(at.device), l2=500.0).fit(ratings), runs=3, warm_up=1)
    yield at.row(f"EASE, {n:,} items, {ratings.n_ratings:,} ratings", seconds, flops=float(n) ** 3, moved=12.0 * n**2,
                 goal="ease")  # fmt: skip


def lists(at: Setting) -> Iterator[Row]:
    """Top-20 of users by 500 factors at MovieLens-20M's shape; of some, and what all would take."""
    ratings = at.ratings(ML_20M)
    model = AutoRec(by="item", hidden=16 if at.small else 500, epochs=1, path="sparse", device=str(at.device))
    model.fit(ratings, progress=False)
    users = ratings.user_ids[:20_000]
    model.recommend(users[:2000], 20)
    start = time.perf_counter()
    model.recommend(users, 20)
    seconds = (time.perf_counter() - start) * ratings.n_users / len(users)
    flops = 2.0 * ratings.n_users * ratings.n_items * model.hidden
    yield at.row(f"top-20 of {ratings.n_users:,} users, from {len(users):,}", seconds, flops=flops, moved=1.0,
                 goal="lists")  # fmt: skip


def crossing(at: Setting) -> Iterator[Row]:
    """An epoch by path at shares of stored ratings: where dense products begin to win (`DENSE_ABOVE`)."""
    shape = (300, 200) if at.small else (6_040, 3_706)
    for density in (0.015, 0.05, 0.1, 0.3, 0.6)[: 1 if at.small else 5]:
        ratings = uniform(*shape, density)
        for path in PATHS:
            for kind in on_path(path, at):
                model = AutoRec(by="item", hidden=16 if at.small else 500, epochs=5, noise=0.0, path=path,
                                device=str(at.device), precision=kind)  # fmt: skip
                yield at.row(f"crossing: {density:.1%} stored, {path}, {kind}", epoch_seconds(model, ratings))


# ---------------------------------------------------------------- whole fits


def read_ratings(path: Path) -> RatingMatrix:
    """MovieLens-1M's ratings.dat, read by pandas."""
    text = pd.read_csv(path, sep=":", usecols=[0, 2, 4], header=None, names=[*"0a1b2c3"])
    text.columns = pd.Index(["user", "item", "rating"])
    return RatingMatrix.from_columns(
        text["user"].to_numpy(), text["item"].to_numpy(), text["rating"].to_numpy(np.float32), scale=(1, 5)
    )


def structured(ratings: RatingMatrix) -> RatingMatrix:
    """Ratings with a structure to learn: eight factors and noise, at the pairs of `ratings`."""
    users, items, _ = ratings.pairs()
    rng = np.random.default_rng(1)
    left, right = rng.normal(size=(ratings.n_users, 8)), rng.normal(size=(ratings.n_items, 8))
    truth = 3.5 + 0.3 * np.einsum("zk,zk->z", left[users], right[items]) + 0.8 * rng.normal(size=len(users))
    return RatingMatrix.from_columns(users, items, np.clip(np.round(truth), 1, 5).astype(np.float32), scale=(1, 5))


def to_rmse(at: Setting) -> Iterator[Row]:
    """Seconds of a fit of I-AutoRec on MovieLens-1M and its RMSE, by path and precision."""
    real = at.data is not None and not at.small
    if at.data is None:
        yield {"what": "I-AutoRec on MovieLens-1M to 0.831", "note": "not measured: no copy of ml-1m"}
    ratings = read_ratings(at.data) if real and at.data is not None else structured(at.ratings(ML_1M))
    parts, plain = split(ratings, "random", test=0.1, rng=0), None
    for path in PATHS:
        for kind in on_path(path, at):
            model = AutoRec(
                by="item", hidden=16 if at.small else 500, epochs=3 if at.small else 30, noise=0.0, path=path,
                device=str(at.device), precision=kind,
            )  # fmt: skip
            start = time.perf_counter()
            model.fit(parts.train, progress=False)  # its last epoch's loss is waited for
            seconds = time.perf_counter() - start
            rmse = float(evaluate(model, parts.test, ["rmse"])["rmse"])
            plain = rmse if plain is None else plain
            said = "harmless" if abs(rmse - plain) <= HARMLESS else "NOT harmless"
            note = f"RMSE {rmse:.4f}, {rmse - plain:+.4f} from float32: {said}"
            yield at.row(f"I-AutoRec, {'ml-1m' if real else 'drawn'}, {path}, {kind}", seconds, rmse=rmse, note=note,
                         goal="to 0.831" if real else None, reached=rmse <= 0.831)  # fmt: skip


def same_as_cpu(at: Setting) -> Iterator[Row]:
    """Fits on the device beside the CPU's, whose roundings differ: of averaged weights, and of kernel weights."""
    from recae.models import GLocalK, SparseFC

    parts = split(structured(at.ratings((600, 400, 24_000))), "random", test=0.1, rng=0)
    epochs = 2 if at.small else 5
    models: dict[str, Callable[[str], Any]] = {
        "AutoRec, ema": lambda device: AutoRec(hidden=32, ema=0.97, epochs=epochs, device=device),
        "SparseFC": lambda device: SparseFC(hidden=32, epochs=epochs, device=device),
        "GLocal-K": lambda device: GLocalK(hidden=32, epochs=epochs, tune_epochs=2, device=device),
    }
    for name, make in models.items():
        rmse = [
            float(evaluate(make(device).fit(parts.train, progress=False), parts.test, ["rmse"])["rmse"])
            for device in (str(at.device), "cpu")
        ]
        yield {"what": f"{name}, RMSE", "note": f"{rmse[0]:.4f} on the device, {rmse[1]:.4f} on the CPU", "rmse": rmse}


def parts(at: Setting) -> list[Part]:
    """The second run."""
    return [
        ("AutoRec, ml-1m", lambda: autorec(at, ML_1M)), ("to RMSE", lambda: to_rmse(at)),
        ("AutoRec, ml-20m", lambda: autorec(at, ML_20M)), ("EASE", lambda: ease(at)),
        ("lists", lambda: lists(at)), ("Mult-VAE", lambda: mult_vae(at)), ("crossing", lambda: crossing(at)),
        ("same as the CPU", lambda: same_as_cpu(at)),
    ]  # fmt: skip


def parts_again(at: Setting) -> list[Part]:
    """Of the third run."""
    return [
        ("AutoRec, ml-20m", lambda: autorec(at, ML_20M, ("sparse",))),
        ("AutoRec, ml-1m", lambda: autorec(at, ML_1M)), ("to RMSE", lambda: to_rmse(at)), ("lists", lambda: lists(at)),
    ]  # fmt: skip
