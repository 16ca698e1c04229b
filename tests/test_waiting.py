"""A step of training on a GPU waits for nothing: proved without one, on PyTorch's "meta" device.

Its tensors have shapes and no contents. Whoever asks for a number (`float(loss)`, `int(nnz)`, an index by a mask) would
make the CPU wait for a GPU, and gets an error here.
"""

from __future__ import annotations

import pytest
import torch
from scipy import sparse

from recae.models.autorec.rating_network import RatingNetwork, rating_loss
from recae.models.vae.implicit_losses import multinomial
from recae.models.vae.mult_vae import MultVAE
from recae.ratings import RatingMatrix
from recae.sparse import SparseRows
from recae.training import Batch, RowBatches

META = torch.device("meta")
MATRIX = sparse.random_array((8, 6), density=0.4, format="csr", rng=0)


def a_batch() -> Batch:
    return RowBatches(SparseRows.from_scipy(MATRIX), batch_size=4).to(META).take(torch.tensor([5, 0, 3, 1]))


@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("noise", [0.0, 0.2])
def test_a_step_of_autorec_waits_for_nothing(dense: bool, noise: float) -> None:
    """Batch, noise, both paths' products, loss, gradients and the optimiser's step only say what is to be done."""
    network = RatingNetwork(6, (3,), activation="sigmoid", output="identity", scale=(1, 5), noise=noise).to(META)
    network.dense = dense
    optimizer = torch.optim.Adam(network.parameters())
    loss = rating_loss(network.train(), a_batch())
    loss.backward()
    optimizer.step()
    assert [p.grad is not None for p in network.parameters()] == [True] * 4


def test_a_step_of_mult_vae_waits_for_nothing() -> None:
    """Its sparse first layer, its code and its loss, which never makes a dense target, neither."""
    ratings = RatingMatrix.from_columns(*MATRIX.nonzero(), MATRIX.data, scale=(0, 1))
    network = MultVAE(hidden=4, latent=2)._network(ratings, 3).to(META).train()
    batch = a_batch()
    logits, penalty = network(batch.input)
    (multinomial(logits, batch.target) + penalty).backward()
    assert all(p.grad is not None for p in network.parameters())


def test_the_proof_can_fail() -> None:
    """Asking for a number on that device is an error."""
    with pytest.raises((RuntimeError, NotImplementedError), match="meta"):
        float(a_batch().target.values.sum())
