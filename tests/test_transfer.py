"""Rows that a device has no room for are copied to it batch by batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from rating_toys import low_rank

import recae
from recae.models import AutoRec, MultVAE
from recae.sparse import SparseRows
from recae.training import RowBatches
from recae.training.batches import MadeBatches, copy_async, has_room, size_of

META = torch.device("meta")
BATCHES, NEURAL = "recae.training.batches.has_room", "recae.models.vae.neural_ranker.has_room"


def rows() -> SparseRows:
    return SparseRows.from_scipy(low_rank(30, 20).user_rows)


def test_only_the_batch_goes_to_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without room the rows stay on the CPU, and a batch of some of them is on the device; with room all go there."""
    whole = RowBatches(rows(), batch_size=8)
    assert isinstance(whole.to(META), RowBatches)
    monkeypatch.setattr(BATCHES, lambda n_bytes, device: n_bytes < size_of(rows()))
    batches = whole.to(META)
    assert isinstance(batches, MadeBatches)
    assert whole.rows.device.type == "cpu"
    batch = batches.take(torch.tensor([3, 1, 3]))
    assert batch.input is batch.target
    assert (batch.input.device.type, batch.input.shape) == ("meta", (3, 20))
    assert batch.input.nnz == rows()[torch.tensor([3, 1, 3])].nnz


def test_dense_rows_and_targets_go_batch_by_batch_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without room, so do dense rows, and targets of their own: each batch of both is on the device."""
    monkeypatch.setattr(BATCHES, lambda n_bytes, device: n_bytes < 4 * 30 * (20 + 3))
    batches = RowBatches(torch.zeros(30, 20), torch.zeros(30, 3), batch_size=8).to(META)
    assert isinstance(batches, MadeBatches)
    batch = batches.take(torch.arange(5))
    assert [(part.device.type, part.shape) for part in batch] == [("meta", (5, 20)), ("meta", (5, 3))]


@pytest.mark.parametrize("model", [AutoRec, MultVAE], ids=["AutoRec", "MultVAE"])
def test_training_is_the_same_either_way(model: type[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """A device without room, here the CPU said to be one, changes when rows are taken, and no bit of what is learnt."""
    data = low_rank(60, 40) if model is AutoRec else low_rank(60, 40).binarize(3)

    def fitted() -> Any:
        once: dict[str, Any] = {"shrink": "never"} if model is AutoRec else {"own_part": 0}
        return (
            model(hidden=6, epochs=3, batch_size=16, device="cpu", **once)
            .fit(data, progress=False)
            .network_.state_dict()
        )

    wanted, asked = fitted(), []

    def no_room(n_bytes: int, device: torch.device) -> bool:
        asked.append(n_bytes)
        return False

    for name in (BATCHES, NEURAL):
        monkeypatch.setattr(name, no_room)
    found = fitted()
    assert len(asked) == 1
    assert asked[0] >= 8 * data.n_ratings
    assert all(torch.equal(wanted[name], found[name]) for name in wanted)


def test_room_is_half_of_what_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a GPU's free bytes half may be taken by rows; other devices are not asked."""
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (100, 1000))
    assert [has_room(n, torch.device("cuda")) for n in (50, 51)] == [True, False]
    assert has_room(10**15, torch.device("cpu"))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_what_arrives_on_a_gpu_is_what_was_sent() -> None:
    """Through pinned memory, on a stream of its own: the same pattern and values, there when it returns."""
    sent, device = rows(), torch.device("cuda")
    there = copy_async(sent, device)
    assert there.device.type == "cuda"
    np.testing.assert_array_equal(there.to_dense().cpu().numpy(), sent.to_dense().numpy())
    assert recae.AutoRec(hidden=4, epochs=1, device="cuda").fit(low_rank(30, 20), progress=False).network_ is not None
