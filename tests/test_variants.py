"""Variants as parts of one core: each for dense rows and for sparse ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.linalg import subspace_angles
from sklearn.decomposition import PCA
from variants_toys import CODES, FORMS, N_COLS, N_ROWS, NOISES, first_loss, structured_rows, trainer

from recae.errors import DataError, ParameterError
from recae.nn import (
    Autoencoder,
    GaussianCode,
    KLSparse,
    KSparse,
    L1Sparse,
    Masking,
    negative_bound,
)  # fmt: skip
from recae.nn.losses import (
    check_unit_interval,
    squared_error,
)  # fmt: skip
from recae.training import Batch, Reconstruction, RowBatches, Trainer
from recae.training.pretraining import pretrain

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
    from recae.models.autorec.rating_network import RatingNetwork, pretraining_loss, rating_loss

    rows = structured_rows("sparse")
    torch.manual_seed(0)
    network = RatingNetwork(N_COLS, (10, 6, 10), activation="sigmoid", output="identity", scale=(0, 1))
    batch = Batch(rows, rows)
    before = rating_loss(network, batch).item()
    pretrain(network.core, RowBatches(rows, batch_size=16), pretraining_loss(network), trainer(kernels=True), epochs=40)
    assert rating_loss(network, batch).item() < before


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
        wrong()


def test_only_sparse_targets_have_stored_entries() -> None:
    """stored_only with dense rows says that there is nothing unstored."""
    rows = structured_rows()
    with pytest.raises(DataError, match="sparse targets"):
        Reconstruction(stored_only=True)(Autoencoder.mirrored([N_COLS, 4]), Batch(rows, rows))


def test_stored_entries_only() -> None:
    """With stored_only, what is not stored does not count: the loss is AutoRec's, from its definition."""
    rows = structured_rows("sparse")
    model = Autoencoder.mirrored([N_COLS, 4]).eval()
    output, stored = model.reconstruct(rows).detach(), rows.mask().bool()
    expected = (output - rows.to_dense())[stored].square().sum() / N_ROWS
    found = Reconstruction(stored_only=True)(model, Batch(rows, rows))
    torch.testing.assert_close(found, expected)
