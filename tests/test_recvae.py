"""RecVAE against the paper's formulas in NumPy and SciPy: its prior, its encoder, its objective, its turns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from linear_toys import random_ratings
from property_examples import examples
from scipy import special, stats
from torch import nn

from recae.models import RecVAE
from recae.models.vae.recvae import Alternating, log_composite_prior
from recae.training import Batch

SETTINGS: dict[str, Any] = {
    "hidden": 7, "latent": 4, "epochs": 2, "lr": 0.02, "device": "cpu", "rng": 1, "batch_size": 16,
}  # fmt: skip


def unit(x: Any) -> Any:
    length = np.linalg.norm(x, axis=1, keepdims=True)
    return np.divide(x, length, out=np.zeros_like(x), where=length > 0)


def encode(arrays: dict[str, Any], x: Any) -> tuple[Any, Any]:
    """Mean and log variance: five layers, each with all before it added, swish, then normalised with eps 0.1."""
    outputs: list[Any] = []
    for k in range(5):
        given = outputs[-1] if outputs else x
        h = given @ arrays[f"encoder.layers.{k}.weight"] + arrays[f"encoder.layers.{k}.bias"] + sum(outputs)
        h = h * special.expit(h)
        h = (h - h.mean(1, keepdims=True)) / np.sqrt(h.var(1, keepdims=True) + 0.1)
        outputs.append(h * arrays[f"encoder.norms.{k}.weight"] + arrays[f"encoder.norms.{k}.bias"])
    out = outputs[-1] @ arrays["encoder.last.weight"] + arrays["encoder.last.bias"]
    return np.split(out, 2, axis=1)


@given(st.integers(0, 10_000))
@settings(max_examples=examples(20), deadline=None)
def test_the_priors_density(seed: int) -> None:
    """The log of 3/20 N(0, 1) + 3/4 N(m, v) + 1/10 N(0, e¹⁰), as SciPy's densities give it, also far out."""
    rng = np.random.default_rng(seed)
    z, mean, logvar = 5 * rng.standard_normal((3, 6, 4))
    z[0, 0] = 300.0  # where only the wide part is left
    density = (
        0.15 * stats.norm.pdf(z) + 0.75 * stats.norm.pdf(z, mean, np.exp(logvar / 2))
        + 0.1 * stats.norm.pdf(z, 0, np.exp(5))
    )  # fmt: skip
    found = log_composite_prior(*(torch.from_numpy(a) for a in (z, mean, logvar)))
    np.testing.assert_allclose(found, np.log(density), rtol=1e-9)


def test_the_prior_is_a_density() -> None:
    """It integrates to 1 over each unit."""
    z = torch.linspace(-3000, 3000, 600_001, dtype=torch.float64)[:, None]
    one = torch.ones_like(z)
    assert float(log_composite_prior(z, 2 * one, -1 * one).exp().sum() * 0.01) == pytest.approx(1, abs=1e-6)


def test_scores_are_a_linear_decoder_of_the_mean() -> None:
    """For all rows, empty ones too, the densely connected encoder and the decoder agree with NumPy."""
    ratings = random_ratings()
    model = RecVAE(**SETTINGS).fit(ratings)
    arrays = model._arrays()
    mean, _ = encode(arrays, unit((ratings.user_rows.toarray() > 0).astype(float)))
    wanted = mean @ arrays["decoder.layers.0.weight"].T + arrays["decoder.layers.0.bias"]
    np.testing.assert_allclose(model.score(ratings.user_rows), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("decoders_turn", [False, True])
def test_the_objective(decoders_turn: bool) -> None:
    """Likelihood, and in the encoder's turn γ Σ x (log q - log p) at the z drawn, p knowing the old encoder."""
    ratings = random_ratings()
    model = RecVAE(**SETTINGS, dropout=0.0, gamma=0.3).fit(ratings)
    old = {name: array.copy() for name, array in model._arrays().items()}
    trainee = model._trainee(model.network_, 3).train()
    assert isinstance(trainee, Alternating)
    with torch.no_grad():
        for parameter in trainee.network.parameters():
            parameter.add_(0.1)
    now = model._arrays()
    trainee.steps_done = 10 if decoders_turn else 2  # 3 passes of 3 steps for the encoder, then 3
    rows = model._rows(ratings.binarize(1).user_rows[:20], torch.device("cpu"))
    batch = Batch(rows, rows.with_values(torch.ones_like(rows.values)))
    torch.manual_seed(5)
    loss = model._objective(trainee, batch)
    torch.manual_seed(5)
    noise = torch.randn(20, 4).numpy()
    x = (ratings.user_rows.toarray() > 0).astype(float)[:20]
    mean, logvar = encode(now, unit(x))
    old_mean, old_logvar = encode(old, unit(x))
    z = mean + np.exp(logvar / 2) * noise
    likelihood = (x * special.log_softmax(z @ now["decoder.layers.0.weight"].T + now["decoder.layers.0.bias"], 1)).sum(
        1
    )
    prior = special.logsumexp(
        [
            np.log(0.15) + stats.norm.logpdf(z), np.log(0.1) + stats.norm.logpdf(z, 0, np.exp(5)),
            np.log(0.75) + stats.norm.logpdf(z, old_mean, np.exp(old_logvar / 2)),
        ], axis=0,
    )  # fmt: skip
    kl = (stats.norm.logpdf(z, mean, np.exp(logvar / 2)) - prior).sum(1)
    wanted = -likelihood + (0 if decoders_turn else 0.3) * x.sum(1) * kl
    assert float(loss.detach()) == pytest.approx(wanted.mean(), rel=1e-4)


class Watched(RecVAE):
    """Notes, before each step, the encoder, the decoder and the prior's encoder."""

    def _objective(self, model: nn.Module, batch: Batch) -> torch.Tensor:
        loss = super()._objective(model, batch)
        assert isinstance(model, Alternating)
        parts = (model.network.encoder.layers[1], model.network.decoder.layers[0], model.old.layers[1])
        self.seen = [*getattr(self, "seen", []), tuple(p.weight.detach().clone() for p in parts)]
        return loss


def test_encoder_and_decoder_take_turns() -> None:
    """In two epochs of two encoder passes and one decoder pass, 3 steps each: who changes, and when the prior does."""
    model = Watched(**SETTINGS, encoder_passes=2, decoder_passes=1).fit(random_ratings())
    assert len(model.seen) == 18
    assert len(model.history_) == 6
    changed = [[not torch.equal(a, b) for a, b in zip(now, later)] for now, later in zip(model.seen, model.seen[1:])]
    encoder, decoder, prior = zip(*changed)
    turns = ([True] * 6 + [False] * 3) * 2
    assert list(encoder) == turns[:17]
    assert list(decoder) == [not turn for turn in turns[:17]]
    assert [step for step, new in enumerate(prior) if new] == [5, 14]  # seen at the first step of the decoder's turn
    for end in (6, 15):
        assert torch.equal(model.seen[end][2], model.seen[end][0])
    assert all(p.requires_grad for p in model.network_.parameters())


def test_dropout_is_the_encoders_alone() -> None:
    """In the decoder's turn the row is read whole: two readings give the same posterior, and else they do not."""
    ratings = random_ratings()
    model = RecVAE(**SETTINGS).fit(ratings)
    trainee = model._trainee(model.network_, 3).train()
    assert isinstance(trainee, Alternating)
    rows = model._rows(ratings.user_rows, torch.device("cpu"))
    for decoders_turn in (False, True):
        trainee.decoder_learns = decoders_turn
        (one, _), (other, _) = trainee.posterior(rows), trainee.posterior(rows)
        assert torch.equal(one, other) == decoders_turn
