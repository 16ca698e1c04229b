"""Hyper-parameters: declared once, redeclared by only their default, ordered, and shown in docstrings."""

from __future__ import annotations

import ast
import inspect
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from contract import FILMS, USERS, ratings, small

import recae
from recae.datasets.sample import sample
from recae.errors import ParameterError
from recae.loaders import load
from recae.models import MODELS, load_model, make_model
from recae.recommender.epochs import TrainedInEpochs
from recae.recommender.params import Parameters, declared, default, hyperparameters, learned, param

ROOT = Path(__file__).parents[1]


@hyperparameters
class Parent(Parameters):
    """Two hyper-parameters.

    More about it.
    """

    rate: float = param(0.1, "learning rate", low=0, tune=(0.01, 1.0, "log"))
    kind: str = param("a", "which kind", choices=("a", "b"))
    found_: int = learned()


@hyperparameters
class Child(Parent):
    """One more."""

    rate: float = default(0.5)
    kind: str = default("b", choices=("b", "c"))
    width: int = param(3, "width", low=1)


def test_a_redeclared_default_keeps_everything_else() -> None:
    """Meaning, bounds and search range are the base class's, but for what is named; the base class stays as it was."""
    rate, kind = (next(p for p in declared(Child) if p.name == name) for name in ("rate", "kind"))
    assert (rate.default, rate.help, rate.low, rate.tune) == (0.5, "learning rate", 0, (0.01, 1.0, "log"))
    assert (kind.default, kind.help, kind.choices) == ("b", "which kind", ("b", "c"))
    assert Child().rate == 0.5
    assert [p.default for p in declared(Parent)] == [0.1, "a"]


def test_a_default_of_nothing_is_refused() -> None:
    """`default` for a name that no base class declares is a mistake of the author, and says so."""
    with pytest.raises(TypeError, match=r"Lost\.rat: no base class declares it"):

        @hyperparameters
        class Lost(Parent):
            rat: float = default(1.0)


def test_the_own_ones_come_first() -> None:
    """What a class declares stands before what its base classes do, in lists, `get_params` and docstrings."""
    assert [p.name for p in declared(Child)] == list(Child().get_params()) == ["width", "rate", "kind"]
    assert repr(Child(kind="c", width=4)) == "Child(width=4, kind='c')"


def test_docstrings_show_what_is_declared() -> None:
    """help(class) has the author's text, then meaning, default and allowed values of each, own and inherited."""
    assert inspect.getdoc(Child) == (
        "One more.\n\nHyper-parameters:\n    width: width. Default 3; at least 1.\n"
        "    rate: learning rate. Default 0.5; at least 0.\n    kind: which kind. Default 'b'; one of 'b', 'c'."
    )
    text = inspect.getdoc(Parent) or ""
    assert text.startswith("Two hyper-parameters.\n\nMore about it.\n\nHyper-parameters:\n    rate: ")
    assert list(inspect.signature(Child).parameters) == ["rate", "kind", "width"]


@pytest.mark.parametrize("name", MODELS)
def test_every_model_documents_its_own(name: str) -> None:
    """Each hyper-parameter of each model is a line of its docstring; those of training come last."""
    text, params = inspect.getdoc(MODELS[name].model_class) or "", declared(MODELS[name].model_class)
    for p in params:
        assert f"\n    {p.name}: {p.help.split()[0]}" in text
    if issubclass(MODELS[name].model_class, TrainedInEpochs):
        assert [p.name for p in params[-4:]] == ["epochs", "patience", "device", "rng"]


def test_meanings_are_written_once() -> None:
    """Hardly a text about a hyper-parameter stands twice in the package: what is shared is inherited."""
    texts: Counter[str] = Counter()
    for path in (ROOT / "recae").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "param" and len(node.args) > 1:
                texts[ast.unparse(node.args[1])] += 1
    assert texts.total() > 100
    assert len(repeated := [text for text, n in texts.items() if n > 1]) <= 9, repeated


def test_what_is_served_so_many_times_has_a_highest_value() -> None:
    """Beyond it a model is neither fitted nor read: a number in a file cannot make a list take hours."""
    model = make_model("bpr", iterations=10_001)
    with pytest.raises(ParameterError, match="iterations=10001: expected at most 10000"):
        model.fit(load("sample"))
    assert "at most 10000" in str(type(model).__doc__)


# ---------------------------------------------------------------- seeds


SEEDED = [name for name, entry in MODELS.items() if "rng" in entry.make().get_params()]


@pytest.mark.parametrize("name", SEEDED)
def test_seeds_begin_at_0(name: str) -> None:
    """A seed below 0 is refused by name before training, by every model that has one."""
    with pytest.raises(ParameterError, match=r"rng=-1.*at least 0"):
        small(name).set_params(rng=-1).fit(ratings())


@pytest.mark.parametrize("name", ["session-rnn", "spectral", "pca", "als", "bpr", "biased-mf", "mult-vae", "blend"])
def test_large_seeds_are_seeds(name: str) -> None:
    """The largest seed, which scikit-learn does not take, is one like any other."""
    model = small(name).set_params(rng=2**63 - 1).fit(ratings(), progress=False)
    assert np.isfinite(model.recommend(USERS[0], n=3)["score"]).all()


def test_a_file_may_hold_a_seed_below_0(tmp_path: Path) -> None:
    """A model that was fitted with one before they were refused is read, and answers; a new fit is refused."""
    model = small("i-autorec").fit(ratings(), progress=False)
    loaded = load_model(model.set_params(rng=-1).save(tmp_path / "m"))
    np.testing.assert_array_equal(loaded.predict(USERS, FILMS[2]), model.predict(USERS, FILMS[2]))
    with pytest.raises(ParameterError, match=r"rng=-1.*at least 0"):
        loaded.fit(ratings())


@pytest.mark.parametrize("bad", [-1, "x", 1.5])
def test_functions_refuse_what_is_no_seed(bad: Any) -> None:
    """Splits, searches, comparisons and the sample name `rng` where it is neither a seed nor a generator."""
    data: Any = ratings()
    for ask in (
        lambda: recae.split(data, "random", rng=bad), lambda: recae.splitting.take_validation(data, 0.1, bad),
        lambda: next(recae.splitting.k_folds(data, rng=bad)), lambda: recae.tune("ease", data, rng=bad),
        lambda: recae.compare(data, ["popularity"], rng=bad), lambda: recae.compare(data, ["popularity"], rng=[0, bad]),
        lambda: sample(rng=bad),
    ):  # fmt: skip
        with pytest.raises(ParameterError, match=f"rng={bad!r}"):
            ask()
