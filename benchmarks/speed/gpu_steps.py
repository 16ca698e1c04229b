"""AutoRec's fused steps on a GPU for `benchmarks.gpu`: recorded, launched and by autograd; and how they are divided."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any

from benchmarks.common.ratings import ML_1M, ML_20M
from benchmarks.speed.gpu_fits import by_autograd
from benchmarks.speed.gpu_kernels import steps_of
from benchmarks.speed.gpu_setting import Part, Row, Setting
from recae.models import AutoRec
from recae.training.fused_steps import FusedSteps

PAIRS = ((1, 2), (1, 4), (2, 4), (4, 2), (4, 4), (4, 8))  # warps, and entries at once
UPDATES = ((2, 1), (4, 1), (4, 2), (4, 4), (8, 1))
NETWORKS: dict[str, dict[str, Any]] = {
    "items": {}, "items, noise": {"noise": 0.2}, "users, noise": {"by": "user", "noise": 0.2},
    "items, deep": {"hidden": (500, 50, 500)},
}  # fmt: skip


def _model(at: Setting, **settings: Any) -> AutoRec:
    usual = {"by": "item", "hidden": 16 if at.small else 500, "epochs": 5, "noise": 0.0, "path": "sparse"}
    if at.small and "hidden" in settings:
        settings["hidden"] = (16, 4, 16)
    return AutoRec(**{**usual, "batch_size": None if at.small else 512, "device": str(at.device), **settings})


@contextlib.contextmanager
def _launched() -> Iterator[None]:
    """Within, fused steps are launched one by one, and not recorded as a graph."""
    make: Any = FusedSteps.__init__

    def eager(steps: FusedSteps, *arguments: Any, **settings: Any) -> None:
        make(steps, *arguments, **{**settings, "graph": False})

    FusedSteps.__init__ = eager  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        FusedSteps.__init__ = make  # type: ignore[method-assign]


def epochs(at: Setting, shape: tuple[int, int, int]) -> Iterator[Row]:
    """An epoch three ways: what the host takes is in it."""
    ratings, name = at.ratings(shape), "ml-20m" if shape == ML_20M else "ml-1m"
    ways: dict[str, Any] = {"recorded": contextlib.nullcontext, "launched": _launched, "by autograd": by_autograd}
    for network in NETWORKS if shape == ML_1M else ("items",):
        for way, within in ways.items():
            with within():
                model, start = _model(at, **NETWORKS[network]), time.perf_counter()
                model.fit(ratings, progress=False)
            taken = model.history_.frame()
            yield at.row(
                f"epoch, {name}, {network}, {way}", float(taken["seconds"].iloc[2:].median()),
                first=float(taken["seconds"].iloc[0]), fit=time.perf_counter() - start,
                loss=float(taken["loss"].iloc[-1]),
            )  # fmt: skip


def tilings(at: Setting, shape: tuple[int, int, int]) -> Iterator[Row]:
    """Kernels of a step, by chunk, warps and entries at once; launches are in it, which a graph has not."""
    name = "ml-20m" if shape == ML_20M else "ml-1m"
    if at.device.type != "cuda":
        yield {"what": f"tilings, {name}", "note": "not measured: its kernels are for CUDA"}
        return
    steps: Any = steps_of(_model(at, epochs=1), at.ratings(shape))
    steps.epoch.batch.fill_(0)
    kernels, usual = steps.kernels, steps.kernels.TILING
    try:
        for chunk in (64, 128, 256):
            for pair in PAIRS:
                kernels.TILING = usual._replace(chunk=chunk, encode=pair, decode=pair)
                steps._make_room()
                said = f"{name}, chunk {chunk}, {pair[0]} warps, {pair[1]} entries"
                yield at.row(f"encode, {said}", at.seconds(lambda: _encode(steps)))
                yield at.row(f"decode, {said}", at.seconds(lambda: _decode(steps)))
        for warps, entries in UPDATES:
            kernels.TILING = usual._replace(update=(warps, entries))
            yield at.row(f"update, {name}, {warps} warps, {entries} entries", at.seconds(lambda: _update(steps)))
    finally:
        kernels.TILING = usual


def _encode(steps: Any) -> None:
    steps.kernels.encode(steps.epoch, steps.size, steps.v.weight, steps.part_v, steps.product)


def _decode(steps: Any) -> None:
    steps.kernels.decode(
        steps.epoch, steps.size, steps.product, steps.w.weight, steps.b.weight, steps.part_w, steps.losses,
        steps.d_hidden,
    )  # fmt: skip


def _update(steps: Any) -> None:
    steps.kernels.update(steps.epoch, steps.adam, steps.product, steps.d_hidden, steps.v, steps.w, steps.b)


def parts(at: Setting) -> list[Part]:
    """The run."""
    return [
        ("steps, ml-1m", lambda: epochs(at, ML_1M)), ("steps, ml-20m", lambda: epochs(at, ML_20M)),
        ("tilings, ml-20m", lambda: tilings(at, ML_20M)), ("tilings, ml-1m", lambda: tilings(at, ML_1M)),
    ]  # fmt: skip
