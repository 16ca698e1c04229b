"""Kernels on a GPU for `benchmarks.gpu`: tests, the card's rates, sparse products beside the library's, a sweep."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.common.paths import ROOT
from benchmarks.common.ratings import ML_1M, ML_20M
from benchmarks.speed.gpu_setting import GOALS, Part, Row, Setting, matmul
from recae.models import AutoRec
from recae.sparse import SparseRows, sddmm, spmm

# ---------------------------------------------------------------- tests and rates


def tests(at: Setting) -> Iterator[Row]:
    """The GPU tests, each file in a process of its own, all at once."""
    if importlib.util.find_spec("pytest") is None:
        yield {"what": "GPU tests", "note": "not run: pytest is not installed"}
        return
    files = [file for file in sorted((ROOT / "tests").glob("test_*.py")) if "mark.gpu" in file.read_text()]
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "-m", "gpu"]
    running = {
        file.name: subprocess.Popen([*command, str(file)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                    text=True)
        for file in (files[:1] if at.small else files)
    }  # fmt: skip
    for name, process in running.items():
        try:
            output = process.communicate(timeout=90)[0]
        except subprocess.TimeoutExpired:  # the others' times count, too
            process.kill()
            output = process.communicate()[0] + "\nstopped after 90 s"
        last = (output.strip().splitlines() or ["no output"])[-1]
        found: Row = {"what": f"GPU tests, {name}", "note": last, "status": process.returncode}
        yield found if process.returncode in (0, 5) else {**found, "output": output[-6000:]}


def rates(at: Setting) -> Iterator[Row]:
    """Bytes a second of a copy (read and written), operations a second of products by precision."""
    n, large = (256, 2**20) if at.small else (8192, 2**30)
    source = torch.ones(large // 4, device=at.device)
    to = torch.empty_like(source)
    at.rates["copy"] = 2 * large / at.seconds(lambda: to.copy_(source))
    a, b = (torch.randn(n, n, device=at.device) for _ in range(2))
    for name, precision in (("float32", "highest"), ("tf32", "high")):
        with matmul(precision):
            at.rates[name] = 2 * n**3 / at.seconds(lambda: a @ b, runs=7)
    half_a, half_b = a.bfloat16(), b.bfloat16()
    at.rates["bf16"] = 2 * n**3 / at.seconds(lambda: half_a @ half_b, runs=7)
    said = ", ".join(f"{name} {rate / 1e12:.3g} T/s" for name, rate in at.rates.items())
    yield {"what": "rates", "note": said, "rates": dict(at.rates)}


# ---------------------------------------------------------------- sparse products


@dataclass
class Products:
    """A batch of item rows at a shape, and the three products of a training step."""

    at: Setting
    shape: tuple[int, int, int]
    k: int

    def __post_init__(self) -> None:
        device = self.at.device
        self.rows = SparseRows.from_scipy(self.at.ratings(self.shape).rows("item")).to(device)
        self.index = torch.randperm(len(self.rows), generator=torch.Generator().manual_seed(0))[:512]
        self.batch = self.rows[self.index]
        self.weight = torch.randn(self.rows.n_cols, self.k, device=device)
        self.hidden = torch.randn(len(self.batch), self.k, device=device)
        self.bias = torch.randn(self.rows.n_cols, device=device)

    def jobs(self) -> dict[str, Callable[[], Any]]:
        """By the names of `recae.sparse.cuda.TILINGS`."""
        batch, transposed = self.batch, self.batch.transposed()
        return {
            "spmm": lambda: spmm(batch, self.weight),
            "sddmm": lambda: sddmm(batch, self.hidden, self.weight, self.bias),
            "spmm of short rows": lambda: torch.ops.recae.spmm_transposed(*transposed, batch.values, self.hidden),
        }

    def moved(self, name: str) -> float:
        """Bytes that a product must read and write: each row of weights that occurs once, and the entries."""
        used = len(torch.unique(self.batch.indices))
        wide = self.rows.n_cols if name == "spmm of short rows" else used
        return 4.0 * self.k * (wide + len(self.batch)) + 12.0 * self.batch.nnz

    def gathered(self) -> float:
        """Bytes of a row of weights for every entry: what is read where none is still in a cache."""
        return 4.0 * self.k * self.batch.nnz

    def library(self) -> dict[str, Callable[[], Any]]:
        """The same by torch.sparse, which is cuSPARSE on a GPU."""
        batch, (t_indptr, t_indices, t_position) = self.batch, self.batch.transposed()
        size, values = batch.shape, batch.values
        rows = torch.sparse_csr_tensor(batch.indptr.int(), batch.indices, values, size)
        transposed = torch.sparse_csr_tensor(t_indptr.int(), t_indices, values[t_position], size[::-1])
        zeros = torch.sparse_csr_tensor(batch.indptr.int(), batch.indices, torch.zeros_like(values), size)
        return {
            "spmm": lambda: rows @ self.weight,
            "sddmm": lambda: torch.sparse.sampled_addmm(zeros, self.hidden, self.weight.mT),
            "spmm of short rows": lambda: transposed @ self.hidden,
        }


def kernels(at: Setting, shape: tuple[int, int, int]) -> Iterator[Row]:
    """The three products, half precision, and how a batch is made."""
    made = Products(at, shape, 16 if at.small else 500)
    batch, name = made.batch, "ml-20m" if shape == ML_20M else "ml-1m"
    note = f"{batch.nnz:,} stored; with no cache {made.gathered() / at.rates['copy'] * 1e3:.3f} ms"
    with torch.no_grad():
        for what, job in made.jobs().items():
            goal = what if what in GOALS and shape == ML_20M else None
            flops = 2.0 * batch.nnz * made.k
            yield at.row(f"{what}, {name}", at.seconds(job), flops=flops, moved=made.moved(what), goal=goal, note=note)
        half = made.weight.bfloat16()
        yield at.row(f"spmm, {name}, bf16 weights", at.seconds(lambda: spmm(batch, half)))
        yield at.row(f"batch taken, {name}", at.seconds(lambda: made.rows[made.index]), moved=16.0 * batch.nnz)
        fresh = lambda: SparseRows(batch.indptr, batch.indices, batch.values, batch.n_cols).transposed()  # noqa: E731
        yield at.row(f"its transposed pattern, {name}", at.seconds(fresh), moved=16.0 * batch.nnz)


def library(at: Setting, shape: tuple[int, int, int]) -> Iterator[Row]:
    """The same products by the library: where it is faster, it should replace them."""
    made = Products(at, shape, 16 if at.small else 500)
    ours, name = made.jobs(), "ml-20m" if shape == ML_20M else "ml-1m"
    with torch.no_grad():
        for what, job in made.library().items():
            theirs = job()
            theirs = theirs.values() if theirs.layout == torch.sparse_csr else theirs
            offset = made.bias[made.batch.indices.long()] if what == "sddmm" else 0
            apart = float((ours[what]() - offset - theirs).abs().max())
            yield at.row(f"{what}, {name}, torch.sparse", at.seconds(job), note=f"largest difference {apart:.1e}")


def fused(at: Setting, shape: tuple[int, int, int]) -> Iterator[Row]:
    """The kernels of AutoRec's fused step on one batch, and a whole step from its CUDA graph."""
    name, k = "ml-20m" if shape == ML_20M else "ml-1m", 500
    if at.device.type != "cuda":
        yield {"what": f"fused step, {name}", "note": "not measured: its kernels are for CUDA"}
        return
    steps = steps_of(AutoRec(hidden=k, batch_size=512, epochs=1, noise=0.0, device=str(at.device)), at.ratings(shape))
    rows, hidden, kernels = steps.epoch, torch.sigmoid(steps.product), steps.kernels
    before = torch.randn_like(hidden)
    n, entries = len(steps.w.weight), int(rows.indptr[steps.size])
    once = 4.0 * k * len(torch.unique(rows.indices[:entries]))
    both = 2 * 24.0 * n * k  # weight and moments of V and W, read and written
    jobs: dict[str, tuple[Callable[[], Any], float]] = {
        "encode": (lambda: kernels.encode(rows, steps.size, steps.v.weight, steps.part_v, steps.product), once),
        "decode": (lambda: kernels.decode(rows, steps.size, hidden, steps.w.weight, steps.b.weight, steps.part_w,
                                          steps.losses, steps.d_hidden), once),
        "update": (lambda: kernels.update(rows, steps.adam, hidden, before, steps.v, steps.w, steps.b), both),
        "step": (lambda: steps.step(0), 2 * once + both),
    }  # fmt: skip
    for what, (job, moved) in jobs.items():
        note = f"{entries:,} stored; with no cache {4e3 * k * entries / at.rates['copy']:.3f} ms a pass"
        yield at.row(f"fused {what}, {name}", at.seconds(job), moved=moved, note=note)


def steps_of(model: AutoRec, ratings: Any) -> Any:
    """The `FusedSteps` of a fit."""
    from recae.training.fused_steps import FusedSteps

    found: list[FusedSteps] = []
    begin = FusedSteps.begin

    def noted(steps: FusedSteps, *arguments: Any) -> None:
        found.append(steps)
        begin(steps, *arguments)

    FusedSteps.begin = noted  # type: ignore[method-assign,assignment]
    try:
        model.fit(ratings, progress=False)
    finally:
        FusedSteps.begin = begin  # type: ignore[method-assign]
    return found[-1]


# ---------------------------------------------------------------- what a program takes


def tilings() -> dict[str, Any]:
    """What `recae.sparse.cuda` is set to."""
    from recae.sparse import cuda

    return {"CHUNK": cuda.CHUNK, "LONG": cuda.LONG, "TILINGS": {name: list(t) for name, t in cuda.TILINGS.items()}}


def use_tilings(given: dict[str, Any]) -> None:
    """Set it."""
    from recae.sparse import cuda

    cuda.CHUNK, cuda.LONG = given["CHUNK"], given["LONG"]
    cuda.TILINGS.update({name: cuda.Tiling(*t) for name, t in given["TILINGS"].items()})


def sweep(at: Setting, folder: Path | None) -> Iterator[Row]:
    """Warps and weights a thread of each product, then the chunk; the best goes to gpu-tilings.json."""
    made = Products(at, ML_20M, 16 if at.small else 500)
    best = tilings()
    for name, job in made.jobs().items():
        found: dict[tuple[int, int], float] = {}
        for warps in (1, 2, 4, 8)[: 1 if at.small else 4]:
            for held in (16, 32, 64, 128)[: 2 if at.small else 4]:
                trial = {**best, "TILINGS": {**best["TILINGS"], name: [warps, held]}}
                found[warps, held] = _with(trial, job, at)
                yield at.row(f"sweep, {name}: {warps} warps, {held} weights a thread", found[warps, held])
        fastest: tuple[int, int] = min(found, key=lambda both: found[both])
        best["TILINGS"][name] = list(fastest)
    chunks = {}
    for chunk in (128, 256, 512, 1024)[: 1 if at.small else 4]:
        trial = {**best, "CHUNK": chunk, "LONG": 4 * chunk}
        chunks[chunk] = sum(_with(trial, job, at) for name, job in made.jobs().items() if name in ("spmm", "sddmm"))
        yield at.row(f"sweep, spmm and sddmm: chunks of {chunk}", chunks[chunk])
    best["CHUNK"] = min(chunks, key=lambda chunk: chunks[chunk])
    best["LONG"] = 4 * best["CHUNK"]
    use_tilings(best)
    if folder is not None:
        (folder / "gpu-tilings.json").write_text(json.dumps(best))
    yield {"what": "the sweep's best", "note": json.dumps(best), "tilings": best}


def _with(trial: dict[str, Any], job: Callable[[], Any], at: Setting) -> float:
    """Seconds under these tilings; those that need more than a multiprocessor has take forever."""
    before = tilings()
    use_tilings(trial)
    try:
        with torch.no_grad():
            return at.seconds(job, runs=7)
    except Exception:  # whatever Triton's compiler says of it
        return float("inf")
    finally:
        use_tilings(before)


# ---------------------------------------------------------------- inside a step


def profile(at: Setting) -> Iterator[Row]:
    """The kernels of an epoch of AutoRec at MovieLens-1M's shape, longest first."""
    from torch.profiler import ProfilerActivity, profile

    ratings = at.ratings(ML_1M)
    model = AutoRec(by="item", hidden=16 if at.small else 500, epochs=2, path="sparse", device=str(at.device))
    model.fit(ratings, progress=False)
    activities = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if at.device.type == "cuda" else [])
    with profile(activities=activities) as watched:
        model.fit(ratings, progress=False)
    name = "self_device_time_total" if at.device.type == "cuda" else "self_cpu_time_total"
    events = sorted(watched.key_averages(), key=lambda event: -getattr(event, name))
    for event in events[: 3 if at.small else 25]:
        note = f"{event.count} calls in two epochs"
        yield {"what": f"profile: {event.key[:46]}", "seconds": getattr(event, name) / 1e6, "note": note}


ONE_SPMM = """
import torch
from benchmarks.speed.gpu_kernels import ML_20M, AutoRec, Products, Setting
made = Products(Setting(torch.device("cuda"), False, None), ML_20M, 500)
for name in ("spmm", "sddmm", "spmm of short rows"):
    made.jobs()[name]()
AutoRec(hidden=500, batch_size=512, epochs=1, device="cuda", path="sparse").fit(made.at.ratings(ML_20M), progress=False)
torch.cuda.synchronize()
"""


def nsight(at: Setting) -> Iterator[Row]:
    """What Nsight Compute counts in one of each product; the card's clocks stay as they are."""
    if (program := shutil.which("ncu")) is None or at.small:
        yield {"what": "Nsight Compute", "note": "not run: there is no ncu, or this is a rehearsal"}
        return
    sections = [f"--section={name}" for name in ("SpeedOfLight", "MemoryWorkloadAnalysis", "Occupancy")]
    command = [
        program,
        "--clock-control=none",
        *sections,
        "-k",
        "regex:(_spmm|_sddmm|encode|decode|update)_kernel",
        "-c",
        "8",
    ]
    command += [sys.executable, "-c", ONE_SPMM]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=90)
    yield {"what": "Nsight Compute", "note": f"status {done.returncode}", "output": done.stdout[-20000:]}


def parts(at: Setting, folder: Path | None) -> list[Part]:
    """The first run."""
    return [
        ("rates", lambda: rates(at)), ("tests", lambda: tests(at)), ("kernels, ml-20m", lambda: kernels(at, ML_20M)),
        ("fused, ml-20m", lambda: fused(at, ML_20M)), ("fused, ml-1m", lambda: fused(at, ML_1M)),
        ("kernels, ml-1m", lambda: kernels(at, ML_1M)),
        ("library, ml-20m", lambda: library(at, ML_20M)), ("library, ml-1m", lambda: library(at, ML_1M)),
        ("profile", lambda: profile(at)), ("sweep", lambda: sweep(at, folder)),
        ("kernels with the best", lambda: kernels(at, ML_20M)),
    ]  # fmt: skip


def parts_again(at: Setting) -> list[Part]:
    """Of the third run."""
    return [
        ("rates", lambda: rates(at)), ("kernels, ml-20m", lambda: kernels(at, ML_20M)),
        ("kernels, ml-1m", lambda: kernels(at, ML_1M)), ("profile", lambda: profile(at)),
        ("Nsight Compute", lambda: nsight(at)),
    ]  # fmt: skip
