"""Mult-VAE and Mult-DAE against the paper's formulas, written again in NumPy."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from linear_toys import random_ratings
from scipy import special
from torch import nn

from recae.models import MultDAE, MultVAE
from recae.models.vae.neural_ranker import NeuralRanker
from recae.nn import GaussianCode
from recae.ratings import RatingMatrix
from recae.sparse import SparseRows
from recae.training import Batch

SETTINGS: dict[str, Any] = {"hidden": (9, 5), "epochs": 3, "lr": 0.02, "device": "cpu", "rng": 1, "batch_size": 16}


def unit(x: Any) -> Any:
    """Rows of length 1; those of zeros stay."""
    length = np.linalg.norm(x, axis=1, keepdims=True)
    return np.divide(x, length, out=np.zeros_like(x), where=length > 0)


def layers(model: NeuralRanker) -> tuple[list[Any], list[Any]]:
    """(weight from narrow input to output as a plain matrix, bias) of each encoder and each decoder layer."""
    a = model._arrays()
    encoder = [
        (a[f"encoder.layers.{i}.weight"], a[f"encoder.layers.{i}.bias"])
        for i in range(8)
        if f"encoder.layers.{i}.bias" in a
    ]
    decoder = [
        (a[f"decoder.layers.{i}.weight"].T, a[f"decoder.layers.{i}.bias"])
        for i in range(8)
        if f"decoder.layers.{i}.bias" in a
    ]
    return encoder, decoder


def forward(stack: list[Any], x: Any, last: Any = None) -> Any:
    """tanh after each layer but the last, which takes `last`."""
    for i, (weight, bias) in enumerate(stack):
        x = x @ weight + bias
        act = np.tanh if i < len(stack) - 1 else last
        x = x if act is None else act(x)
    return x


@pytest.mark.parametrize("hidden", [(9, 5), (9,), (), None])
def test_mult_vae_scores_as_the_paper_says(hidden: tuple[int, ...] | None) -> None:
    """Logits of the mean code of the row at unit length (section 2.5), for the empty row too; linear by default."""
    ratings = random_ratings()
    model = MultVAE(latent=4, **{**SETTINGS, "hidden": hidden}).fit(ratings)
    encoder, decoder = layers(model)
    inner = list(hidden or ())
    assert [w.shape for w, _ in encoder] == list(pairwise([13, *inner, 8]))
    assert [w.shape for w, _ in decoder] == list(pairwise([4, *inner[::-1], 13]))
    assert MultVAE().hidden is None
    mean = forward(encoder, unit((ratings.user_rows.toarray() > 0).astype(float)))[:, :4]
    np.testing.assert_allclose(model.score(ratings.user_rows), forward(decoder, mean), rtol=1e-4, atol=1e-5)


def test_mult_dae_scores_as_the_paper_says() -> None:
    """I-9-5-9-I with tanh on all hidden layers, the code included."""
    ratings = random_ratings()
    model = MultDAE(**SETTINGS, values="ratings").fit(ratings)
    encoder, decoder = layers(model)
    code = forward(encoder, unit(ratings.user_rows.toarray().astype(float)), last=np.tanh)
    np.testing.assert_allclose(model.score(ratings.user_rows), forward(decoder, code), rtol=1e-4, atol=1e-5)


def test_the_objective_is_the_bound() -> None:
    """One training step's loss is -Σ x log softmax(f(z)) + β KL, averaged, with KL in closed form and the z drawn."""
    ratings = random_ratings()
    model = MultVAE(latent=4, dropout=0.0, beta=0.7, anneal_steps=10, **SETTINGS).fit(ratings)
    encoder, decoder = layers(model)
    x = (ratings.user_rows.toarray() > 0).astype(float)[:20]
    rows = SparseRows.from_scipy(ratings.user_rows[:20])
    ones = rows.with_values(torch.ones_like(rows.values))
    model.network_.code = GaussianCode(0.7, anneal_steps=10)
    model.network_.code.steps_done.fill_(4)
    model.network_.train()
    torch.manual_seed(5)
    loss = model._objective(
        model.network_, Batch(model._rows(ratings.binarize(1).user_rows[:20], torch.device("cpu")), ones)
    )
    torch.manual_seed(5)
    noise = torch.randn(20, 4).numpy()
    mean, logvar = np.split(forward(encoder, unit(x)), 2, axis=1)
    logits = forward(decoder, mean + np.exp(logvar / 2) * noise)
    likelihood = (x * special.log_softmax(logits, axis=1)).sum(1)
    normal = torch.distributions.Normal
    kl = (
        torch.distributions.kl_divergence(
            normal(torch.from_numpy(mean), torch.from_numpy(np.exp(logvar / 2))), normal(0.0, 1.0)
        )
        .numpy()
        .sum(1)
    )
    assert float(loss.detach()) == pytest.approx((-likelihood + 0.7 * 4 / 10 * kl).mean(), rel=1e-5)


class Weights(MultVAE):
    """Notes β before each step."""

    def _objective(self, model: nn.Module, batch: Batch) -> torch.Tensor:
        self.seen = [*getattr(self, "seen", []), float(model.code.effective_weight)]
        return super()._objective(model, batch)


@pytest.mark.parametrize(("steps", "wanted"), [(4, [0, 0.1, 0.2, 0.3, 0.4, 0.4]), (0, [0.4] * 6), (None, None)])
def test_the_weight_of_the_kl_term_rises_in_a_straight_line(steps: int | None, wanted: list[float] | None) -> None:
    """β t / anneal_steps at step t, then β; by default over 85 % of the steps; 0: β from the start."""
    model = Weights(latent=4, beta=0.4, anneal_steps=steps, **{**SETTINGS, "epochs": 2})
    model.fit(random_ratings())  # 38 users with ratings: 3 steps an epoch
    if steps == 0:
        assert model.network_.code.anneal_steps == 0
        assert model.network_.code.weight == 0.4
        return
    wanted = [0.4 * min(1, t / 6) for t in range(6)] if wanted is None else wanted  # 0.85 * 6, rounded up
    assert model.seen == pytest.approx(wanted)


def test_sizes_of_a_step() -> None:
    """By default an eighth of the users who rated something, at most 500; users without ratings are not trained on."""
    model = MultVAE(latent=4, **{**SETTINGS, "batch_size": None})
    batches = model._batches(random_ratings(n_users=40), torch.device("cpu"))
    assert (batches.n_examples, batches.batch_size) == (38, 5)
    many = RatingMatrix.from_columns(np.arange(5000), np.arange(5000) % 7, np.ones(5000))
    assert model._batches(many, torch.device("cpu")).batch_size == 500


def test_l2_draws_weights_in() -> None:
    """More L2, smaller weights, and biases free."""
    ratings = random_ratings()
    sizes = []
    for l2 in (0.0, 0.05, 5.0):
        model = MultDAE(**{**SETTINGS, "epochs": 60}, l2=l2).fit(ratings)
        sizes.append(sum(float(np.square(a).sum()) for name, a in model._arrays().items() if name.endswith("weight")))
    assert sizes[0] > sizes[1] > 10 * sizes[2]
    assert np.abs(model._arrays()["decoder.layers.1.bias"]).max() > 0.1


def test_the_last_layer_starts_by_its_inputs() -> None:
    """Weights of a last layer after hidden ones: uniform within sqrt(3 / hidden), so logits vary as hidden units do."""
    ratings = random_ratings()
    network: Any = MultVAE(hidden=50, latent=4)._network(ratings, 10)
    weight = network.decoder.layers[-1].weight.detach()
    assert tuple(weight.shape) == (ratings.n_items, 50)
    bound = (3 / 50) ** 0.5
    assert float(weight.abs().max()) <= bound
    assert float(weight.abs().max()) == pytest.approx(bound, rel=0.05)
    units = torch.randn(500, 50, generator=torch.Generator().manual_seed(0))
    assert float((units @ weight.T).std()) == pytest.approx(1, abs=0.15)
