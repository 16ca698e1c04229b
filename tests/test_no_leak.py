"""No rating of a test part reaches training, tuning or early stopping.

The test part is poisoned: each of its ratings r becomes 6 - r. Whatever was fitted must be the same bit for bit, and
only the final figure another. This is asked of every rating model there is, on every way from ratings to a figure.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_helpers import parsed
from contract import brief, ratings
from safetensors.numpy import load_file

import recae
from benchmarks.accuracy.fits import one_fit
from recae.models import MODELS, Recommender
from recae.ratings import RatingMatrix
from recae.recommender.params import declared
from recae.splitting import Split

RATING = [name for name in MODELS if MODELS[name].model_class.predicts_ratings]
each = pytest.mark.parametrize("name", RATING)
SHARE, SEED = 0.2, 0


def quick(name: str) -> Recommender:
    """Small settings, and few epochs: what is learnt does not matter here, but where it comes from."""
    return brief(name, 4)


def poisoned(whole: RatingMatrix, test: RatingMatrix) -> RatingMatrix:
    """`whole` with the ratings of `test` replaced by 6 minus the rating, in the same entries."""
    index_of = {pair: index for index, pair in enumerate(zip(*map(np.ndarray.tolist, whole.pairs()[:2])))}
    values = whole.user_rows.data.copy()
    for user, item in zip(*test.pairs()[:2]):
        index = index_of[int(user), int(item)]
        values[index] = 6 - values[index]
    rows = whole.user_rows.copy()
    rows.data = values
    return whole.with_rows(rows, whole.timestamps)


def both() -> tuple[RatingMatrix, RatingMatrix]:
    """Clean ratings, and the same with a poisoned test part; one seed splits both alike."""
    clean = ratings()
    dirty = poisoned(clean, recae.split(clean, "random", test=SHARE, rng=SEED).test)
    one, other = (recae.split(r, "random", test=SHARE, rng=SEED) for r in (clean, dirty))
    np.testing.assert_array_equal(one.train.user_rows.data, other.train.user_rows.data)
    np.testing.assert_array_equal(one.test.user_rows.data, 6 - other.test.user_rows.data)
    return clean, dirty


class Witness:
    """Sees every model that is fitted, whoever fits it, as its scores of all users."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seen: list[bytes] = []
        fit = Recommender.fit

        def watched(model: Recommender, *args: Any, **kwargs: Any) -> Recommender:
            fit(model, *args, **kwargs)
            self.seen.append(model.score_users(np.arange(model.ratings_.n_users)).tobytes())
            return model

        monkeypatch.setattr(Recommender, "fit", watched)

    def taken(self) -> list[bytes]:
        """What was seen since the last time: never nothing, or this would prove nothing."""
        seen, self.seen = self.seen, []
        assert seen
        return seen


def test_the_witness_sees_poison_where_it_does_reach_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fitted on all ratings, test part included, every rating model is another: the tests below can fail."""
    witness = Witness(monkeypatch)
    for name in RATING:
        seen = []
        for data in both():
            quick(name).fit(data)
            seen.append(witness.taken())
        assert seen[0] != seen[1], name


@each
def test_fitting_and_early_stopping(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """fit with a validation part taken from train: the same model to the last bit, the same history; another figure."""
    witness, seen, figures, histories = Witness(monkeypatch), [], [], []
    for data in both():
        split = recae.split(data, "random", test=SHARE, validation=0.2, rng=SEED)
        model = quick(name).fit(split.train, split.validation)
        seen.append(witness.taken())
        history = getattr(model, "history_", None)
        histories.append(None if history is None else [r["validation"] for r in history.records])
        figures.append(recae.evaluate(model, split)["rmse"])
    assert seen[0] == seen[1]
    assert histories[0] == histories[1]
    assert figures[0] != figures[1]


@each
def test_tuning(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """recae.tune on the train part: the same trials, figures, curves and settings."""
    witness, seen, logs = Witness(monkeypatch), [], []
    space = None if any(p.tune is not None for p in declared(MODELS[name].model_class)) else {"rng": (0, 9)}
    if not declared(MODELS[name].model_class):
        pytest.skip("it has no hyper-parameter to tune")
    for data in both():
        train = recae.split(data, "random", test=SHARE, rng=SEED).train
        found = recae.tune(quick(name), train, space, 3, validation=0.2)
        seen.append(witness.taken())
        logs.append([(t["value"], t["settings"], t["curve"]) for t in found.trials])
    assert seen[0] == seen[1]
    assert logs[0] == logs[1]


def test_comparing(monkeypatch: pytest.MonkeyPatch) -> None:
    """recae.compare on poisoned values, and on a test part of other pairs: the same models; other figures."""
    witness, seen, tables = Witness(monkeypatch), [], []
    clean, dirty = both()
    models = {name: quick(name) for name in RATING}
    whole = recae.split(clean, "random", test=SHARE, rng=SEED)
    half = whole.test.select(np.arange(whole.test.n_ratings) % 2 == 0)
    for given in (clean, dirty, Split(whole.train, half, how="random")):
        found = recae.compare(given, models, "random", ["rmse"], **_split(given))
        assert not found.failed
        seen.append(witness.taken())
        tables.append({row["model"]: row["rmse"] for row in found.rows})
    assert seen[0] == seen[1] == seen[2]
    for name in RATING:
        assert len({table[name] for table in tables}) == 3, name


def _split(given: Any) -> dict[str, Any]:
    return {} if isinstance(given, Split) else {"test": SHARE, "rng": SEED}


@each
def test_the_protocol_of_the_accuracy_tables(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """benchmarks.accuracy fits the same model whatever the test part holds, and reports another figure."""
    witness, seen, figures = Witness(monkeypatch), [], []
    clean = ratings()
    dirty = poisoned(clean, recae.split(clean, "random", test=0.1, rng=SEED).test)
    row = {"model": name, "params": {k: v for k, v in quick(name).get_params().items() if k != "rng"}}
    for data in (clean, dirty):
        monkeypatch.setattr(recae, "load", lambda _, data=data: data)
        figures.append(one_fit("ml-1m", row, SEED)["rmse"])
        seen.append(witness.taken())
    assert seen[0] == seen[1]
    assert figures[0] != figures[1]


def test_choosing_settings_for_the_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    """benchmarks.choose measures candidates on train only: with a poisoned test part its log is the same."""
    from benchmarks.accuracy import choose

    clean = ratings()
    dirty = poisoned(clean, recae.split(clean, "random", test=0.1, rng=0).test)
    logs: list[Any] = []
    row = {"model": "i-autorec", "params": {"hidden": 4, "epochs": 3}, "vary": {"l2": [1.0, 9.0]}}
    monkeypatch.setattr(choose, "read_config", lambda _: {"row": row})
    monkeypatch.setattr(choose, "write", lambda _, found: logs.append(found["log"]))
    for data in (clean, dirty):
        monkeypatch.setattr(recae, "load", lambda _, data=data: data)
        choose.main.callback("ml-1m", "row")
    one, other = logs[len(logs) // 2 - 1], logs[-1]
    assert [{**e, "seconds": 0} for e in one] == [{**e, "seconds": 0} for e in other]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The clean ratings and the poisoned ones as csv: what the command line splits with seed 0 and --test 0.2."""
    folder, clean = tmp_path_factory.mktemp("csv"), ratings()
    first = folder / "clean.csv"
    clean.to_frame().to_csv(first, index=False)
    as_read = recae.load(first, scale=(1.0, 5.0))
    dirty = poisoned(as_read, recae.split(as_read, "random", test=SHARE, rng=SEED).test)
    dirty.to_frame().to_csv(folder / "dirty.csv", index=False)
    return [first, folder / "dirty.csv"]


def test_the_command_line_trains_on_train(files: list[Path], tmp_path: Path) -> None:
    """recae train of both files: every array of the two model files is the same, the figure is not."""
    found, arrays = [], []
    for index, file in enumerate(files):
        out = tmp_path / f"{index}.recae"
        args = ("--hidden", "4", "--epochs", "5", "--validation", "0.2", "--test", SHARE, "--scale", "1", "5")
        found.append(parsed("train", file, *args, "--out", out))
        arrays.append(load_file(out))
    assert found[0]["rmse"] != found[1]["rmse"]
    assert found[0]["validation_rmse"] == found[1]["validation_rmse"]
    assert arrays[0].keys() == arrays[1].keys()
    for key in arrays[0]:
        np.testing.assert_array_equal(arrays[0][key], arrays[1][key])


def test_the_command_line_tunes_on_train(files: list[Path], tmp_path: Path) -> None:
    """recae tune of both files: the same trials with the same figures, and the same settings file."""
    logs, texts = [], []
    for index, file in enumerate(files):
        out = tmp_path / f"{index}.toml"
        args = ("--hidden", "4", "--try", "l2=0.1:9:log", "--epochs", "4", "--budget", "4", "--test", SHARE)
        found = parsed("tune", file, *args, "--scale", "1", "5", "--out", out)
        for trial in found["trials"]:
            del trial["seconds"]
        logs.append(json.dumps(found["trials"]))
        texts.append(out.read_text().replace("dirty", "clean"))
    assert logs[0] == logs[1]
    assert texts[0] == texts[1]
