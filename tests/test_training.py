"""The trainer: it learns, stops, reports, repeats itself exactly, and does not change the caller's state."""

from __future__ import annotations

import signal
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from recae.distributed.ranks import choose_device
from recae.errors import DataError, DivergenceError, ParameterError, TrainingInterrupted
from recae.nn import Autoencoder, Masking
from recae.training import Batch, RowBatches, Trainer, trainer
from recae.training.loop import autocast
from recae.training.objectives import Reconstruction
from recae.training.pretraining import pretrain

SQUARED = Reconstruction("summed-squared-error")


def low_rank(n_rows: int = 60, n: int = 12, rank: int = 2) -> Tensor:
    """Rows in a plane: a linear autoencoder with `rank` units can reproduce them exactly."""
    g = torch.Generator().manual_seed(0)
    return torch.randn(n_rows, rank, generator=g) @ torch.randn(rank, n, generator=g)


def linear(sizes: str = "12-2", **more: Any) -> Autoencoder:
    torch.manual_seed(1)
    return Autoencoder.mirrored(sizes, **{"activations": "identity", **more})


def weights(model: nn.Module) -> list[Tensor]:
    return [p.detach().clone() for p in model.parameters()]


def same(a: nn.Module, b: nn.Module) -> bool:
    return all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters()))


class Scripted:
    """A validation whose figures are written down; it remembers the weights it was shown."""

    def __init__(self, *figures: float) -> None:
        self.figures, self.shown = list(figures), []

    def __call__(self, model: nn.Module) -> float:
        assert not model.training
        assert not torch.is_grad_enabled()
        self.shown.append(weights(model))
        return self.figures[len(self.shown) - 1]


# ---------------------------------------------------------------- learning


@pytest.mark.parametrize(
    ("optimizer", "lr", "batch_size", "epochs"),
    [("adam", 0.03, 16, 150), ("sgd", 0.002, 16, 150), ("rprop", 0.01, 0, 200), ("lbfgs", 1.0, 0, 10)],
)
def test_every_optimiser_learns_a_plane(optimizer: str, lr: float, batch_size: int, epochs: int) -> None:
    """Rows of rank 2 are reproduced by 2 linear units to less than 1 % of their variance."""
    rows, model = low_rank(), linear()
    trainer = Trainer(epochs=epochs, optimizer=optimizer, lr=lr, schedule="cosine", device="cpu")
    history = trainer.fit(model, RowBatches(rows, batch_size=batch_size), SQUARED)
    assert len(history) == epochs
    assert history.records[-1]["loss"] < 0.01 * history.records[0]["loss"]
    assert float((model.reconstruct(rows).detach() - rows).square().mean() / rows.var()) < 0.01
    assert not model.training


def test_history_tells_each_epoch() -> None:
    """One record an epoch with its loss (the mean over examples), rate and time; the frame has the same."""
    rows, model = low_rank(10), linear()
    before = float(SQUARED(model.eval(), Batch(rows, rows)).detach())
    trainer = Trainer(epochs=3, optimizer="sgd", lr=1e-12, schedule="linear", device="cpu")
    history = trainer.fit(model, RowBatches(rows, batch_size=4), SQUARED)  # batches of 4, 4 and 2
    frame = history.frame()
    assert frame["epoch"].tolist() == [1, 2, 3]
    assert frame["loss"].tolist() == pytest.approx([before] * 3, rel=1e-5)
    assert frame["validation"].isna().all()
    assert frame["lr"].tolist() == pytest.approx([1e-12 * (1 - step / 9) for step in (2, 5, 8)], rel=1e-9, abs=0)
    assert history.best_epoch == 3
    assert history.best is None
    assert history.seconds == pytest.approx(frame["seconds"].sum())


def test_no_epochs_change_nothing() -> None:
    """With epochs=0 the weights stay what they were."""
    model = linear()
    before = weights(model)
    assert len(Trainer(epochs=0, device="cpu").fit(model, RowBatches(low_rank(), batch_size=8), SQUARED)) == 0
    assert all(torch.equal(a, b) for a, b in zip(before, weights(model)))


def test_every_example_is_seen_once_an_epoch_in_another_order_each() -> None:
    """Batches partition the examples, and epochs shuffle anew."""
    seen: list[list[float]] = []

    def objective(model: Any, batch: Batch) -> Tensor:
        seen.append(batch.input[:, 0].tolist())
        return model.decoder.layers[0].bias.square().sum()

    rows = torch.arange(10.0)[:, None].repeat(1, 12)
    Trainer(epochs=2, device="cpu").fit(linear(), RowBatches(rows, batch_size=4), objective)
    assert [len(s) for s in seen] == [4, 4, 2] * 2
    first, second = [*seen[0], *seen[1], *seen[2]], [*seen[3], *seen[4], *seen[5]]
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second


# ---------------------------------------------------------------- stopping


def test_the_best_epoch_is_kept_and_patience_runs_out() -> None:
    """Figures 5, 3, 4, 6: with patience 2 training stops after epoch 4 and has epoch 2's weights."""
    model, validate = linear(), Scripted(5.0, 3.0, 4.0, 6.0)
    trainer = Trainer(epochs=50, patience=2, device="cpu")
    history = trainer.fit(model, RowBatches(low_rank(), batch_size=16), SQUARED, validate)
    assert (len(history), history.best_epoch, history.best, history.stopped_early) == (4, 2, 3.0, True)
    assert all(torch.equal(a, b) for a, b in zip(weights(model), validate.shown[1]))
    assert not torch.equal(validate.shown[1][0], validate.shown[3][0])


def test_the_best_epoch_is_kept_without_patience_too() -> None:
    """All epochs run, and the best one's weights stay; of equal figures the first wins."""
    model, validate = linear(), Scripted(2.0, 1.0, 1.0, 3.0)
    history = Trainer(epochs=4, device="cpu").fit(model, RowBatches(low_rank(), batch_size=16), SQUARED, validate)
    assert (len(history), history.best_epoch, history.stopped_early) == (4, 2, False)
    assert all(torch.equal(a, b) for a, b in zip(weights(model), validate.shown[1]))


def test_a_validation_figure_that_is_no_number_is_divergence() -> None:
    """NaN from the validation never counts as the best epoch: it is an error that says so."""
    with pytest.raises(DivergenceError, match="validation figure is nan in epoch 2"):
        Trainer(epochs=4, device="cpu").fit(
            linear(), RowBatches(low_rank(), batch_size=16), SQUARED, Scripted(2.0, float("nan"), 1.0)
        )


def test_a_loss_that_is_no_number_is_divergence() -> None:
    """A learning rate far too high ends in DivergenceError that names epoch and rate, not in NaN weights."""
    with pytest.raises(DivergenceError, match=r"epoch \d+: choose a smaller learning rate than 1e\+06"):
        Trainer(epochs=20, optimizer="sgd", lr=1e6, device="cpu").fit(
            linear(), RowBatches(low_rank(), batch_size=4), SQUARED
        )


def test_weights_that_are_no_numbers_after_the_last_step_are_divergence() -> None:
    """The last step of the last epoch is looked at as well, though no loss follows it."""

    def objective(model: Any, batch: Batch) -> Tensor:
        return (model.encoder.layers[0].weight * 1e30).sum() * 1e30  # a finite-free gradient from a finite loss

    model = linear()
    nn.init.zeros_(model.encoder.layers[0].weight)
    with pytest.raises(DivergenceError, match="weights"):
        Trainer(epochs=1, optimizer="sgd", lr=1e30, device="cpu").fit(
            model, RowBatches(low_rank(), batch_size=0), objective
        )


# ---------------------------------------------------------------- randomness


def test_the_same_seed_gives_the_same_weights_and_another_one_others() -> None:
    """Order, noise and dropout come only from `seed`, whatever the global state was."""
    results = []
    for seed, elsewhere in ((3, 0), (3, 99), (4, 0)):
        model = linear(noise=Masking(0.3), dropout=0.2)
        torch.manual_seed(elsewhere)
        Trainer(epochs=3, seed=seed, device="cpu").fit(model, RowBatches(low_rank(), batch_size=16), SQUARED)
        results.append(model)
    assert same(results[0], results[1])
    assert not same(results[0], results[2])


def test_the_callers_random_state_does_not_change() -> None:
    """Training draws from its own stream: what the caller draws next is what it would have drawn anyway."""
    model = linear(noise=Masking(0.3))
    torch.manual_seed(7)
    expected = torch.rand(5)
    torch.manual_seed(7)
    before = np.random.get_state()[1].tolist()  # noqa: NPY002 - looked at only
    Trainer(epochs=2, device="cpu").fit(model, RowBatches(low_rank(), batch_size=16), SQUARED)
    assert torch.equal(torch.rand(5), expected)
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epochs": -1}, "epochs=-1"), ({"patience": 0}, "patience=0"), ({"optimizer": "adagrad"}, "lbfgs"),
        ({"schedule": "sometimes"}, "one-cycle"), ({"lr": 0.0}, "lr=0"), ({"decay": -1.0}, "decay=-1"),
        ({"optimizer": "lbfgs"}, "batch_size=0"), ({"optimizer": "rprop"}, "batch_size=0"),
        ({"resume": True}, "checkpoint="),
        ({"precision": "bf16"}, "is for CUDA"), ({"precision": "tf32"}, "is for CUDA"),
        ({"precision": "fp8"}, "'float32', 'tf32' or 'bf16'"), ({"device": "tpu7"}, "choose 'auto', 'cpu'"),
    ],
)  # fmt: skip
def test_settings_out_of_range_are_refused_by_name(settings: dict[str, Any], message: str) -> None:
    """Each wrong setting raises ParameterError naming the value or the choices, before any weight has moved."""
    model = linear()
    before = weights(model)
    with pytest.raises(ParameterError, match=message):
        Trainer(**{"device": "cpu", "epochs": 1, **settings}).fit(model, RowBatches(low_rank(), batch_size=8), SQUARED)
    assert all(torch.equal(a, b) for a, b in zip(before, weights(model)))


def test_batches_that_cannot_be_are_refused() -> None:
    """No rows, other targets than rows, a negative batch size: each an error that says what is needed."""
    with pytest.raises(DataError, match="no rows"):
        RowBatches(torch.zeros(0, 3), batch_size=1)
    with pytest.raises(DataError, match="3 rows, but 2 targets"):
        RowBatches(torch.zeros(3, 3), torch.zeros(2, 3), batch_size=1)
    with pytest.raises(ParameterError, match="batch_size=-1"):
        RowBatches(torch.zeros(3, 3), batch_size=-1)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_devices_that_are_not_there() -> None:
    """auto falls back to the CPU; a device asked for by name that is not there is an error; bf16 is CUDA's."""
    if not torch.backends.mps.is_available():
        assert choose_device("auto").type == "cpu"
    assert choose_device(torch.device("cpu")).type == "cpu"
    for name in ("cuda", "cuda:3"):
        with pytest.raises(ParameterError, match="this machine does not have it"):
            choose_device(name)
    with pytest.raises(ParameterError, match="bf16"):
        autocast(torch.device("cpu"), "bf16")


# ---------------------------------------------------------------- around it


def test_progress_goes_to_stderr_only(capfd: pytest.CaptureFixture[str]) -> None:
    """Asked for, a bar with loss and validation stands on stderr; stdout stays empty; else nothing is written."""
    batches = RowBatches(low_rank(), batch_size=16)
    Trainer(epochs=2, progress=True, label="learning", device="cpu").fit(linear(), batches, SQUARED, Scripted(2.0, 1.0))
    out, err = capfd.readouterr()
    assert out == ""
    for word in ("learning", "8/8", "loss=", "val=1.0000"):
        assert word in err
    Trainer(epochs=1, device="cpu").fit(linear(), batches, SQUARED)
    assert capfd.readouterr() == ("", "")


SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def test_former_signal_handlers_are_restored() -> None:
    """After training each signal has the handler that it had before, also after an error."""
    before = [signal.getsignal(number) for number in SIGNALS]
    batches = RowBatches(low_rank(), batch_size=16)
    Trainer(epochs=1, device="cpu").fit(linear(), batches, SQUARED)
    with pytest.raises(ZeroDivisionError):
        Trainer(epochs=1, device="cpu").fit(linear(), batches, lambda model, batch: torch.tensor(1 / 0))
    assert [signal.getsignal(number) for number in SIGNALS] == before


def raising(number: int, times: int = 1) -> Any:
    """An objective that sends the process a signal in its first calls."""
    left = iter(range(times))

    def objective(model: Any, batch: Batch) -> Tensor:
        if next(left, None) is not None:
            signal.raise_signal(number)
        return SQUARED(model, batch)

    return objective


@pytest.mark.parametrize("number", SIGNALS, ids=lambda n: n.name)
def test_an_interruption_is_not_caught_as_an_error(number: int) -> None:
    """`except Exception` does not swallow it; `except KeyboardInterrupt` catches it, with the signal's number."""
    with pytest.raises(KeyboardInterrupt) as stopped:
        Trainer(epochs=3, device="cpu").fit(linear(), RowBatches(low_rank(), batch_size=16), raising(number))
    assert not isinstance(stopped.value, Exception)
    assert isinstance(stopped.value, TrainingInterrupted)
    assert stopped.value.signal == number


@pytest.mark.parametrize("number", SIGNALS, ids=lambda n: n.name)
def test_a_signal_that_is_sent_twice_stops_after_the_step(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """timeout(1) sends each signal twice: the second does not cut the step. A Ctrl-C that comes later does."""
    batches = RowBatches(low_rank(), batch_size=0)
    with pytest.raises(TrainingInterrupted, match="and 1 of 1 steps"):
        Trainer(epochs=3, optimizer="lbfgs", device="cpu").fit(linear(), batches, raising(number, times=2))
    monkeypatch.setattr(trainer, "ECHO", -1.0)
    with pytest.raises(KeyboardInterrupt) as stopped:
        Trainer(epochs=3, optimizer="lbfgs", device="cpu").fit(linear(), batches, raising(number, times=2))
    assert isinstance(stopped.value, TrainingInterrupted) == (number != signal.SIGINT)


def test_what_the_process_ignores_stays_ignored() -> None:
    """Under nohup a terminal that closes does not stop training."""
    former = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        batches = RowBatches(low_rank(), batch_size=16)
        assert len(Trainer(epochs=2, device="cpu").fit(linear(), batches, raising(signal.SIGHUP))) == 2
    finally:
        signal.signal(signal.SIGHUP, former)


def test_a_signal_after_the_last_step_is_not_lost() -> None:
    """Ctrl-C while the last epoch is validated: training is complete, and then Ctrl-C does what it does elsewhere."""

    def validate(model: nn.Module) -> float:
        signal.raise_signal(signal.SIGINT)
        return 1.0

    model = linear()
    before = weights(model)
    with pytest.raises(KeyboardInterrupt) as stopped:
        Trainer(epochs=1, device="cpu").fit(model, RowBatches(low_rank(), batch_size=16), SQUARED, validate)
    assert not isinstance(stopped.value, TrainingInterrupted)
    assert not torch.equal(before[0], weights(model)[0])


def test_stopping_without_a_checkpoint_says_that_nothing_is_kept() -> None:
    """The message says how far training came, and that there is nothing to resume from."""

    def objective(model: Any, batch: Batch) -> Tensor:
        signal.raise_signal(signal.SIGINT)
        return SQUARED(model, batch)

    with pytest.raises(TrainingInterrupted, match="0 of 3 epochs and 1 of 4 steps; there is no checkpoint") as stopped:
        Trainer(epochs=3, device="cpu").fit(linear(), RowBatches(low_rank(), batch_size=16), objective)
    assert stopped.value.checkpoint is None


def test_pretraining_makes_a_better_start() -> None:
    """Layer by layer on the deep model's own weights: fine-tuning starts from a loss far below the untrained one."""
    rows, batches = low_rank(rank=4), RowBatches(low_rank(rank=4), batch_size=16)
    model = linear("12-6-4", activations="tanh")
    untrained = float(SQUARED(model, Batch(rows, rows)).detach())
    histories = pretrain(model, batches, SQUARED, Trainer(lr=0.01, device="cpu"), epochs=60)
    assert [len(h) for h in histories] == [60, 60]
    assert float(SQUARED(model.eval(), Batch(rows, rows)).detach()) < 0.5 * untrained


def test_pretraining_needs_a_mirrored_stack() -> None:
    """Another kind of network is refused, and says what is needed."""
    with pytest.raises(ParameterError, match="equally many layers"):
        pretrain(
            Autoencoder(nn.Linear(12, 2), nn.Linear(2, 12)), RowBatches(low_rank(), batch_size=8), SQUARED,
            Trainer(device="cpu"), epochs=1,
        )  # fmt: skip
