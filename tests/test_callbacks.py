"""What callbacks are told of a training, and how they end it."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from test_resume import model, ratings

import recae
from recae.errors import ParameterError
from recae.training import Callback, History
from recae.training.reporting import is_trial, telling


class Told(Callback):
    """Keeps all it is told; asks to stop, or raises, after an epoch."""

    def __init__(self, stop: int | None = None, failing: int | None = None) -> None:
        self.stop, self.failing = stop, failing
        self.starts: list[Any] = []
        self.epochs: list[dict[str, Any]] = []
        self.ends: list[History] = []

    def on_fit_start(self, trainer: Any) -> None:
        self.starts.append(trainer)

    def on_epoch_end(self, record: dict[str, Any]) -> bool | None:
        self.epochs.append(record)
        if record["epoch"] == self.failing:
            raise KeyError("enough")
        return record["epoch"] == self.stop

    def on_fit_end(self, history: History) -> None:
        self.ends.append(history)


def test_callbacks_hear_of_start_epochs_and_end() -> None:
    """Each of two hears of the trainer, of every record of the history, and of the history; nothing of a later fit."""
    one, two = Told(), Told()
    fitted = model().fit(ratings(), ratings(1), callbacks=[one, two])
    assert one.epochs == two.epochs == fitted.history_.records
    assert one.ends == [fitted.history_]
    assert [trainer.epochs for trainer in one.starts] == [fitted.epochs]
    model().fit(ratings(), ratings(1))
    assert len(one.epochs) == len(fitted.history_)


@pytest.mark.parametrize("validated", [True, False])
def test_a_callback_ends_the_training(validated: bool) -> None:
    """After the second epoch, with or without validation, `fit` returns; what it learnt until there is the same."""
    parts = (ratings(), ratings(1)) if validated else (ratings(),)
    told = Told(stop=2)
    stopped = model().fit(*parts, callbacks=[told])
    assert (len(stopped.history_), stopped.history_.stopped_early) == (2, True)
    assert told.ends == [stopped.history_]
    whole = model().fit(*parts)
    assert [r["loss"] for r in stopped.history_.records] == [r["loss"] for r in whole.history_.records[:2]]


def test_what_a_callback_raises_leaves_fit() -> None:
    """The exception comes out, no end is told, and the next training tells nobody."""
    told = Told(failing=3)
    with pytest.raises(KeyError, match="enough"):
        model().fit(ratings(), ratings(1), callbacks=[told])
    assert (len(told.epochs), told.ends) == (3, [])
    model().fit(ratings(), ratings(1))
    assert len(told.epochs) == 3


def test_each_training_of_a_model_tells() -> None:
    """Mult-DAE, which looks for its epochs on a part first, tells of both trainings under their labels."""
    told = Told()
    fitted = recae.MultDAE(hidden=4, epochs=2).fit(recae.load("sample"), callbacks=[told], progress=False)
    assert [trainer.label for trainer in told.starts] == ["finding epochs", "training"]
    assert told.epochs[-len(fitted.history_) :] == fitted.history_.records
    assert len(told.epochs) == 2 + len(fitted.history_)


def test_what_has_no_epochs_is_refused() -> None:
    """A model fitted in one step says so; it would tell of nothing."""
    with pytest.raises(ParameterError, match="no epochs to tell"):
        recae.EASE(l2=5.0).fit(ratings(), callbacks=[Told()])


def test_trials_are_trials_only_within() -> None:
    """`telling(trial=True)` says so, also to what is told of inside; afterwards nothing is a trial."""
    assert not is_trial()
    with telling(trial=True), telling(Told()):
        assert is_trial()
    assert not is_trial()


PAGE = Path(__file__).parents[1] / "docs" / "guides" / "training.md"


def from_the_guide(name: str, **known: Any) -> Any:
    """A class that docs/guides/training.md defines."""
    (text,) = re.findall(rf"^class {name}\(.*?(?=^\S)", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    names = {"Callback": Callback, **known}
    exec(text, names)
    return names[name]


def test_tensorboard_shows_what_the_history_holds(tmp_path: Path) -> None:
    """What the guide's callback wrote is read back by TensorBoard: every epoch's loss and validation figure."""
    pytest.importorskip("tensorboard", reason="the extra `tracking` is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(tmp_path)) as writer:
        fitted = model().fit(ratings(), ratings(1), callbacks=[from_the_guide("ToTensorBoard")(writer)])
    read = EventAccumulator(str(tmp_path))
    read.Reload()
    for name in ("loss", "validation"):
        found = [(event.step, event.value) for event in read.Scalars(f"training/{name}")]
        assert found == [(r["epoch"], pytest.approx(r[name], rel=1e-6)) for r in fitted.history_.records]


def test_mlflow_is_given_the_figures_of_each_epoch() -> None:
    """The guide's callback calls `mlflow.log_metrics` once an epoch, with numbers only."""
    given: list[tuple[dict[str, float], int]] = []
    fake = SimpleNamespace(log_metrics=lambda figures, step: given.append((figures, step)))
    fitted = model().fit(ratings(), callbacks=[from_the_guide("ToMLflow", mlflow=fake)()])
    assert given == [({"training loss": r["loss"]}, r["epoch"]) for r in fitted.history_.records]
