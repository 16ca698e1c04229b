"""Variants as parts of one core: each for dense rows and for sparse ones."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, sparse, special, stats
from scipy.linalg import subspace_angles
from sklearn.decomposition import PCA
from torch import nn

from recae.errors import DataError, ParameterError
from recae.nn import (
    Autoencoder,
    Dropout,
    Gaussian,
    GaussianCode,
    KLSparse,
    KSparse,
    L1Sparse,
    Masking,
    SaltAndPepper,
    negative_bound,
)  # fmt: skip
from recae.nn.losses import (
    bernoulli_kl,
    check_unit_interval,
    cross_entropy_from_logits,
    gaussian_kl,
    multinomial,
    squared_error,
    summed_squared_error,
)  # fmt: skip
from recae.sparse import SparseRows
from recae.training import Batch, Reconstruction, RowBatches, Trainer
from recae.training.pretraining import pretrain

N_ROWS, N_COLS = 60, 12
FORMS = ("dense", "sparse")
CODES = {
    "plain": lambda: None,
    "kl-sparse": lambda: KLSparse(rho=0.1, weight=0.01),
    "l1-sparse": lambda: L1Sparse(weight=1e-3),
    "k-sparse": lambda: KSparse(k=3),
    "gaussian": lambda: GaussianCode(weight=0.01),
}
NOISES = {
    "none": lambda: None,
    "gaussian": lambda: Gaussian(0.3, 0.0, 1.0),
    "masking": lambda: Masking(0.3),
    "salt-and-pepper": lambda: SaltAndPepper(0.2),
    "dropout": lambda: Dropout(0.3),
}


def structured_rows(form: str = "dense") -> torch.Tensor | SparseRows:
    """Rows (60, 12) in [0, 1] of rank 2 and a third of zeros, so that there is something to learn."""
    rng = np.random.default_rng(0)
    rows = rng.random((N_ROWS, 2)) @ rng.random((2, N_COLS)) / 2
    rows = np.where(rng.random(rows.shape) < 1 / 3, 0, rows).astype(np.float32)
    return torch.from_numpy(rows) if form == "dense" else SparseRows.from_scipy(sparse.csr_array(rows))


def trainer(epochs: int = 40, **settings: object) -> Trainer:
    return Trainer(epochs=epochs, lr=1e-2, device="cpu", progress=False, **settings)  # type: ignore[arg-type]


def first_loss(model: nn.Module, rows: torch.Tensor | SparseRows, loss: str = "squared-error") -> float:
    """The loss without noise and penalty."""
    model.eval()
    with torch.no_grad():
        return Reconstruction(loss).on(rows)(model)


# ------------------------------------------------------------------ combinations


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("loss", ["squared-error", "cross-entropy", "multinomial"])
def test_every_code_learns_under_every_loss(form: str, code: str, loss: str) -> None:
    """Each code part, trained on dense and on sparse rows, lowers each loss on those rows."""
    rows = structured_rows(form)
    torch.manual_seed(0)
    model = Autoencoder.mirrored([N_COLS, 8, 5], output="sigmoid", code=CODES[code]())
    before = first_loss(model, rows, loss)
    history = trainer(25).fit(model, RowBatches(rows, batch_size=20), Reconstruction(loss))
    assert first_loss(model, rows, loss) < before
    assert history.records[-1]["loss"] < history.records[0]["loss"]


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("tied", [False, True])
def test_dense_and_sparse_rows_give_the_same_code_and_output(code: str, tied: bool) -> None:
    """A row has one code and one reconstruction, however it is stored."""
    if tied and code == "gaussian":
        pytest.skip("a variational code cannot be tied; another test asserts the error")
    torch.manual_seed(1)
    model = Autoencoder.mirrored([N_COLS, 7, 4], activations="tanh", tied=tied, code=CODES[code]()).eval()
    dense, stored = structured_rows("dense"), structured_rows("sparse")
    torch.testing.assert_close(model.encode(dense), model.encode(stored), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(model.reconstruct(dense), model.reconstruct(stored), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", NOISES)
def test_noise_is_for_training_only_and_leaves_the_target_clean(form: str, name: str) -> None:
    """In training two passes differ and the batch's target does not; in evaluation the noise is gone."""
    rows = structured_rows(form)
    torch.manual_seed(0)
    model = Autoencoder.mirrored([N_COLS, 6], noise=NOISES[name]())
    batch = RowBatches(rows, batch_size=N_ROWS).take(torch.arange(N_ROWS))
    kept = (batch.target if form == "dense" else batch.target.values).clone()
    first, second = model(batch.input).logits, model(batch.input).logits
    assert torch.equal(first, second) == (name == "none")
    assert torch.equal(kept, batch.target if form == "dense" else batch.target.values)
    model.eval()
    assert torch.equal(model(batch.input).logits, model(batch.input).logits)


@pytest.mark.parametrize("name", [n for n in NOISES if n != "none"])
def test_denoising_beats_the_noise(name: str) -> None:
    """Trained with a noise, the network's output is nearer to the clean rows than the noisy rows are."""
    rng = np.random.default_rng(0)
    rows = torch.from_numpy(rng.random((N_ROWS, 1)) @ (0.3 + 0.7 * rng.random((1, N_COLS)))).float()  # of rank 1
    torch.manual_seed(0)
    noise = NOISES[name]()
    model = Autoencoder.mirrored([N_COLS, 8], output="sigmoid", noise=noise)
    trainer(120).fit(model, RowBatches(rows, batch_size=20), Reconstruction())
    noise.train()
    noisy = noise(rows)
    assert squared_error(model.reconstruct(noisy), rows) < squared_error(noisy, rows)


# ------------------------------------------------------------------ stacks


@pytest.mark.parametrize(
    ("text", "parameters"),
    [
        ("784-128-64-10-2", 2 * (784 * 128 + 128 * 64 + 64 * 10 + 10 * 2) + 784 + 2 * (128 + 64 + 10) + 2),
        ("784-128-64-12-3", 2 * (784 * 128 + 128 * 64 + 64 * 12 + 12 * 3) + 784 + 2 * (128 + 64 + 12) + 3),
        ("784-392-28-10-2", 2 * (784 * 392 + 392 * 28 + 28 * 10 + 10 * 2) + 784 + 2 * (392 + 28 + 10) + 2),
        ("784-256-128", 2 * (784 * 256 + 256 * 128) + 784 + 2 * 256 + 128),
        ("12-40", 2 * 12 * 40 + 12 + 40),
    ],
)
def test_a_stack_is_one_line(text: str, parameters: int) -> None:
    """Widths joined by hyphens give the mirrored stack, over- or undercomplete, with the parameters they imply."""
    model = Autoencoder.mirrored(text)
    assert sum(p.numel() for p in model.parameters()) == parameters


def test_tied_weights_are_half_the_weights() -> None:
    """A tied stack has each weight once, and training changes it for encoder and decoder at once."""
    free, tied = Autoencoder.mirrored("12-8-5"), Autoencoder.mirrored("12-8-5", tied=True)
    count = {m: sum(p.numel() for n, p in m.named_parameters() if n.endswith("weight")) for m in (free, tied)}
    assert 2 * count[tied] == count[free]
    trainer(2).fit(tied, RowBatches(structured_rows(), batch_size=20), Reconstruction())
    for down, up in zip(tied.encoder.layers, tied.decoder.layers[::-1]):
        assert down.weight is up.weight


@pytest.mark.parametrize("form", FORMS)
def test_layerwise_pretraining_of_a_tied_stack_on_noisy_rows_gives_a_head_start(form: str) -> None:
    """After greedy pretraining, before any fine-tuning, the whole stack reconstructs better than from its start."""
    rows = structured_rows(form)
    torch.manual_seed(0)
    model = Autoencoder.mirrored([N_COLS, 10, 6], output="sigmoid", tied=True, noise=Masking(0.2))
    before = first_loss(model, rows)
    histories = pretrain(model, RowBatches(rows, batch_size=16), Reconstruction(), trainer(), epochs=60)
    between = first_loss(model, rows)
    trainer(60).fit(model, RowBatches(rows, batch_size=16), Reconstruction())
    assert len(histories) == 2
    assert first_loss(model, rows) < between < 0.7 * before


def test_the_same_pretraining_serves_a_deep_autorec() -> None:
    """A deep rating network, pretrained pair by pair on stored ratings, starts nearer to them than untrained."""
    from recae.models.rating_network import RatingNetwork

    rows = structured_rows("sparse")
    torch.manual_seed(0)
    network = RatingNetwork(N_COLS, (10, 6, 10), activation="sigmoid", output="identity", scale=(0, 1))
    batch = Batch(rows, rows)
    before = network.objective(network, batch).item()
    pretrain(network.core, RowBatches(rows, batch_size=16), network.objective, trainer(kernels=True), epochs=40)
    assert network.objective(network, batch).item() < before


# ------------------------------------------------------------------ linear


def linear_autoencoder(x: np.ndarray, k: int) -> Autoencoder:
    torch.manual_seed(0)
    model = Autoencoder.mirrored([x.shape[1], k], activations="identity").double()
    rows = torch.from_numpy(x)
    settings = Trainer(epochs=60, optimizer="lbfgs", lr=1.0, device="cpu", progress=False)
    settings.fit(model, RowBatches(rows, batch_size=0), Reconstruction("summed-squared-error"))
    return model


@pytest.mark.parametrize(("n", "d", "k"), [(200, 3, 2), (150, 9, 4)])
def test_a_linear_autoencoder_spans_the_pca_subspace(n: int, d: int, k: int) -> None:
    """Identity activations and squared error give PCA's subspace (angles < 1e-3) and its error (within 0.1 %)."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(n, d)) * np.linspace(2, 0.3, d) @ np.linalg.qr(rng.normal(size=(d, d)))[0] + rng.normal(size=d)
    model, pca = linear_autoencoder(x, k), PCA(k).fit(x)
    angles = subspace_angles(model.decoder.layers[-1].weight.detach().numpy(), pca.components_.T)
    ours = np.mean((model.reconstruct(torch.from_numpy(x)).detach().numpy() - x) ** 2)
    theirs = np.mean((pca.inverse_transform(pca.transform(x)) - x) ** 2)
    assert angles.max() < 1e-3
    assert ours == pytest.approx(theirs, rel=1e-3)


# ------------------------------------------------------------------ sparse codes


@given(st.floats(0.01, 0.99), st.lists(st.floats(0.01, 0.99), min_size=1, max_size=6))
@settings(max_examples=40, deadline=None)
def test_the_sparsity_penalty_is_scipys_relative_entropy(rho: float, means: list[float]) -> None:
    """KL(rho ‖ mean) of a Bernoulli variable, against SciPy's entropy of the two-point distributions."""
    expected = [stats.entropy([rho, 1 - rho], [mean, 1 - mean]) for mean in means]
    found = bernoulli_kl(rho, torch.tensor(means, dtype=torch.float64))
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-9)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("rho", "weight"), [(0.1, 0.2), (0.02, 0.05)])
def test_a_sparse_code_rests_as_it_was_asked_and_reports_it(form: str, rho: float, weight: float) -> None:
    """The mean activation, reported by the model, goes from a half towards rho, and is what encode() averages to."""
    rows = structured_rows(form)
    torch.manual_seed(0)
    model = Autoencoder.mirrored([N_COLS, 9], output="sigmoid", code=KLSparse(rho, weight))
    start = float(model.mean_activation(rows).mean())
    trainer(400).fit(model, RowBatches(rows, batch_size=0), Reconstruction())
    found = model.mean_activation(rows, block=7)
    torch.testing.assert_close(found, model.encode(rows).mean(0), rtol=1e-4, atol=1e-6)
    assert abs(float(found.mean()) - rho) < 0.25 * (start - rho)


def test_mean_activation_leaves_the_mode_of_the_model_alone() -> None:
    """Asking in the middle of training neither adds noise nor ends training."""
    model = Autoencoder.mirrored([N_COLS, 4], noise=Masking(0.5)).train()
    rows = structured_rows()
    first = model.mean_activation(rows)
    assert model.training
    assert torch.equal(first, model.mean_activation(rows))


def test_l1_costs_the_sum_of_magnitudes() -> None:
    """weight times the mean over rows of the sum of magnitudes, on a code whose sum is known."""
    h = torch.tensor([[1.0, -2.0, 0.0], [0.5, 0.5, -1.0]])
    code, penalty = L1Sparse(weight=0.1)(h)
    assert torch.equal(code, h)
    assert float(penalty) == pytest.approx(0.1 * (3 + 2) / 2)


def test_a_k_sparse_code_keeps_the_k_largest() -> None:
    """Exactly k units of each row stay, they are the largest, and they are unchanged."""
    h = torch.tensor([[0.1, 0.9, 0.5, 0.3], [4.0, 3.0, 2.0, 1.0]])
    code, _ = KSparse(2)(h)
    assert torch.equal(code, torch.tensor([[0.0, 0.9, 0.5, 0.0], [4.0, 3.0, 0.0, 0.0]]))


# ------------------------------------------------------------------ variational


@given(st.floats(-2, 2), st.floats(-3, 1.5))
@settings(max_examples=25, deadline=None)
def test_gaussian_kl_is_what_numerical_integration_gives(mean: float, logvar: float) -> None:
    """The closed form of KL(N(mean, var) ‖ N(0, 1)) against the integral of q log(q / p)."""
    q, p = stats.norm(mean, math.exp(logvar / 2)), stats.norm(0, 1)
    width = 12 * math.exp(logvar / 2)
    expected, _ = integrate.quad(lambda z: q.pdf(z) * (q.logpdf(z) - p.logpdf(z)), mean - width, mean + width)
    found = gaussian_kl(torch.tensor([[mean]], dtype=torch.float64), torch.tensor([[logvar]], dtype=torch.float64))
    assert float(found) == pytest.approx(expected, abs=1e-7)


def test_the_kl_weight_rises_in_a_straight_line() -> None:
    """Annealing over four steps gives the penalty 0, 1/4, 1/2, 3/4 and then all of it; evaluation always all of it."""
    part = GaussianCode(weight=2.0, anneal_steps=4)
    h = torch.randn(5, 6, generator=torch.Generator().manual_seed(0))
    whole = 2.0 * float(gaussian_kl(*part.posterior(h)).mean())
    found = [float(part(h)[1]) for _ in range(6)]
    assert found == pytest.approx([0, whole / 4, whole / 2, 3 * whole / 4, whole, whole])
    fresh = GaussianCode(weight=2.0, anneal_steps=4).eval()
    assert float(fresh(h)[1]) == pytest.approx(whole)


def test_annealing_goes_on_where_it_was() -> None:
    """The steps done are part of the state, so a restored model anneals on and does not begin anew."""
    part = GaussianCode(anneal_steps=10)
    for _ in range(3):
        part(torch.zeros(2, 4))
    other = GaussianCode(anneal_steps=10)
    other.load_state_dict(part.state_dict())
    assert float(other.effective_weight) == pytest.approx(0.3)


@pytest.mark.parametrize("form", FORMS)
def test_a_variational_code_is_its_mean_at_inference_and_random_in_training(form: str) -> None:
    """encode() in evaluation gives the encoder's means; in training two passes differ."""
    rows = structured_rows(form)
    model = Autoencoder.mirrored([N_COLS, 8, 3], code=GaussianCode())
    assert not torch.equal(model.encode(rows), model.encode(rows))
    model.eval()
    mean, _ = GaussianCode.posterior(model.encoder(rows))
    assert torch.equal(model.encode(rows), mean)


def test_samples_are_new_rows_and_the_same_for_the_same_seed() -> None:
    """sample(n) gives n rows through the output head, repeatable by its rng, and from N(0, 1) codes."""
    torch.manual_seed(0)
    model = Autoencoder.mirrored([N_COLS, 8, 3], output="sigmoid", code=GaussianCode()).eval()
    drawn = model.sample(7, rng=5)
    codes = torch.randn(7, 3, generator=torch.Generator().manual_seed(5))
    assert drawn.shape == (7, N_COLS)
    torch.testing.assert_close(drawn, model.decode(codes))
    assert not torch.equal(drawn, model.sample(7, rng=6))


def test_the_bound_is_the_integral_it_stands_for() -> None:
    """With one code unit, the bound sampled often comes near Gauss-Hermite quadrature of the same expectation."""
    torch.manual_seed(0)
    model = Autoencoder.mirrored([N_COLS, 1], output="sigmoid", code=GaussianCode()).double().eval()
    x = structured_rows()[:3].double()
    nodes, weights = special.roots_hermitenorm(40)
    mean, logvar = (t.detach() for t in GaussianCode.posterior(model.encoder(x)))
    expected = torch.zeros(3, dtype=torch.float64)
    for node, weight in zip(nodes, weights / math.sqrt(2 * math.pi)):
        p = model.decode(mean + torch.exp(logvar / 2) * node).detach()
        expected -= weight * (x * p.log() + (1 - x) * (1 - p).log()).sum(1)
    bound = negative_bound(model, x, samples=4000, rng=0)
    torch.testing.assert_close(bound.reconstruction, expected, rtol=5e-3, atol=0)
    torch.testing.assert_close(bound.total, bound.reconstruction + gaussian_kl(mean, logvar))


def test_the_bound_takes_sparse_rows() -> None:
    """Dense and sparse rows have the same bound with the same draws."""
    model = Autoencoder.mirrored([N_COLS, 4], output="sigmoid", code=GaussianCode()).eval()
    dense = negative_bound(model, structured_rows("dense"), rng=1).total
    torch.testing.assert_close(dense, negative_bound(model, structured_rows("sparse"), rng=1).total)


# ------------------------------------------------------------------ losses


def test_losses_sum_and_average_over_what_they_say() -> None:
    """Each loss against its formula in NumPy, on a batch that is not square."""
    rng = np.random.default_rng(0)
    logits, target = rng.normal(size=(3, 5)), rng.random((3, 5))
    x, t = torch.from_numpy(logits), torch.from_numpy(target)
    p = special.expit(logits)
    entropy = -(target * np.log(p) + (1 - target) * np.log(1 - p))
    assert float(squared_error(x, t)) == pytest.approx(((logits - target) ** 2).mean())
    assert float(summed_squared_error(x, t)) == pytest.approx(((logits - target) ** 2).sum(axis=1).mean())
    assert float(cross_entropy_from_logits(x, t)) == pytest.approx(entropy.sum(axis=1).mean())
    expected = -(target * special.log_softmax(logits, axis=1)).sum(axis=1).mean()
    assert float(multinomial(x, t)) == pytest.approx(expected)


def test_cross_entropy_is_finite_for_any_logit() -> None:
    """At logits of ±1000, where the sigmoid is 0 or 1 in floating point, loss and gradient are right and finite."""
    logits = torch.tensor([[1000.0, -1000.0, 1000.0]], requires_grad=True)
    loss = cross_entropy_from_logits(logits, torch.tensor([[1.0, 0.0, 0.0]]))
    loss.backward()
    assert float(loss) == pytest.approx(1000.0)
    torch.testing.assert_close(logits.grad, torch.tensor([[0.0, 0.0, 1.0]]))


# ------------------------------------------------------------------ bad input


@pytest.mark.parametrize("bad", [-0.1, 1.5, float("nan")])
def test_values_outside_the_unit_interval_are_refused_under_cross_entropy(bad: float) -> None:
    """The error comes from training itself, names the range that was met, and says what to do."""
    rows = structured_rows()
    rows[3, 4] = bad
    model = Autoencoder.mirrored([N_COLS, 4])
    with pytest.raises(DataError, match=r"values in \[0, 1\].*divide"):
        trainer(1).fit(model, RowBatches(rows, batch_size=0), Reconstruction("cross-entropy"))
    with pytest.raises(DataError):
        check_unit_interval(rows)


@pytest.mark.parametrize("shape", [(4, 64), (4, 2, 6), (12,)])
def test_rows_of_the_wrong_size_are_refused(shape: tuple[int, ...]) -> None:
    """Images of another size, and images not flattened, meet an error that names both sizes."""
    with pytest.raises(DataError, match=r"\(batch, 12\)"):
        Autoencoder.mirrored([N_COLS, 4]).encode(torch.zeros(shape))


def test_a_target_of_another_width_is_refused() -> None:
    """The model's output and the target must be equally wide; the error says how wide each is."""
    model = Autoencoder.mirrored([N_COLS, 4])
    batch = Batch(structured_rows(), torch.zeros(N_ROWS, 9))
    with pytest.raises(DataError, match=r"\(60, 12\).*\(60, 9\)"):
        Reconstruction()(model, batch)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Reconstruction("mse"),
        lambda: Reconstruction("multinomial", stored_only=True),
        lambda: KLSparse(rho=1.0),
        lambda: KLSparse(weight=-1),
        lambda: L1Sparse(weight=-1),
        lambda: GaussianCode(anneal_steps=-1),
        lambda: KSparse(9)(torch.zeros(2, 4)),
        lambda: Autoencoder.mirrored("784-x"),
        lambda: Autoencoder.mirrored("12-4", tied=True, code=GaussianCode()),
        lambda: Autoencoder.mirrored("12-4").sample(3),
        lambda: negative_bound(Autoencoder.mirrored("12-4"), structured_rows()),
    ],
)
def test_settings_that_cannot_be_are_refused(wrong: object) -> None:
    """Each setting out of its range is a ParameterError, at once."""
    with pytest.raises(ParameterError):
        wrong()  # type: ignore[operator]


def test_only_sparse_targets_have_stored_places() -> None:
    """stored_only with dense rows says that there is nothing unstored."""
    rows = structured_rows()
    with pytest.raises(DataError, match="sparse targets"):
        Reconstruction(stored_only=True)(Autoencoder.mirrored([N_COLS, 4]), Batch(rows, rows))


def test_stored_places_only() -> None:
    """With stored_only, what is not stored does not count: the loss is AutoRec's, from its definition."""
    rows = structured_rows("sparse")
    model = Autoencoder.mirrored([N_COLS, 4]).eval()
    output, stored = model.reconstruct(rows).detach(), rows.mask().bool()
    expected = (output - rows.to_dense())[stored].square().sum() / N_ROWS
    found = Reconstruction(stored_only=True)(model, Batch(rows, rows))
    torch.testing.assert_close(found, expected)
