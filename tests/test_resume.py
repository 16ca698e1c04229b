"""Exact resume: a training that was interrupted and resumes ends with the same bits as one without interruption."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from recae.errors import ModelFileError, TrainingInterrupted
from recae.models import CFN, AutoRec, make_model
from recae.ratings import RatingMatrix
from recae.recommender import fingerprints
from recae.storage import pack, read_file, unpack, write_file
from recae.training import Batch, History, RowBatches, Trainer

ROOT = Path(__file__).parents[1]
EARLIER = Path(__file__).with_name("earlier_checkpoint.bin")
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
NOISY = {"dropout": 0.2, "noise": 0.2}
SETTINGS: dict[str, dict[str, Any]] = {
    "adam": {"optimizer": "adam", **NOISY},
    "adam, dense": {"optimizer": "adam", "path": "dense", **NOISY},
    "sgd": {"optimizer": "sgd", "lr": 1e-3, "by": "user", **NOISY},
    "lbfgs": {"optimizer": "lbfgs", "lr": 1.0},
    "rprop": {"optimizer": "rprop", "lr": 1e-3, "by": "user"},
    "deep, pretrained": {"optimizer": "adam", "hidden": (6, 3, 6), "pretrain_epochs": 2},
}


def ratings(seed: int = 0) -> RatingMatrix:
    """30 users, 23 items, 200 ratings."""
    rng = np.random.default_rng(seed)
    pairs = rng.choice(30 * 23, 200, replace=False)
    return RatingMatrix.from_columns(pairs // 23, pairs % 23, rng.integers(1, 6, 200), scale=(1.0, 5.0))


def model(name: str = "adam", **more: Any) -> AutoRec:
    settings = {
        "hidden": 6,
        "epochs": 5,
        "batch_size": 8,
        "l2": 1.0,
        "device": "cpu",
        "rng": 3,
        "shrink": "never",
        **SETTINGS[name],
    }
    return AutoRec(**{**settings, **more})


def same(a: AutoRec, b: AutoRec) -> bool:
    return all(torch.equal(p, q) for p, q in zip(a.network_.state_dict().values(), b.network_.state_dict().values()))


class StopAt:
    """Asks to stop, as Ctrl-C does, when the given step of the training begins."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, step: int, number: int = signal.SIGINT) -> None:
        self.left, take = step, RowBatches.take

        def counted(batches: RowBatches, index: Tensor) -> Batch:
            self.left -= 1
            if self.left == 0:
                signal.raise_signal(number)
            return take(batches, index)

        monkeypatch.setattr(RowBatches, "take", counted)


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("validated", [False, True], ids=["", "with validation"])
def test_stopped_and_resumed_is_as_if_nothing_had_happened(
    name: str, validated: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped in the middle of an epoch, or after one, and resumed: the same bits, the same history."""
    held_out = ratings(1) if validated else None
    whole = model(name).fit(ratings(), held_out)
    pretraining = 2 * 2 * 3 if "pretrained" in name else 0  # steps of two layers, two epochs, three batches
    for step in (2, 3, 4):
        path = tmp_path / f"{step}.ckpt"
        with monkeypatch.context() as patch:
            StopAt(patch, pretraining + step)
            with pytest.raises(TrainingInterrupted, match="from which it can resume") as stopped:
                model(name).fit(ratings(), held_out, checkpoint=path)
        assert stopped.value.checkpoint == str(path)
        torch.manual_seed(step)  # whatever else the process has drawn
        resumed = model(name).fit(ratings(), held_out, checkpoint=path, resume=True)
        assert same(resumed, whole)
        assert resumed.history_.best_epoch == whole.history_.best_epoch
        for ours, theirs in zip(resumed.history_.records, whole.history_.records, strict=True):
            assert {**ours, "seconds": 0} == {**theirs, "seconds": 0}


def test_stopped_again_and_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A training that is stopped at every third step, by Ctrl-C, SIGTERM or SIGHUP, still ends with the same bits."""
    path, stops = tmp_path / "c", 0
    while True:
        with monkeypatch.context() as patch:
            StopAt(patch, 3, SIGNALS[stops % 3])
            try:
                arrived = model().fit(ratings(), checkpoint=path, resume=True)
                break
            except TrainingInterrupted:
                stops += 1
    assert stops == 5  # 15 steps: 3 batches, 5 epochs
    assert same(arrived, model().fit(ratings()))


def test_a_checkpoint_changes_nothing(tmp_path: Path) -> None:
    """Writing one after every step leaves the weights as they are, and a finished one is not trained further."""
    path = tmp_path / "c"
    often = model().fit(ratings(), checkpoint=path, checkpoint_seconds=0.0)
    assert same(often, model().fit(ratings()))
    again = model().fit(ratings(), checkpoint=path, resume=True)
    assert same(again, often)
    assert again.history_.seconds == pytest.approx(often.history_.seconds)


def test_ratings_are_hashed_only_for_a_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing else is compared with what a training belongs to."""
    hashed: list[RatingMatrix] = []
    monkeypatch.setattr(fingerprints, "checksum", lambda ratings: hashed.append(ratings) or "0")
    model().fit(ratings())
    assert hashed == []
    model().fit(ratings(), checkpoint=tmp_path / "c")
    assert len(hashed) == 1


def test_resuming_without_a_checkpoint_starts_afresh(tmp_path: Path) -> None:
    """With no file there yet, resume=True trains from the start, so that one command serves both."""
    assert same(model().fit(ratings(), checkpoint=tmp_path / "c", resume=True), model().fit(ratings()))


# ---------------------------------------------------------------- real processes

_TRAIN = """
    import sys
    from recae.errors import TrainingInterrupted
    from recae.training import RowBatches
    from tests.test_resume import model, ratings
    slow, *paths = sys.argv[1:]

    take = RowBatches.take
    def slowly(batches, index):
        import time
        time.sleep(float(slow))
        print("step", flush=True)
        return take(batches, index)
    RowBatches.take = slowly

    try:
        for path in paths:
            print(path, flush=True)
            model().fit(ratings(), checkpoint=path, checkpoint_seconds=0.0, resume=True).save(path + ".recae")
    except TrainingInterrupted as stopped:
        print(stopped)
        raise SystemExit(stopped.signal)
"""


def process(slow: float, *paths: Path) -> subprocess.Popen[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(_TRAIN), str(slow), *map(str, paths)],
        stdout=subprocess.PIPE, text=True, cwd=ROOT, env=env,
    )  # fmt: skip


def stopped(number: signal.Signals, path: Path) -> None:
    """A training in a process that the signal ends in the middle of the second epoch; a checkpoint is left."""
    first = process(0.3, path)
    assert first.stdout is not None
    for _ in range(6):  # the name of the file, and steps into the second epoch
        first.stdout.readline()
    time.sleep(0.05)
    first.send_signal(number)
    said, _ = first.communicate(timeout=60)
    assert first.returncode == (-9 if number == signal.SIGKILL else number)
    if number != signal.SIGKILL:
        assert "stopped after 1 of 5 epochs" in said
    assert path.exists()


def test_trainings_that_signals_stop_resume_in_another_process(tmp_path: Path) -> None:
    """Killed or stopped in the middle of an epoch; a new process resumes each and ends with the same bits."""
    from recae.models import load_model

    paths = [tmp_path / number.name for number in (signal.SIGKILL, *SIGNALS)]
    for number, path in zip((signal.SIGKILL, *SIGNALS), paths):
        stopped(number, path)
    second = process(0.0, *paths)
    said, _ = second.communicate(timeout=120)
    assert second.returncode == 0
    whole = model().fit(ratings())
    for path, steps in zip(paths, re.split("^/.*$", said, flags=re.MULTILINE)[1:], strict=True):
        assert steps.count("step") <= 15 - 4  # it resumed
        arrived = load_model(str(path) + ".recae")
        assert isinstance(arrived, AutoRec)
        assert same(arrived, whole)


# ---------------------------------------------------------------- what is not resumed


@pytest.mark.parametrize(
    "changed", [{"lr": 0.1}, {"epochs": 6}, {"hidden": 7}, {"rng": 4}, {"batch_size": 9}, {"l2": 2.0}, {"noise": 0.3}]
)
def test_other_settings_are_refused(changed: dict[str, Any], tmp_path: Path) -> None:
    """A checkpoint of another setting is refused, and the message says what to do; the file stays."""
    path = tmp_path / "c"
    model().fit(ratings(), checkpoint=path)
    before = path.read_bytes()
    with pytest.raises(ModelFileError, match="resume with the settings it was started with"):
        model(**changed).fit(ratings(), checkpoint=path, resume=True)
    assert path.read_bytes() == before


def test_other_data_are_refused(tmp_path: Path) -> None:
    """Other ratings to learn from, or to stop by, are another training."""
    path = tmp_path / "c"
    model().fit(ratings(), ratings(1), checkpoint=path)
    for data, held_out in ((ratings(5), ratings(1)), (ratings(), ratings(5)), (ratings(), None)):
        with pytest.raises(ModelFileError, match="resume with the settings it was started with"):
            model().fit(data, held_out, checkpoint=path, resume=True)


# ---------------------------------------------------------------- what else a fit reads


def told(**changes: Any) -> RatingMatrix:
    """`ratings`, with times, and tables that say something: years and titles of items, ages of users."""
    years = pd.DataFrame({"year": 1990 + np.arange(23) % 7, "title": [f"film {n}" for n in range(23)]}, index=range(23))
    ages = pd.DataFrame({"age": 20 + np.arange(30) % 11}, index=range(30))
    known = replace(ratings(), item_table=years, user_table=ages, timestamps=10**9 + 3600 * np.arange(200))
    return replace(known, **changes)


TABLE: Any = told().item_table
OTHER: dict[str, dict[str, Any]] = {
    "timestamps": {"timestamps": 10**9 + 3600 * np.arange(200)[::-1]}, "scale": {"scale": (0.0, 5.0)},
    "tables": {"item_table": TABLE.assign(year=TABLE["year"].to_numpy()[::-1])},
    "ids": {"user_ids": np.arange(9, 39)}, "titles": {"item_table": TABLE.assign(title="?")},
}  # fmt: skip
READS: list[tuple[str, dict[str, Any], set[str]]] = [  # a model, and what it reads of these
    ("i-autorec", {}, {"scale"}), ("mult-vae", {}, set()), ("cfn", {"features": "item"}, {"scale", "tables"}),
    ("cfn", {"features": "user"}, {"scale", "ids"}),  # under other ids, users have other rows of their table
    ("wide-deep", {"features": "none"}, {"scale"}), ("session-rnn-ratings", {}, {"scale", "timestamps"}),
    ("session-rnn", {"features": "item"}, {"scale", "tables", "timestamps"}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "more", "read"), READS, ids=[f"{name} {more}" for name, more, _ in READS])
def test_a_checkpoint_belongs_to_all_that_the_fit_reads(
    name: str, more: dict[str, Any], read: set[str], tmp_path: Path
) -> None:
    """Other times, scales, tables and ids are another training for the models that read them, and not for others."""
    path = tmp_path / "c"
    settings: dict[str, Any] = {"hidden": 4, "epochs": 1, "device": "cpu", **more}
    make_model(name, **settings).fit(told(), told(), checkpoint=path, progress=False)
    for what, change in OTHER.items():
        resumed, data = make_model(name, **settings), told(**change)
        if what in read:
            with pytest.raises(ModelFileError, match=f"written with {'tables' if what == 'ids' else what} "):
                resumed.fit(data, data, checkpoint=path, resume=True, progress=False)
        else:
            resumed.fit(data, data, checkpoint=path, resume=True, progress=False)


def test_a_checkpoint_belongs_to_the_start_and_its_ids(tmp_path: Path) -> None:
    """A warm start from another model, or of other ids, is another training."""
    path = tmp_path / "c"
    first, second = (model(rng=seed).fit(ratings()) for seed in (3, 4))
    warm = model().fit(ratings(), start=first, checkpoint=path)
    assert same(model().fit(ratings(), start=first, checkpoint=path, resume=True), warm)
    for data, start in ((ratings(), second), (replace(ratings(), user_ids=np.arange(9, 39)), first)):
        with pytest.raises(ModelFileError, match="written with start_learnt"):
            model().fit(data, start=start, checkpoint=path, resume=True)


def test_a_checkpoint_that_says_less_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One from before times, scales and tables were compared goes on, with whatever they are now."""
    path = tmp_path / "c"
    settings: dict[str, Any] = {"hidden": 4, "epochs": 1, "device": "cpu"}
    with monkeypatch.context() as patch:
        patch.setattr(CFN, "_reads_beside", lambda *_: {})
        CFN(**settings).fit(told(), told(), checkpoint=path)
    CFN(**settings).fit(told(**OTHER["tables"]), told(), checkpoint=path, resume=True)


def test_a_model_is_no_checkpoint(tmp_path: Path) -> None:
    """A saved model, or any other file, instead of the checkpoint is refused, and the message says what it is."""
    path = model().fit(ratings()).save(tmp_path / "m.recae")
    with pytest.raises(ModelFileError, match="holds a model, not a checkpoint"):
        model().fit(ratings(), checkpoint=path, resume=True)
    path.write_text("nothing of the kind")
    with pytest.raises(ModelFileError, match="not a recae file"):
        model().fit(ratings(), checkpoint=path, resume=True)


def test_a_checkpoint_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    """A missing folder is an error that names the path."""
    with pytest.raises(ModelFileError, match="could not be written"):
        model().fit(ratings(), checkpoint=tmp_path / "missing" / "c")


def test_any_model_and_objective_can_be_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The trainer's own resume, without AutoRec: a plain PyTorch module with a buffer."""
    rows = torch.rand(20, 6, generator=torch.Generator().manual_seed(0))

    def train(**settings: Any) -> torch.nn.Module:
        torch.manual_seed(0)
        layers = torch.nn.Linear(6, 6), torch.nn.BatchNorm1d(6), torch.nn.Dropout(0.3), torch.nn.Linear(6, 6)
        network = torch.nn.Sequential(*layers)
        Trainer(epochs=4, lr=0.01, device="cpu", **settings).fit(
            network, RowBatches(rows, batch_size=8), lambda m, batch: (m(batch.input) - batch.target).square().mean()
        )
        return network

    path = tmp_path / "c"
    with monkeypatch.context() as patch:
        StopAt(patch, 5)
        with pytest.raises(TrainingInterrupted):
            train(checkpoint=path)
    whole, resumed = train(), train(checkpoint=path, resume=True)
    for a, b in zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True):
        assert torch.equal(a, b)


# ---------------------------------------------------------------- files of earlier versions


def small_training(**settings: Any) -> tuple[torch.nn.Module, History]:
    """Four epochs of three steps, with dropout, averaged weights and a validation figure."""
    rows = (torch.arange(20 * 6).reshape(20, 6) * 37 % 11).float() / 11

    def objective(network: torch.nn.Module, batch: Batch) -> Tensor:
        return (network(batch.input) - batch.target).square().mean()

    def validate(network: torch.nn.Module) -> float:
        return float(objective(network, Batch(rows[:5], rows[:5])))

    torch.manual_seed(0)
    layers = torch.nn.Linear(6, 4), torch.nn.Tanh(), torch.nn.Dropout(0.3), torch.nn.Linear(4, 6)
    network = torch.nn.Sequential(*layers)
    trainer = Trainer(
        epochs=4, lr=0.01, schedule="cosine", decay=0.01, ema=0.9, device="cpu", seed=3,
        fingerprint={"data": "toy"}, **settings,
    )  # fmt: skip
    return network, trainer.fit(network, RowBatches(rows, batch_size=8), objective, validate)


def test_a_checkpoint_of_an_earlier_version_resumes(tmp_path: Path) -> None:
    """`earlier_checkpoint.bin` was written before fingerprints had that name, by this training, stopped after five of
    its twelve steps. It resumes, and ends where the training without a stop ends."""
    path = tmp_path / "c"
    path.write_bytes(EARLIER.read_bytes())
    (resumed, history), (whole, expected) = small_training(checkpoint=path, resume=True), small_training()
    assert history.best_epoch == expected.best_epoch
    for ours, theirs in zip(history.records, expected.records, strict=True):
        assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-5)  # not equal: another processor wrote the file
        assert ours["validation"] == pytest.approx(theirs["validation"], rel=1e-5)
    for a, b in zip(resumed.parameters(), whole.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def test_a_checkpoint_of_an_earlier_version_is_refused_for_other_data(tmp_path: Path) -> None:
    """Its fingerprint is still compared: with other data it is refused by the name of what differs."""
    path = tmp_path / "c"
    path.write_bytes(EARLIER.read_bytes())
    trainer = Trainer(epochs=4, device="cpu", checkpoint=path, resume=True, fingerprint={"data": "other"})
    rows = torch.zeros(20, 6)
    with pytest.raises(ModelFileError, match="data toy, and now it is other"):
        trainer.fit(torch.nn.Linear(6, 6), RowBatches(rows, batch_size=8), lambda m, b: m(b.input).mean())


@pytest.mark.parametrize(
    ("part", "value", "message"),
    [
        ("step", 99, "step is not from 0"),
        ("order", torch.zeros(23, dtype=torch.int64), "an example twice"),
        ("order", torch.arange(5), "order of the examples"),
        ("random", {"cpu": torch.zeros(7, dtype=torch.uint8)}, "random state"),
        ("optimizer", {"state": {}, "param_groups": []}, "groups of parameters"),
        ("history", {"records": [], "best_epoch": 9, "stopped_early": False}, "history"),
        ("best", {}, "best weights"),
        ("order", None, "step is not from 0 to"),
        ("last", 10**9, "last epoch"),
        ("last", "3", "last epoch"),
    ],
)
def test_a_forged_state_is_refused_by_its_part(
    part: str, value: Any, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A checkpoint with right checksums and a state that no training has: the error names the file and the part."""
    path = tmp_path / "c"
    with monkeypatch.context() as patch:
        StopAt(patch, 2)
        with pytest.raises(TrainingInterrupted):
            model().fit(ratings(), checkpoint=path)
    arrays, content = read_file(path, "checkpoint")
    state = unpack(arrays, content["state"])
    packed, twin = pack({**state, part: value})
    write_file(path, "checkpoint", packed, {**content, "state": twin})
    with pytest.raises(ModelFileError, match=rf"{path.name}: .*{message}"):
        model().fit(ratings(), checkpoint=path, resume=True)


def test_a_forged_optimizer_s_tensor_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A running mean that is shorter than its weight would be read beyond its end by the kernel: it is refused."""
    path = tmp_path / "c"
    with monkeypatch.context() as patch:
        StopAt(patch, 2)
        with pytest.raises(TrainingInterrupted):
            model().fit(ratings(), checkpoint=path)
    arrays, content = read_file(path, "checkpoint")
    state = unpack(arrays, content["state"])
    first = next(iter(state["optimizer"]["state"].values()))
    first["exp_avg"] = first["exp_avg"].reshape(-1)[:1]
    packed, twin = pack(state)
    write_file(path, "checkpoint", packed, {**content, "state": twin})
    with pytest.raises(ModelFileError, match="exp_avg of the optimiser is not of type"):
        model().fit(ratings(), checkpoint=path, resume=True)
