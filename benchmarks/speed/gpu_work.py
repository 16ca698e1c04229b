"""The parts that `benchmarks.gpu` times, each beside the least time that the device's rates allow."""

from __future__ import annotations

import contextlib
import functools
import statistics
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from benchmarks.common import ratings as random_ratings
from benchmarks.common import timing
from benchmarks.common.ratings import ML_20M
from recae.evaluation import evaluate
from recae.models import EASE, AutoRec, MultVAE
from recae.ratings import RatingMatrix
from recae.sparse import SparseRows, sddmm, spmm
from recae.splitting import split

Row = dict[str, Any]
Ceilings = dict[str, float]
SMALL = (300, 120, 6_000)
generated = functools.cache(random_ratings.generated)  # twenty million ratings take minutes to draw
GOALS = {"autorec": 0.15, "mult-vae": 1.0, "ease": 2.0, "to 0.831": 10.0, "precision": 1e-3}


def seconds_of(job: Callable[[], Any], device: torch.device, runs: int = 5, warm_up: int = 2) -> float:
    """Median seconds of `runs` runs."""
    return statistics.median(timing.seconds_of(job, runs, warm_up=warm_up, device=device))


@contextlib.contextmanager
def matmul(precision: str) -> Iterator[None]:
    """Within, float32 products on CUDA are done so: "highest" (float32) or "high" (tf32)."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def ceilings(device: torch.device, small: bool) -> Ceilings:
    """Bytes a second of a copy (read and written), operations a second of products by precision."""
    n, large = (256, 2**20) if small else (8192, 2**30)
    source = torch.ones(large // 4, device=device)
    to = torch.empty_like(source)
    found = {"copy": 2 * large / seconds_of(lambda: to.copy_(source), device)}
    a, b = torch.randn(n, n, device=device), torch.randn(n, n, device=device)
    for name, precision in (("float32", "highest"), ("tf32", "high")):
        with matmul(precision):
            found[name] = 2 * n**3 / seconds_of(lambda: a @ b, device)
    half_a, half_b = a.bfloat16(), b.bfloat16()
    found["bf16"] = 2 * n**3 / seconds_of(lambda: half_a @ half_b, device)
    return found


def row(
    what: str, seconds: float, at: Ceilings, *, flops: float, moved: float, kind: str = "float32", **more: Any
) -> Row:
    """A timing beside its roofline; `more`: see `goal`."""
    limits = {kind: flops / at[kind], "copy": moved / at["copy"]}
    found = {"what": what, "seconds": seconds, "flops": flops, "moved_bytes": moved}
    return {**found, **timing.against_limits(seconds, limits), **more}


def goal(name: str, seconds: float, small: bool, reached: bool = True) -> Row:
    """The goal of that name, and whether it is met; a rehearsal on tiny shapes meets none."""
    return {"goal": GOALS[name], "met": None if small else seconds <= GOALS[name] and reached}


def kinds(device: torch.device) -> list[tuple[str, str]]:
    """Precisions by name, each with how PyTorch is to multiply float32 matrices; bf16 is for CUDA."""
    return [("float32", "highest"), ("tf32", "high"), ("bf16", "highest")][: 3 if device.type == "cuda" else 2]


# ---------------------------------------------------------------- kernels and batches


def kernels(device: torch.device, at: Ceilings, small: bool, _: Path | None) -> Iterator[Row]:
    """The sparse products and a batch made on the device, at MovieLens-20M's shape."""
    k = 16 if small else 500
    rows = SparseRows.from_scipy(generated(*(SMALL if small else ML_20M)).rows("item")).to(device)
    index = torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))[:512]
    batch = rows[index]
    weight, hidden = torch.randn(rows.n_cols, k, device=device), torch.randn(len(batch), k, device=device)
    touched, flops = 4.0 * k * len(torch.unique(batch.indices)), 2.0 * batch.nnz * k
    moved = touched + 4.0 * k * len(batch) + 8 * batch.nnz
    with torch.no_grad():
        for name, job in (("spmm", lambda: spmm(batch, weight)), ("sddmm", lambda: sddmm(batch, hidden, weight))):
            yield row(f"{name}, {batch.nnz:,} stored, k = {k}", seconds_of(job, device), at, flops=flops, moved=moved)
        half = weight.bfloat16()
        seconds = seconds_of(lambda: spmm(batch, half), device)
        yield row("spmm, bf16 weights", seconds, at, flops=flops, moved=moved - touched / 2)
        seconds = seconds_of(lambda: rows[index], device)
        yield row("batch assembled on the device", seconds, at, flops=0, moved=16.0 * batch.nnz)
        transposed = seconds_of(
            lambda: SparseRows(batch.indptr, batch.indices, batch.values, batch.n_cols).transposed(), device
        )
        yield row("its transposed pattern", transposed, at, flops=0, moved=16.0 * batch.nnz)


# ---------------------------------------------------------------- epochs


def epoch_seconds(model: Any, ratings: RatingMatrix) -> float:
    """Median seconds of an epoch; the first, which compiles, is left out."""
    model.fit(ratings, progress=False)
    return float(np.median(model.history_.frame()["seconds"].to_numpy()[1:]))


def autorec(device: torch.device, at: Ceilings, small: bool, _: Path | None) -> Iterator[Row]:
    """An epoch of item-based AutoRec at MovieLens-20M's shape, sparse and dense, float32, tf32 and bf16."""
    shape, k = (SMALL, 16) if small else (ML_20M, 500)
    ratings = generated(*shape)
    n_users, n_items, n_ratings = shape
    rows = min(512, n_items)
    steps, weights = -(-n_items // rows), 2.0 * n_users * k
    for path in ("sparse", "dense"):
        dense = path == "dense"
        flops = 12.0 * n_users * n_items * k if dense else 8.0 * n_ratings * k
        # A step: gradients written, Adam's four arrays read and three written; and what is read of the weights.
        moved = steps * weights * (4.0 + 28.0) + (24.0 * n_users * n_items if dense else 8.0 * n_ratings)
        for kind, precision in kinds(device):
            model = AutoRec(by="item", hidden=k, batch_size=rows, epochs=4, noise=0.0, path=path, device=str(device),
                            precision="bf16" if kind == "bf16" else "float32")  # fmt: skip
            with matmul(precision):
                seconds = epoch_seconds(model, ratings)
            yield row(f"AutoRec k = {k}, epoch of {n_ratings:,}, {path}, {kind}", seconds, at, flops=flops, moved=moved,
                      kind=kind if dense else "float32", **goal("autorec", seconds, small))  # fmt: skip


def mult_vae(device: torch.device, at: Ceilings, small: bool, _: Path | None) -> Iterator[Row]:
    """An epoch of Mult-VAE (600, 200) at MovieLens-20M's shape."""
    n_users, n_items, n_ratings = shape = SMALL if small else ML_20M
    hidden, latent = (16, 8) if small else (600, 200)
    ratings = generated(*shape)
    weights = 2.0 * n_items * hidden + 3.0 * hidden * latent
    steps = -(-n_users // min(500, -(-n_users // 8)))
    # Decoder forward and its two gradients; logits written, and read and written by the loss and its gradient.
    flops = 6.0 * n_users * hidden * (n_items + 3 * latent) + 4.0 * n_ratings * hidden
    moved = 32.0 * steps * weights + 20.0 * n_users * n_items
    for kind, precision in (("float32", "highest"), ("tf32", "high")):
        model = MultVAE(hidden=hidden, latent=latent, epochs=4, patience=None, device=str(device))
        with matmul(precision):
            seconds = epoch_seconds(model, ratings)
        yield row(f"Mult-VAE {hidden}-{latent}, epoch of {n_ratings:,}, {kind}", seconds, at, flops=flops, moved=moved,
                  kind=kind, **goal("mult-vae", seconds, small))  # fmt: skip


def ease(device: torch.device, at: Ceilings, small: bool, _: Path | None) -> Iterator[Row]:
    """EASE at 20,000 items: XᵀX and its inverse."""
    n_users, n_items, n_ratings = (300, 120, 6_000) if small else (60_000, 20_000, 6_000_000)
    ratings = generated(n_users, n_items, n_ratings)
    EASE(device=str(device)).fit(generated(*SMALL))
    seconds = seconds_of(lambda: EASE(device=str(device)).fit(ratings), device, runs=3, warm_up=1)
    yield row(f"EASE, {n_items:,} items, {n_ratings:,} ratings", seconds, at, flops=float(n_items) ** 3,
              moved=12.0 * n_items**2, **goal("ease", seconds, small))  # fmt: skip


# ---------------------------------------------------------------- whole fits


def read_ratings(path: Path) -> RatingMatrix:
    """MovieLens-1M's ratings.dat, read by pandas."""
    names = ["user", "item", "rating", "time"]
    text = pd.read_csv(path, sep=":", usecols=[0, 2, 4, 6], header=None, names=[*"0a1b2c3"])
    text.columns = pd.Index(names)
    return RatingMatrix.from_columns(
        text["user"].to_numpy(), text["item"].to_numpy(), text["rating"].to_numpy(np.float32), scale=(1, 5)
    )


def structured(n_users: int, n_items: int, n_ratings: int) -> RatingMatrix:
    """Ratings with a structure to learn: eight factors and noise, at the pairs of `generated`."""
    users, items, _ = generated(n_users, n_items, n_ratings).pairs()
    rng = np.random.default_rng(1)
    left, right = rng.normal(size=(n_users, 8)), rng.normal(size=(n_items, 8))
    truth = 3.5 + 0.3 * np.einsum("zk,zk->z", left[users], right[items]) + 0.8 * rng.normal(size=len(users))
    return RatingMatrix.from_columns(users, items, np.clip(np.round(truth), 1, 5).astype(np.float32), scale=(1, 5))


def to_rmse(device: torch.device, _at: Ceilings, small: bool, path: Path | None) -> Iterator[Row]:
    """Seconds of a fit of I-AutoRec on MovieLens-1M and its RMSE, in each precision."""
    k, epochs = (16, 3) if small else (500, 30)
    data = "generated ratings" if small or path is None else "MovieLens-1M"
    ratings = structured(300, 120, 6_000) if small else structured(6_040, 3_706, 1_000_000)
    if path is None:
        yield {"what": "I-AutoRec on MovieLens-1M to 0.831", "note": "not measured: no copy of ml-1m"}
    elif not small:
        ratings = read_ratings(path)
    parts = split(ratings, "random", test=0.1, rng=0)
    plain: float | None = None
    for products in ("sparse", "dense"):
        for kind, precision in kinds(device):
            model = AutoRec(by="item", hidden=k, epochs=epochs, noise=0.0, path=products, device=str(device),
                            precision="bf16" if kind == "bf16" else "float32")  # fmt: skip
            with matmul(precision):
                seconds, _ = timing.timed(partial(model.fit, parts.train, progress=False), device)
            rmse = float(evaluate(model, parts.test, ["rmse"])["rmse"])
            plain = rmse if plain is None else plain
            found = outcome(f"I-AutoRec, k = {k}, {data}, {products}, {kind}", seconds, rmse, rmse - plain)
            yield found if path is None else {**found, **goal("to 0.831", seconds, small, rmse <= 0.831)}


def outcome(what: str, seconds: float, rmse: float, apart: float) -> Row:
    """A fit, its RMSE, and how far that is from float32's."""
    harmless = abs(apart) <= GOALS["precision"]
    note = f"RMSE {rmse:.4f}, {apart:+.4f} from float32: {'harmless' if harmless else 'NOT harmless'}"
    return {"what": what, "seconds": seconds, "rmse": rmse, "apart": apart, "harmless": harmless, "note": note}


PARTS = (kernels, autorec, mult_vae, ease, to_rmse)
