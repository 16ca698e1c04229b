"""What each peer's script shares: arrays in, seconds out. It imports only NumPy and SciPy, in any Python.

    python with_PEER.py TASK METHOD DATA OUT

DATA/settings.json says how many threads and how much memory there are; the script writes OUT/figures.json.
Scripts are called with_PEER.py because a script called PEER.py would be imported in place of the package.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from pathlib import Path

import numpy as np
from scipy import sparse


def answer(tasks):
    """Do the task that the command line names, and write what it tells, with the peak of memory."""
    task, method, data, out = sys.argv[1], sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4])
    settings = json.loads((data / "settings.json").read_text())
    if settings.get("memory_gib"):
        allowed = int(settings["memory_gib"] * 2**30)
        resource.setrlimit(resource.RLIMIT_DATA, (allowed, allowed))
    figures = tasks[task](data, out, {**settings, "method": method})
    (out / "figures.json").write_text(json.dumps({**figures, "peak_mb": peak_mb()}))


def repeated(work, settings):
    """Seconds of each run after the first, in which things are compiled and memory is found; and the last result.

    What takes long is not repeated: its first run is all there is.
    """
    start = time.perf_counter()
    result = work()
    first = time.perf_counter() - start
    seconds = []
    while len(seconds) < settings["repeats"] and first + sum(seconds) < settings["enough_seconds"]:
        result = None  # not two at once
        start = time.perf_counter()
        result = work()
        seconds.append(time.perf_counter() - start)
    return {"seconds": seconds or [first], "first_seconds": first}, result


def timed(work):
    """Seconds, and the result."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def rows(folder, name, dtype=np.float32):
    """CSR matrix of ones, (n_users, n_items)."""
    with np.load(folder / f"{name}.npz") as file:
        ones = np.ones(len(file["indices"]), dtype)
        return sparse.csr_matrix((ones, file["indices"], file["indptr"]), shape=tuple(file["shape"]))


def columns(folder, name):
    """Users, items (indices) and ratings of `name`, three arrays."""
    with np.load(folder / f"{name}.npz") as file:
        return file["users"], file["items"], file["ratings"]


def factors(folder):
    """Factors of users and of items, (n_users, k), (n_items, k)."""
    with np.load(folder / "factors.npz") as file:
        return file["users"], file["items"]


def asked_events(folder):
    """All events in the order of users and time: `items`, `first` (of the user of each), and which ones are asked."""
    with np.load(folder / "asked.npz") as file:
        return {name: file[name] for name in ("items", "first", "validation", "test")}


def ndcg_at_20(score, asked, part, most=4000):
    """The mean NDCG@20 of the events of a part, at most so many, items that the user had before being left out.

    `score`: positions of events to scores of all items, (n, n_items).
    """
    some = asked[part]
    if len(some) > most:
        some = np.sort(np.random.default_rng(0).permutation(some)[:most])
    gains = []
    for at, row in zip(some, score(some)):
        target = asked["items"][at]
        own = row[target]
        row[asked["items"][asked["first"][at] : at]] = -np.inf
        rank = 1 + int((row > own).sum())
        gains.append(1 / np.log2(1 + rank) if rank <= 20 and np.isfinite(own) else 0.0)
    return float(np.mean(gains))


def stopped_by_validation(model, train_epoch, score, asked, settings):
    """Train epoch by epoch while validation gets better, and leave the model with the weights of the best epoch.

    Args:
        model: a module of PyTorch.
        train_epoch: called with the number of the epoch.
        score: positions of events to scores of all items, (n, n_items).
        settings: `epochs` at most, `patience`, and the `seconds` of processor time after which no epoch begins.

    Returns:
        The figures: processor seconds, NDCG@20 of each epoch, the best epoch from 1, and whether validation stopped it.
    """
    found, best, start = [], None, time.process_time()
    stopped = False
    while not stopped and len(found) < settings["epochs"] and time.process_time() - start < settings["seconds"]:
        train_epoch(len(found))
        found.append(ndcg_at_20(score, asked, "validation"))
        print(len(found), found[-1], round(time.process_time() - start), flush=True)
        if max(found) == found[-1]:
            best = {name: value.clone() for name, value in model.state_dict().items()}
        stopped = len(found) - 1 - int(np.argmax(found)) >= settings["patience"]
    seconds = time.process_time() - start
    model.load_state_dict(best)
    return {"seconds": seconds, "validation": found, "epochs": int(np.argmax(found)) + 1, "stopped": stopped}


def latest_items(asked, some, column, longest):
    """The latest items before each of the events `some`, at most so many, as columns of a model; no unknown ones."""
    found = []
    for at in some:
        row = column[asked["items"][asked["first"][at] : at]]
        found.append(row[row >= 0][-longest:])
    return found


def save_weights(out, weights, settings, order):
    """Write the first rows of an item-item matrix whose rows and columns are the items `order`, as weights.npy."""
    np.save(out / "weights.npy", weights[np.ix_(order[: settings["compared"]], order)].astype(np.float32))


def peak_mb():
    """Peak memory of this process in MB. (`getrusage` also counts what its parent had.)"""
    try:
        status = Path("/proc/self/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def threads():
    """How many there are to use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
