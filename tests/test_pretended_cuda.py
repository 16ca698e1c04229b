"""All models with a `device` on a pretended CUDA device: what would raise on a GPU raises, and waits are counted."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import contract
import pytest

from recae.models import MODELS
from recae.recommender.params import declared

HERE = Path(__file__).parent
CLOSE = {"sparse-fc": 0.05, "glocal-k": 0.05}  # L-BFGS makes roundings larger; in the others 1e-5 are left
WITH_DEVICE = [name for name, entry in MODELS.items() if any(p.name == "device" for p in declared(entry.model_class))]
# PyTorch's L-BFGS reads the loss of every evaluation, which takes all rows: its line search decides by it.
ASKED_BY_LBFGS = {"sparse-fc", "glocal-k"}
# A batch of sessions is packed in memory, and its indices go over at every step; lists of sessions are made in memory.
PACKED = {"session-rnn", "session-rnn-ratings"}
ROWS = max(len(contract.USERS), len(contract.FILMS)) + 1
BATCHES = 4  # of an epoch, at most
STREAMED = ["i-autorec", "u-autorec", "cfn", "linear-ae", "elsa", "mult-vae", "cdae"]


@functools.cache
def reports() -> dict[str, dict[str, Any]]:
    """What the program says of each model, and of some in half precision or on a device without room."""
    names = [*WITH_DEVICE, "i-autorec/bf16", *(f"{name}/full" for name in STREAMED)]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parent), *sys.path])}
    command = [sys.executable, str(HERE / "pretended_program.py"), *names]
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    found = {line["model"]: line for line in map(json.loads, done.stdout.splitlines())}
    broken = names[len(found) :]  # the first of these raised
    return {**found, **{name: {"waits": {}, "sent": 0, "streamed": False, "apart": done.stderr} for name in broken}}


def on_gpu(name: str) -> dict[str, Any]:
    """The report of a device that has room for everything."""
    return reports()[name]


@pytest.mark.parametrize("name", WITH_DEVICE)
def test_a_model_does_on_a_gpu_what_it_does_on_the_cpu(name: str) -> None:
    """Fit, validation, lists, ratings, save, load, resume and unseen users mix no devices, and scores are the CPU's."""
    assert on_gpu(name)["apart"] < CLOSE.get(name, 1e-5)


@pytest.mark.parametrize("name", sorted(set(WITH_DEVICE) - PACKED))
def test_steps_wait_for_nothing(name: str) -> None:
    """Within an epoch no step waits for the device. What goes over is the index of each row, twice at most, and each
    batch's size."""
    found = on_gpu(name)
    waits = {site for site in found["waits"] if not (name in ASKED_BY_LBFGS and "local_scalar" in site)}
    assert waits == set()
    assert found["sent"] <= 8 * (2 * ROWS + BATCHES)


@pytest.mark.parametrize("name", STREAMED)
def test_ratings_stay_in_memory_where_a_gpu_has_no_room(name: str) -> None:
    """The trainer is given rows before they are on the device: without room batches go over, and nothing changes."""
    assert not on_gpu(name)["streamed"]
    found = reports()[f"{name}/full"]
    assert found["streamed"]
    assert found["apart"] < 1e-5


def test_half_precision_reaches_the_sparse_kernels() -> None:
    """With precision="bf16" a fit on the sparse path is another, and near: only autocast would not change a bit."""
    half = reports()["i-autorec/bf16"]
    assert 1e-4 < half["apart"] < 0.02
    assert half["waits"] == {}


@pytest.mark.parametrize("name", sorted(set(WITH_DEVICE) - PACKED - {"elsa"}))  # its last step is NumPy's
def test_lists_are_made_on_the_device(name: str) -> None:
    """Of scores, those in lists are fetched and no more; weights and codes stay where they are."""
    found = on_gpu(name)
    assert found["fetched"] <= len(contract.USERS) * 3 * (8 + 4)
    assert found["asked_with"] < 5000
