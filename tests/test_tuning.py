"""The search for settings: what it is told, what it keeps, that it resumes exactly, and that files bring it back."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from test_resume import ratings

import recae
from recae.errors import DataError, MissingExtraError, ModelFileError, ParameterError
from recae.models import EASE, AutoRec, Bias, Blend, GlobalMean
from recae.settings import load_settings, read_settings, write_settings
from recae.splitting import Split, take_validation
from recae.tuning import Tuning, tune
from recae.tuning.budget import Budget
from recae.tuning.search import ReleasedAtOnce
from recae.tuning.trial import with_settings

SPACE: dict[str, Any] = {"l2": (0.1, 50.0, "log"), "lr": (1e-3, 0.1, "log"), "hidden": [2, (4, 2, 4)], "epochs": (2, 6)}


def small(**more: Any) -> AutoRec:
    return AutoRec(**{"hidden": 4, "epochs": 3, "batch_size": 8, "l2": 1.0, "device": "cpu", **more})


def of(found: Tuning) -> list[tuple[Any, ...]]:
    """All of a search but its seconds."""
    return [(t["state"], t["value"], t["settings"], t["curve"]) for t in found.trials]


@pytest.fixture(scope="module")
def found() -> Tuning:
    """Twelve trials in one go."""
    return tune(small(), ratings(), SPACE, 12, rng=2)


def test_the_best_trial_is_what_comes_out(found: Tuning) -> None:
    """Twelve trials within their ranges; the result is the lowest of those that ended; the table begins with it."""
    assert len(found.trials) == 12
    for trial in found.trials:
        assert 0.1 <= trial["settings"]["l2"] <= 50
        assert trial["settings"]["hidden"] in (2, [4, 2, 4])
        assert isinstance(trial["settings"]["epochs"], int)
        assert (trial["value"] is None) == (trial["state"] == "pruned")
    ended = [t for t in found.trials if t["value"] is not None]
    assert found.value == min(t["value"] for t in ended)
    assert found.to_frame().iloc[0]["value"] == found.value
    assert found.model().get_params()["l2"] == found.settings["l2"]
    assert found.model().batch_size == 8


def test_the_model_s_own_settings_come_first(found: Tuning) -> None:
    """Trial 0 has what the model was given, where the space holds it: nothing found is worse than that."""
    first = found.trials[0]["settings"]
    assert (first["l2"], first["lr"], first["epochs"]) == (1.0, 2e-3, 3)
    assert found.value <= found.trials[0]["value"]


def test_what_a_model_chooses_by_itself_comes_first() -> None:
    """Trial 0 leaves open what the model leaves open: no search ends below what is there without one."""
    train = recae.split(recae.load("sample"), "random", test=0.1, rng=0).train
    found = tune("ease", train, {"l2": (1.0, 3.0, "log")}, 3)  # far too low
    assert [t["settings"]["l2"] is None for t in found.trials] == [True, False, False]
    assert found.settings == {"l2": None}
    parts = recae.split(train, "held-out-users", test=0.1, rng=0)
    assert found.value == recae.evaluate(EASE().fit(parts.train), parts, "ndcg@100")["ndcg@100"]
    assert found.model().fit(train).chosen_ == EASE().fit(train).chosen_


def test_a_search_that_begins_open_resumes(tmp_path: Path) -> None:
    """Cut short after the trial with open settings, a search goes on as if it had not been."""
    ratings_, space = recae.load("sample"), {"l2": (1.0, 3000.0, "log"), "centre": [False, True]}
    study = tmp_path / "m.study"
    tune("ease", ratings_, space, 1, study=study)
    assert of(tune("ease", ratings_, space, 3, study=study)) == of(tune("ease", ratings_, space, 3))


def test_a_figure_is_what_the_settings_give_on_the_validation_part(found: Tuning) -> None:
    """Fitted by hand on the same part without validation, the best settings give the figure of the network reported."""
    train, validation = take_validation(ratings(), 0.1, 2)
    model = found.model().set_params(patience=None, shrink="never").fit(train)
    assert recae.evaluate(model, validation)["rmse"] == pytest.approx(found.value, abs=1e-6)


def test_a_split_is_measured_on_its_validation_part() -> None:
    """A split with a validation part needs no other; without one, its train part is cut; its test part has no part."""
    parts = recae.split(ratings(), "random", test=0.2, validation=0.2, rng=1)
    assert parts.validation is not None
    by_split = tune(Bias(), parts, {"user_l2": [5.0]}, 1)
    assert by_split.value == recae.evaluate(Bias(user_l2=5.0).fit(parts.train), parts.validation)["rmse"]
    uncut = recae.split(ratings(), "random", test=0.2, rng=1)
    by_train = tune(Bias(), uncut.train, {"user_l2": [5.0]}, 1, rng=3)
    assert tune(Bias(), uncut, {"user_l2": [5.0]}, 1, rng=3).value == by_train.value


def test_held_out_users_of_a_split_are_met_with_what_they_show() -> None:
    """A ranker is measured on the split's validation users, with the ratings that they show."""
    data = recae.load("sample")
    parts = recae.split(data, "held-out-users", test=20, validation=20, rng=1)
    found = tune(EASE(l2=30.0), parts, {"l2": [30.0]}, 1, metric="ndcg@10")
    again = Split(parts.train, parts.validation, test_input=parts.validation_input, how="held-out-users")
    assert found.value == recae.evaluate(EASE(l2=30.0).fit(parts.train), again, "ndcg@10")["ndcg@10"]


@pytest.mark.filterwarnings("ignore::recae.errors.DataWarning")
def test_what_is_bought_again_is_searched_for() -> None:
    """With again=True trials by time are measured on pairs that occur before, too, in lists that name them; a split
    that was made so says it by itself, and where nothing is cut by time it is refused."""
    rows = [(u, i, 1.0, t) for u in range(6) for i in (0, 1) for t in (0, 9)] + [(u, 2 + u, 1.0, 0) for u in range(6)]
    data = recae.load(pd.DataFrame(rows, columns=["user", "item", "rating", "timestamp"]))
    ask: Any = {"space": {"l2": [5.0]}, "budget": 1, "metric": "recall@2"}
    assert tune("ease", data, hide="time", validation="5s", again=True, **ask).value == 1.0
    parts = recae.split(data, "time", test="5s", again=True)
    whole = Split(parts.train, parts.test, parts.test, how="time", settings=parts.settings)
    assert tune("ease", whole, **ask).value == 1.0
    with pytest.raises(DataError, match="again=True"):
        tune("ease", data, hide="time", validation="5s", **ask)
    with pytest.raises(ParameterError, match=r"again=True: .*hide='time'"):
        tune("ease", data, again=True, **ask)
    with pytest.raises(ParameterError, match="the split says it"):
        tune("ease", whole, again=True, **ask)


@pytest.mark.parametrize("after", [0, 1, 7])
def test_cut_short_and_continued_is_as_if_nothing_had_happened(
    after: int, found: Tuning, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped within trial `after`, and continued from the file: the same trials, figures and curves."""
    study, calls = tmp_path / "s", 0
    fit = AutoRec.fit

    def stopping(self: AutoRec, *args: Any, **kwargs: Any) -> AutoRec:
        nonlocal calls
        calls += 1
        if calls == after + 1:
            raise KeyboardInterrupt
        return fit(self, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(AutoRec, "fit", stopping)
        with pytest.raises(KeyboardInterrupt):
            tune(small(), ratings(), SPACE, 12, rng=2, study=study)
    np.random.seed(after)  # noqa: NPY002 - the global state must not matter
    torch.manual_seed(after)
    again = tune(small(), ratings(), SPACE, 12, rng=2, study=study)
    assert of(again) == of(found)
    assert of(tune(small(), ratings(), SPACE, 12, rng=2, study=study)) == of(found)  # nothing is left to do


def test_a_lock_is_let_go_of_in_one_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock's file is never renamed, so that no kill leaves it under another name; at the end it is gone."""
    study, renamed = tmp_path / "s", []
    rename = os.rename
    monkeypatch.setattr(os, "rename", lambda one, other, **more: (renamed.append(one), rename(one, other, **more)))
    tune(small(), ratings(), SPACE, 2, study=study)
    assert [str(one) for one in renamed if str(one).endswith(".lock")] == []
    assert [path.name for path in tmp_path.iterdir()] == ["s"]
    lock = ReleasedAtOnce(None, tmp_path / "s.lock")
    with pytest.raises(RuntimeError, match="did not possess lock"):
        lock.release()


def test_a_study_belongs_to_one_search(tmp_path: Path) -> None:
    """Other ratings, another space, other settings or another seed do not go on with it, and the message says what."""
    study = tmp_path / "s"
    tune(small(), ratings(), SPACE, 1, study=study)
    for change, message in (
        ({"ratings": ratings(5)}, "ratings"), ({"space": {"l2": (1, 2)}}, "space"), ({"rng": 9}, "seed"),
        ({"model": small(hidden=3)}, "settings"), ({"validation": 0.3}, "validation"),
    ):  # fmt: skip
        arguments: dict[str, Any] = {"model": small(), "ratings": ratings(), "space": SPACE, **change}
        with pytest.raises(ParameterError, match=f"begun with {message}"):
            tune(**arguments, budget=2, study=study)


def test_a_study_belongs_to_what_models_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other times are another search where parts are cut by time, or members read them; an older study says less."""
    times = np.arange(len(ratings()))
    data, turned = (replace(ratings(), timestamps=stamps) for stamps in (times, times[::-1]))
    cases: list[tuple[Any, str, bool]] = [
        (Bias(), "ratings", False), (Bias(), "time", True), (Blend(members=("bias", "bias")), "ratings", True),
    ]  # fmt: skip
    for number, (model, hide, read) in enumerate(cases):
        study: dict[str, Any] = {"study": tmp_path / str(number), "hide": hide}
        space: Any = {"user_l2": [5.0]} if isinstance(model, Bias) else {"holdout": [0.2]}
        tune(model, data, space, 1, **study)
        if read:
            with pytest.raises(ParameterError, match="begun with timestamps"):
                tune(model, turned, space, 1, **study)
        else:
            tune(model, turned, space, 1, **study)
    with monkeypatch.context() as patch:
        patch.setattr(Bias, "_reads_beside", lambda *_: {})
        tune(Bias(), data, {"user_l2": [5.0]}, 1, study=tmp_path / "old")
    tune(Bias(), data, {"user_l2": [5.0]}, 1, study=tmp_path / "old")


def test_pruning_gives_up_and_says_so(found: Tuning) -> None:
    """Some trials are given up, none of them before five have ended their way; without pruning none is."""
    whole = tune(small(), ratings(), SPACE, 12, rng=2, prune=False)
    assert [t["state"] for t in whole.trials] == ["complete"] * 12
    states = [t["state"] for t in found.trials]
    assert "pruned" in states
    assert states.index("pruned") >= 5
    assert all("median" in t["reason"] for t in found.trials if t["state"] == "pruned")


def test_what_diverges_is_a_trial_without_a_figure() -> None:
    """A learning rate without sense ends its trial with a reason, not the search; nothing but such is an error."""
    space = {"lr": [1e-2, 1e30]}
    result = tune(small(optimizer="sgd"), ratings(), space, 6, rng=0)
    assert any(t["value"] is None and "learning rate" in t["reason"] for t in result.trials)
    assert result.settings == {"lr": 1e-2}
    with pytest.raises(DataError, match="none of 2 trials"):
        tune(small(optimizer="sgd"), ratings(), {"lr": [1e30, 1e31]}, 2)


def test_rankers_are_searched_on_hidden_users() -> None:
    """EASE is measured by NDCG on users it has not learnt from, and the highest figure wins."""
    result = tune("ease", ratings(), {"l2": (1.0, 1000.0, "log")}, 4, validation=0.3)
    assert result.metric == "ndcg@23"
    assert result.value == max(t["value"] for t in result.trials)
    split = recae.split(ratings(), "held-out-users", test=0.3, rng=0)
    by_hand = EASE(l2=result.settings["l2"]).fit(split.train)
    assert recae.evaluate(by_hand, split, "ndcg@23")["ndcg@23"] == pytest.approx(result.value)


def test_searched_epochs_are_those_that_are_learnt(tmp_path: Path) -> None:
    """A ranker that stops by a part of its own otherwise learns for the epochs of a trial, and so does what is found,
    from a file, too; without epochs in the space, and where `own_part` is given, the own part stays."""
    base = recae.MultDAE(device="cpu", batch_size=20, lr=0.05)
    result = tune(base, ratings(), {"epochs": [1, 7]}, 4, validation=0.3, rng=1)
    split = recae.split(ratings(), "held-out-users", test=0.3, rng=1)
    for epochs in (1, 7):
        values = {t["value"] for t in result.trials if t["settings"]["epochs"] == epochs}
        by_hand = recae.MultDAE(device="cpu", batch_size=20, lr=0.05, own_part=0, epochs=epochs).fit(split.train)
        assert len(by_hand.history_) == epochs
        assert list(values) == [pytest.approx(recae.evaluate(by_hand, split, result.metric)[result.metric])]
    assert len({t["value"] for t in result.trials}) == 2
    model = load_settings(result.save(tmp_path / "found.toml"))
    assert model.get_params() == result.model().get_params()
    assert model.own_part == 0
    kept = [(base, {"lr": 0.1}), (base.clone().set_params(own_part=0.2), {"epochs": 3})]
    assert [with_settings(*one).own_part for one in kept] == [0.1, 0.2]
    assert with_settings(recae.SessionRNN(), {"epochs": 3}).own_part is False
    assert with_settings(small(), {"epochs": 3}).epochs == 3


def test_models_say_where_to_search() -> None:
    """Without a space the declared ranges are taken; a model that declares none asks for one."""
    assert set(tune(Bias(), ratings(), budget=2).settings) == {"user_l2", "item_l2"}
    with pytest.raises(ParameterError, match="declares no search space"):
        tune(GlobalMean(), ratings(), budget=2)
    for model in (GlobalMean(), recae.Popularity(), recae.Auto()):  # no example of a setting that they do not have
        with pytest.raises(ParameterError, match="this one has no number to search for"):
            tune(model, ratings(), budget=2)


@pytest.mark.parametrize(
    "space", [{"l2": (3, 1)}, {"l2": (0, 1, "log")}, {"l2": []}, {"l2": 3}, {"no_such": (1, 2)}, {"l2": ("a", "b")}]
)
def test_spaces_that_mean_nothing_are_refused(space: dict[str, Any]) -> None:
    """The message names the hyper-parameter."""
    with pytest.raises(ParameterError, match=next(iter(space))):
        tune(small(), ratings(), space, 2)


def test_budgets() -> None:
    """A number is trials, a number with a unit is time; time ends a search, but not before its first trial."""
    assert Budget.read(40) == Budget.read("40") == Budget(trials=40)
    assert (Budget.read("90s").seconds, Budget.read("1.5h").seconds) == (90.0, 5400.0)
    for bad in (0, -3, "soon", "1d", "2.5", True):
        with pytest.raises(ParameterError, match="budget="):
            Budget.read(bad)
    assert len(tune(small(), ratings(), SPACE, "0.001s").trials) == 1


def test_settings_go_to_a_file_and_back(found: Tuning, tmp_path: Path) -> None:
    """The file makes the very model that was found, in Python; the log beside it has all trials."""
    path = found.save(tmp_path / "found.toml")
    model = load_settings(path)
    assert model.get_params() == {**found.model().get_params(), "rng": 0}
    assert load_settings(path, epochs=9).get_params()["epochs"] == 9
    log = json.loads((tmp_path / "found.json").read_text())
    assert len(log["trials"]) == 12
    assert (log["model"], log["value"], log["metric"]) == ("i-autorec", found.value, "rmse")


def test_settings_are_not_written_where_the_log_goes(found: Tuning, tmp_path: Path) -> None:
    """A path that ends with .json is refused: the log, which has that name, would replace the settings."""
    with pytest.raises(ParameterError, match=r"path='.*found.json': .*; expected a name such as tuned.toml"):
        found.save(tmp_path / "found.json")
    assert not list(tmp_path.iterdir())


def test_every_kind_of_value_survives_a_settings_file(tmp_path: Path) -> None:
    """None, truth values, tuples, texts with quotes, tiny and huge floats come back as they were."""
    params = {"hidden": (5, 3, 5), "l2": None, "lr": 1e-22, "noise": 0.1, "device": 'a "b" \\ ü', "epochs": 10**6}
    path = write_settings(tmp_path / "s.toml", "u-autorec", params, {"value": 1e300, "nothing": None})
    assert read_settings(path) == ("u-autorec", params)
    assert type(read_settings(path)[1]["lr"]) is float


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("model = ", ModelFileError, "is not TOML"), ("", ParameterError, "model=None: in .*s.toml; choose"),
        ('model = "eaze"', ParameterError, "model='eaze': .*did you mean 'ease'"),
        ('model = "edlae"\n[params]\ndropuot = 1', ParameterError, "no hyper-parameter 'dropuot'.* mean 'dropout'"),
        ('model = "ease"\nparams = 3', ParameterError, "params=3: .*expected a table"),
        ('model = "edlae"\n[params]\nl2 = -1', ParameterError, "l2=-1"),
    ],
)  # fmt: skip
def test_files_that_are_no_settings_are_refused(
    text: str, error: type[Exception], message: str, tmp_path: Path
) -> None:
    """Broken TOML, no model, an unknown one, an unknown or impossible hyper-parameter; and a file that is not there."""
    path = tmp_path / "s.toml"
    path.write_text(text)
    with pytest.raises(error, match=message):
        load_settings(path)
    with pytest.raises(ModelFileError, match="could not be read"):
        load_settings(tmp_path / "none.toml")


def test_without_optuna_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Optuna is not installed, the error says what to install."""
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtraError, match=r"recae\[tune\]"):
        tune(small(), ratings(), SPACE, 1)
