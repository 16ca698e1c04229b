"""The search itself, by Optuna: ask for settings, measure them, tell; everything that is kept is kept at once."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from recae.errors import DataError, DivergenceError, MissingExtraError, ModelFileError, ParameterError, Phrase, Remedy
from recae.training import Callback
from recae.tuning.budget import Budget
from recae.tuning.outcome import Tuning
from recae.tuning.space import Space
from recae.tuning.trial import Task, fixes_epochs

if TYPE_CHECKING:
    import optuna

TENTHS = 10  # points of a training at which trials of different lengths are compared
STARTUP = 5  # trials before any is given up
# The figure of a trial that left settings open: no point of the space, so that to Optuna it is one that failed.
OPEN = "figure with open settings"


@dataclass
class ReleasedAtOnce:
    """Optuna's lock of a study's file, released in one step: it renames its file first, which a kill between leaves."""

    lock: Any
    file: Path

    def acquire(self) -> bool:
        """Wait until no other process has the lock, or has died with it."""
        return bool(self.lock.acquire())

    def release(self) -> None:
        """Let go of it.

        Raises:
            RuntimeError: another process has taken it away, as Optuna says it.
        """
        try:
            self.file.unlink()
        except OSError:
            raise RuntimeError("Error: did not possess lock") from None


@dataclass
class Search:
    """One call of `recae.tune`.

    Whatever is random in a trial follows from the seed and the number of trials done before it, not from what this
    process has drawn: so a search that is killed and resumed in another process has the same result.
    """

    task: Task
    space: Space
    budget: Budget
    path: Path | None
    prune: bool
    rng: int
    progress: Callable[[str], None] | None
    lib: ModuleType = field(init=False)

    def run(self) -> Tuning:
        self.lib = _optuna()
        with _quiet(self.lib):
            self.study = self._study()
            start = time.monotonic()
            while self.budget.allows(len(self._done()), time.monotonic() - start):
                self._one_trial(len(self._done()))
            return self._outcome()

    # ------------------------------------------------------------ the study and its file

    def _study(self) -> optuna.Study:
        """A new study, or the one in the file, without what a kill has left half done."""
        study: optuna.Study = self.lib.create_study(
            storage=self._storage(), study_name="recae", load_if_exists=True,
            direction="minimize" if self.task.minimises else "maximize",
        )  # fmt: skip
        fingerprint = self._fingerprint()
        found = study.user_attrs.get("belongs")  # the key in files of studies
        if found is None:
            study.set_user_attr("belongs", fingerprint)
        for key, value in fingerprint.items():
            if found is not None and key in found and found[key] != value:  # an older study says less
                raise ParameterError(
                    f"study {self.path} was begun with {key} {found[key]}, and now it is {value}",
                    remedy=(
                        "resume with what it was begun with",
                        Remedy("{discard} to begin afresh", discard=Phrase("delete it")),
                    ),
                )
        state = self.lib.trial.TrialState
        for trial in study.get_trials(states=(state.RUNNING, state.WAITING)):
            if trial.state == state.WAITING:
                study.ask()  # the model's own settings, never begun: it is asked for them again
            study.tell(trial.number, state=state.FAIL)
        return study

    def _storage(self) -> Any:
        if self.path is None:
            return None
        journal = self.lib.storages.journal
        try:
            lock = ReleasedAtOnce(journal.JournalFileOpenLock(str(self.path)), Path(f"{self.path}.lock"))
            backend = journal.JournalFileBackend(str(self.path), lock)
            return self.lib.storages.JournalStorage(backend)
        except (OSError, ValueError, KeyError) as error:
            raise ModelFileError(f"study {self.path} cannot be used ({error})", remedy="name another file") from None

    def _fingerprint(self) -> dict[str, Any]:
        space = {name: str(where.plain()) for name, where in self.space.items()}
        fixed = {"epochs": "as searched"} if fixes_epochs(self.task.model, self.space) else {}
        return {**self.task.fingerprint, "space": space, "pruning": self.prune, **fixed}

    def _done(self) -> list[optuna.trial.FrozenTrial]:
        """Trials that are over, in order, without those that a kill or Ctrl-C has cut short."""
        trials = self.study.get_trials(deepcopy=False)
        return [trial for trial in trials if trial.state.name in ("COMPLETE", "PRUNED") or OPEN in trial.user_attrs]

    # ------------------------------------------------------------ trials

    def _one_trial(self, number: int) -> None:
        self.study.sampler = self.lib.samplers.TPESampler(seed=_mixed(self.rng, number), multivariate=True)
        self.study.pruner = self._pruner()
        open_ = self._begin_with_the_model_s_own() if number == 0 else set()
        trial = self.study.ask()
        settings = {name: None if name in open_ else where.draw(trial, name) for name, where in self.space.items()}
        trial.set_user_attr("settings", {name: _plain(value) for name, value in settings.items()})
        state = self.lib.trial.TrialState
        start = time.perf_counter()
        try:
            value = self.task.measure(settings, _Watch(trial, settings, self.task, self.lib.TrialPruned))
        except self.lib.TrialPruned:
            self._end(trial, start, None, state.PRUNED, "worse on its way than the median")
        except (DivergenceError, MemoryError) as error:
            self._end(trial, start, None, state.PRUNED, str(error) or type(error).__name__)
        except BaseException:  # Ctrl-C, or settings that do not go together: it is as if it had not begun
            self.study.tell(trial, state=state.FAIL)
            raise
        else:
            if math.isfinite(value):
                self._end(trial, start, value, state.FAIL if open_ else state.COMPLETE, None)
            else:
                self._end(trial, start, None, state.PRUNED, f"the figure is {value}")

    def _end(self, trial: optuna.Trial, start: float, value: float | None, state: Any, reason: str | None) -> None:
        trial.set_user_attr("seconds", round(time.perf_counter() - start, 3))
        if reason is not None:
            trial.set_user_attr("reason", reason)
        if state.name == "FAIL":
            trial.set_user_attr(OPEN, value)
            value = None
        self.study.tell(trial, value, state=state)
        if self.progress is not None:
            self.progress(self._line())

    def _begin_with_the_model_s_own(self) -> set[str]:
        """The first trial is the model as it was given, as far as the space holds its settings.

        Returned are the settings that it leaves open (None), so that the model chooses them: they are left open in the
        first trial, too, lest what is found be worse than what is there without a search.
        """
        params = self.task.model.get_params()
        own = {name: where.start(params[name]) for name, where in self.space.items()}
        self.study.enqueue_trial({name: value for name, value in own.items() if value is not None})
        return {name for name, value in own.items() if value is None and params[name] is None}

    def _pruner(self) -> Any:
        if not self.prune:
            return self.lib.pruners.NopPruner()
        return self.lib.pruners.MedianPruner(n_startup_trials=STARTUP, n_warmup_steps=2)

    def _line(self) -> str:
        done = [_record(number, trial) for number, trial in enumerate(self._done())]
        last, figures = done[-1], [trial["value"] for trial in done if trial["value"] is not None]
        best = (min if self.task.minimises else max)(figures, default=math.nan)
        value = last["value"]
        figure = f"{self.task.metric} {value:.4f}" if value is not None else f"given up ({last['reason']})"
        settings = ", ".join(f"{k} {_short(v)}" for k, v in last["settings"].items())
        of = f" of {self.budget.trials}" if self.budget.trials else ""
        return f"trial {len(done)}{of}: {figure}, best {best:.4f}, {last['seconds']:.1f} s  [{settings}]"

    # ------------------------------------------------------------ what comes out

    def _outcome(self) -> Tuning:
        trials = [_record(number, trial) for number, trial in enumerate(self._done())]
        measured = [trial for trial in trials if trial["value"] is not None]
        if not measured:
            raise DataError(
                f"none of {len(trials)} trials gave a figure: {trials[-1]['reason'] if trials else 'none was begun'}"
            )
        best = (min if self.task.minimises else max)(measured, key=lambda trial: trial["value"])
        parts = self.task.parts
        about = {
            "data": parts.train.name, "n_train": parts.train.n_ratings, "n_validation": parts.test.n_ratings,
            "hidden": self.task.fingerprint["hide"], "space": {name: w.plain() for name, w in self.space.items()},
            "direction": "minimize" if self.task.minimises else "maximize", "seed": self.rng,
            "seconds": round(sum(trial["seconds"] for trial in trials), 1), "best": best["number"],
        }  # fmt: skip
        settings = {name: _tupled(value) for name, value in best["settings"].items()}
        return Tuning(settings, best["value"], self.task.metric, trials, about, self.task.model)


class _Watch(Callback):
    """Reports a training at tenths of its way, and ends it when the study says so."""

    def __init__(self, trial: optuna.Trial, settings: dict[str, Any], task: Task, pruned: type[Exception]) -> None:
        self.trial, self.pruned = trial, pruned
        self.epochs = {**task.model.get_params(), **settings}.get("epochs")
        self.told = 0

    def on_epoch_end(self, record: dict[str, Any]) -> None:
        epoch, figure = record["epoch"], record["validation"]
        if figure is None or not math.isfinite(figure):
            return
        tenth = TENTHS * epoch // self.epochs if self.epochs else epoch
        if tenth <= self.told:
            return
        self.told = tenth
        self.trial.report(figure, tenth)
        if tenth < TENTHS and self.trial.should_prune():
            raise self.pruned


def _record(number: int, trial: optuna.trial.FrozenTrial) -> dict[str, Any]:
    complete = trial.state.name == "COMPLETE"  # a pruned trial's value is its last report
    value = trial.user_attrs.get(OPEN, trial.value if complete else None)
    return {
        "number": number, "state": "pruned" if value is None else "complete", "value": value,
        "settings": trial.user_attrs["settings"], "seconds": trial.user_attrs["seconds"],
        "curve": [[step, value] for step, value in sorted(trial.intermediate_values.items())],
        "reason": trial.user_attrs.get("reason"),
    }  # fmt: skip


def _optuna() -> ModuleType:
    try:
        import optuna
    except ImportError:
        raise MissingExtraError("tuning needs Optuna: pip install 'recae[tune]'") from None
    return optuna


@contextmanager
def _quiet(optuna: ModuleType) -> Iterator[None]:
    """Within, Optuna logs errors only, and does not warn of what is experimental in it and wanted here."""
    import warnings

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before)


def _mixed(seed: int, number: int) -> int:
    return (seed * 1_000_003 + number * 7_919 + 1) % 2**32


def _plain(value: Any) -> Any:
    return [_plain(v) for v in value] if isinstance(value, tuple | list) else value


def _tupled(value: Any) -> Any:
    return tuple(_tupled(v) for v in value) if isinstance(value, list) else value


def _short(value: Any) -> str:
    return "none" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
