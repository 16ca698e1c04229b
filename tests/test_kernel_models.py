"""SparseFC and GLocal-K: their objectives against NumPy and PyTorch, order, resuming, new items, memory."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from rating_toys import low_rank, parted
from scipy import special
from torch import Tensor

from benchmarks.accuracy.picked_epoch import ErrorAfterEpochs
from recae.errors import ParameterError, TrainingInterrupted
from recae.models import Bias, GLocalK, SparseFC, load_model
from recae.models.item_codes.global_stage import GlobalNetwork, WholeMatrix, global_loss, neighbourhoods, ordering
from recae.models.item_codes.kernel_network import KernelNetwork, kernel_loss
from recae.models.item_codes.kernel_recommender import published
from recae.ratings import RatingMatrix
from recae.sparse import SparseRows
from recae.training import Batch

CPU = torch.device("cpu")


def rmse(model: Any, data: RatingMatrix) -> float:
    users, items, r = data.pairs()
    return float(np.sqrt(np.mean((model.predict_pairs(users, items) - r) ** 2)))


def quick(kind: type[SparseFC] | type[GLocalK], **more: Any) -> Any:
    small = {"hidden": (12, 8), "epochs": 6, "l2": 1.0, "kernel_l2": 0.01, "device": "cpu", "shrink": "never"}
    return kind(**{**small, **({"tune_epochs": 4} if kind is GLocalK else {}), **more})


def spread_out(network: KernelNetwork) -> KernelNetwork:
    """Positions drawn so far apart that some units are connected and some are not."""
    rng = np.random.default_rng(5)
    with torch.no_grad():
        for layer in network.layers():
            for positions in (layer.left, layer.right):
                positions.copy_(torch.from_numpy(rng.normal(size=positions.shape) * 0.35))
    return network.double()


def by_hand(network: KernelNetwork, given: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], float]:
    """Outputs for dense input rows, and Σ |K|²: sigmoid layers of W ∘ max(0, 1 - |u - v|²), the last one linear."""
    h, squares, biases = given, 0.0, [b.detach().numpy() for b in network.biases]
    for layer, bias in zip(network.layers(), biases):
        w, u, v = (p.detach().numpy() for p in (layer.weight, layer.left, layer.right))
        kernel = np.maximum(0, 1 - ((u[:, None] - v[None]) ** 2).sum(2))
        squares += float((kernel**2).sum())
        h = h @ (w * kernel).T + bias if layer is network.decode else special.expit(h @ (w * kernel) + bias)
    return h, squares


# ---------------------------------------------------------------- SparseFC


def test_the_objective_is_the_papers() -> None:
    """Squared error at rated entries plus kernel_l2 / 2 |K|², over the rows: NumPy says the same."""
    data = low_rank(9, 7)
    torch.manual_seed(0)
    network = KernelNetwork(9, (5, 4), n_rows=7, kernel_l2=0.3, l2=2.0)
    spread_out(network)
    rows = SparseRows.from_scipy(data.rows("item"), dtype=torch.float64)
    dense = data.rows("item").toarray().astype(float)
    out, squares = by_hand(network, dense)
    expected = (((out - dense)[dense != 0] ** 2).sum() + 0.3 / 2 * squares) / 7
    assert float(kernel_loss(network, Batch(rows, rows)).detach()) == pytest.approx(expected, rel=1e-9)
    assert all(layer.weight.decay_factor == 2.0 for layer in network.layers())


def test_it_learns_what_biases_cannot() -> None:
    """On ratings of rank 2, SparseFC predicts hidden ratings far better than biases, by L-BFGS and by Adam."""
    train, test = parted(low_rank(150, 90))
    bias = rmse(Bias().fit(train), test)
    assert rmse(quick(SparseFC).fit(train), test) < 0.5 * bias
    assert rmse(quick(SparseFC, optimizer="adam", lr=0.03, epochs=300, schedule="cosine").fit(train), test) < 0.6 * bias


def test_an_unseen_item_is_encoded_from_its_row() -> None:
    """A training item's own row, offered as a new item's, gets the scores the item has; two rows stay apart."""
    data = low_rank()
    model = quick(SparseFC).fit(data)
    scores = model.score_new_items(data.rows("item")[[4, 9]])
    np.testing.assert_allclose(scores, model.score_users(np.arange(60)).T[[4, 9]], atol=1e-4)
    assert scores.shape == (2, 60)


def test_an_unseen_user_is_met_nearly_as_if_trained_on() -> None:
    """Hidden users are predicted from half their ratings better than by biases."""
    data = low_rank(150, 90)
    users, _, _ = data.pairs()
    train, new = data.select(users < 120), data.select(users >= 120)
    shown, asked = parted(new)
    model, bias = quick(SparseFC).fit(train), Bias().fit(train)
    u, i, r = asked.pairs()
    errors = [np.sqrt(np.mean((m.predict_pairs_new(shown.user_rows, u, i) - r) ** 2)) for m in (model, bias)]
    assert errors[0] < 0.8 * errors[1]


def test_default_weights_follow_from_the_number_of_ratings() -> None:
    """At 1,000,000 the law gives what the papers used; l2 is twice the published one up to 100,000, kernel_l2 is it."""
    assert published(80.0, 140.0, 1_000_000) == pytest.approx(140.0)
    assert published(80.0, 140.0, 100_000) == published(80.0, 140.0, 7) == pytest.approx(80.0)
    for model in (SparseFC(), GLocalK()):
        assert (model._l2(low_rank()), model._kernel_l2(low_rank())) == (pytest.approx(80.0), pytest.approx(0.012))


# ---------------------------------------------------------------- GLocal-K


def reference_convolution(dense: Tensor, kernel: Tensor) -> Tensor:
    """PyTorch's own SAME convolution, then ReLU."""
    return torch.relu(torch.conv2d(dense[None, None], kernel.reshape(1, 1, 3, 3), padding=1))[0, 0]


@pytest.mark.parametrize("shape", [(9, 7), (1, 6), (6, 1), (30, 17)])
def test_the_sparse_convolution_is_the_dense_one(shape: tuple[int, int]) -> None:
    """Convolving only where a rating is near gives what PyTorch's dense convolution gives, gradient included."""
    rng = np.random.default_rng(3)
    dense = torch.from_numpy(rng.integers(1, 6, shape) * (rng.random(shape) < 0.3)).float()
    dense[0, 0] = 4.0
    item, user = torch.nonzero(dense, as_tuple=True)
    data = RatingMatrix.from_columns(user.numpy(), item.numpy(), dense[item, user].numpy(), scale=(1.0, 5.0))
    rows = data.rows("item")
    rows.resize(shape) if rows.shape != shape else None
    whole = torch.zeros(rows.shape)
    whole[:] = torch.from_numpy(rows.toarray())
    kernel = torch.from_numpy(rng.normal(size=9)).float().requires_grad_()
    weighing = torch.from_numpy(rng.normal(size=whole.shape)).float()
    found = neighbourhoods(SparseRows.from_scipy(rows), CPU).convolved(kernel).to_dense()
    wanted = reference_convolution(whole, kernel)
    torch.testing.assert_close(found, wanted)
    torch.testing.assert_close(
        *(torch.autograd.grad((x * weighing).sum(), kernel)[0] for x in (found, wanted)), rtol=1e-4, atol=1e-3
    )


@pytest.mark.parametrize("dense_from", [0.0, 2.0], ids=["dense", "sparse"])
def test_the_global_objective_is_the_papers(dense_from: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mean outputs make the kernel, the convolved matrix goes through the same network: NumPy and PyTorch agree."""
    monkeypatch.setattr("recae.models.item_codes.global_stage.DENSE_FROM", dense_from)
    data = low_rank(9, 7)
    torch.manual_seed(0)
    network = GlobalNetwork(9, (5, 4), n_items=7, dot_scale=0.5, n_rows=7, kernel_l2=0.3)
    spread_out(network)
    rows = SparseRows.from_scipy(data.rows("item"), dtype=torch.float64)
    around = neighbourhoods(rows, CPU)
    whole = WholeMatrix(
        rows, around._replace(pattern=around.pattern.to("cpu", torch.float64), around=around.around.double())
    )
    dense = data.rows("item").toarray().astype(float)
    first, squares = by_hand(network, dense)
    kernel = 0.5 * torch.from_numpy(first.mean(1)) @ network.mixture.detach()
    seen = reference_convolution(torch.from_numpy(dense), kernel).numpy()
    out, _ = by_hand(network, seen)
    expected = (((out - dense)[dense != 0] ** 2).sum() + 0.3 / 2 * squares) / 7
    loss = global_loss(network, whole.take(torch.arange(7)))
    assert float(loss.detach()) == pytest.approx(expected, rel=1e-9)
    loss.backward()
    assert network.mixture.grad is not None
    assert float(network.mixture.grad.abs().max()) > 0


def test_orders_put_like_beside_like_and_forget_ids() -> None:
    """popularity and singular sort by what was rated, whatever the ids are; given leaves all as it stands."""
    data = low_rank(13, 8, fill=0.6)
    users, items = ordering(data, "given")
    assert (users.tolist(), items.tolist()) == (list(range(13)), list(range(8)))
    users, items = ordering(data, "popularity")
    assert (np.diff(data.counts("user")[users]) <= 0).all()
    assert (np.diff(data.counts("item")[items]) <= 0).all()
    centred = data.user_rows.toarray() - data.mean * (data.user_rows.toarray() != 0)
    left, _, right = np.linalg.svd(centred)
    users, items = ordering(data, "singular")
    for order, vector in ((users, left[:, 0]), (items, right[0])):
        steps = np.diff(vector[order])
        assert (steps < 1e-6).all() or (steps > -1e-6).all()


def test_the_model_depends_on_the_order_of_ids_only_where_it_says_so() -> None:
    """Renaming users and items changes a GLocalK of order "given", and not one of order "singular"."""
    data = low_rank(30, 20, fill=0.6)
    u, i, r = data.pairs()
    renamed = RatingMatrix.from_columns((u * 7) % 30, (i * 3) % 20, r, scale=(1.0, 5.0))
    change = {}
    for order in ("given", "singular"):
        made = [quick(GLocalK, order=order, epochs=0, tune_epochs=0).fit(part) for part in (data, renamed)]
        for model in made:  # the same weights for the same position in the order
            model.network_.mixture.data.fill_(0.01)
            model._derived.clear()
        a, b = (model._codes() for model in made)
        change[order] = float(np.abs(a - b[(np.arange(20) * 3) % 20]).max())
    assert change["singular"] < 1e-4 < change["given"]


@pytest.mark.parametrize("sign", [1, -1])
def test_a_kernel_that_hides_everything_changes_its_sign(sign: int) -> None:
    """C and -C start from the same kernel, whose centre lets ratings through; the one that does so already stays."""
    data = low_rank(9, 7)
    torch.manual_seed(0)
    network = GlobalNetwork(9, (5, 4), n_items=7, dot_scale=0.5, n_rows=7, kernel_l2=0.3)
    rows = SparseRows.from_scipy(data.rows("item"))
    with torch.no_grad():
        network.biases[-1].fill_(3.0)  # so that mean outputs are not 0, as after the first stage
        network.mixture.abs_().mul_(sign)
        network.open_(rows)
        assert (network.mixture >= 0).all()
        assert float(network.kernel(rows, network.weights()[0])[4]) > 0


def test_errors_after_each_epoch_are_those_of_shorter_fits() -> None:
    """What `benchmarks.picked_epoch` measures after an epoch is the figure of a fit that ends there."""
    train, test = parted(low_rank())
    model = quick(GLocalK, epochs=2, tune_epochs=3)
    told = ErrorAfterEpochs(model, train, test)
    model.fit(train, progress=False, callbacks=[told])
    shorter = quick(GLocalK, epochs=2, tune_epochs=2).fit(train, progress=False)
    assert len(told.errors) == 3
    assert told.errors[1] == pytest.approx(rmse(shorter, test), abs=1e-6)


def test_glocal_k_learns_and_keeps_learning_under_the_convolution(tmp_path: Path) -> None:
    """Better than biases on hidden ratings; the second stage lowers its own loss; a file brings it back."""
    train, test = parted(low_rank(150, 90))
    model = quick(GLocalK, tune_epochs=10, order="popularity").fit(train)
    losses = [record["loss"] for record in model.history_.records]
    assert [record["epoch"] for record in model.history_.records] == list(range(1, 17))
    assert losses[15] < losses[6]
    assert rmse(model, test) < 0.8 * rmse(Bias().fit(train), test)
    again = load_model(model.save(tmp_path / "model.recae"))
    np.testing.assert_array_equal(again.score_users(np.arange(5)), model.score_users(np.arange(5)))


@pytest.mark.parametrize("stage", ["local", "global"])
def test_either_stage_resumes_exactly(stage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped in the first or the second stage and resumed, it ends bit for bit where an unbroken training ends."""
    data, held_out = parted(low_rank())
    wanted = quick(GLocalK, epochs=3, tune_epochs=3).fit(data, held_out)
    usual, calls = {"local": kernel_loss, "global": global_loss}[stage], []

    def stopping(network: Any, batch: Any) -> Tensor:
        calls.append(1)
        if len(calls) == 30:
            signal.raise_signal(signal.SIGINT)
        return usual(network, batch)

    path = tmp_path / "kept.ckpt"
    with monkeypatch.context() as patch:
        patch.setattr(f"recae.models.item_codes.glocal_k.{usual.__name__}", stopping)
        with pytest.raises(TrainingInterrupted, match="from which it can resume"):
            quick(GLocalK, epochs=3, tune_epochs=3).fit(data, held_out, checkpoint=path)
    resumed = quick(GLocalK, epochs=3, tune_epochs=3).fit(data, held_out, checkpoint=path, resume=True)
    pairs = zip(wanted.network_.state_dict().values(), resumed.network_.state_dict().values())
    assert all(torch.equal(a, b) for a, b in pairs)
    assert len(resumed.history_) == len(wanted.history_)


def test_too_many_neighbourhoods_are_refused_before_anything_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where memory is short, GLocalK says how much it needs and which model needs less."""
    monkeypatch.setattr("recae.models.item_codes.global_stage.available_bytes", lambda device: 2**20)
    with pytest.raises(ParameterError, match=r"may need .* GiB.*SparseFC"):
        quick(GLocalK, epochs=1).fit(low_rank(200, 100))
