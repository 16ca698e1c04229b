"""Leagues: figures of models that learn from different things stand in different tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from test_resume import ratings

import recae
from benchmarks.accuracy import fits as accuracy
from benchmarks.pages import figures_page, ratings_page
from recae.comparison.leagues import LEAGUES, league_of
from recae.models import MODELS, Bias, Blend


def row(name: str, league: str, rmse: float, runs: int = 5) -> dict[str, Any]:
    return {
        "row": name, "model": "bias", "league": league, "protocol": "random-90/10", "rmse": rmse,
        "half_interval": 0.002, "mae": 0.6, "published": None, "bar": None, "seconds": 3.0, "peak_mb": 900.0,
        "title": f"The {name}",
        "fits": [{"rmse": rmse, "mae": 0.6, "seed": s, "seconds": 3.0} for s in range(runs)],
    }  # fmt: skip


def test_every_rating_model_is_in_a_league() -> None:
    """By its class and settings; a blend is in a league of its own, also of one model's several fits."""
    for name, entry in MODELS.items():
        assert (league_of(entry.make()) == "blends") == (name in {"blend", "ranking-blend"})
        assert league_of(entry.make()) in LEAGUES
    assert league_of(Bias()) == "ratings"
    assert league_of(Blend(members=("bias",), seeds=3)) == "blends"


@pytest.mark.parametrize(("taken", "league"), [("hybrid", "side"), ("ranking-blend", "blends"), ("recency", "order")])
def test_what_auto_took_says_its_league(taken: str, league: str) -> None:
    """A fitted `auto` is compared with models that learn from what its own one does."""
    model = recae.Auto()
    model._take(recae.make_model(taken))
    assert league_of(model) == league


def test_tables_keep_leagues_apart() -> None:
    """Each league has a table with its name in the head and none of another's rows; a single league needs no name."""
    rows = [row("plain", "ratings", 0.83), row("mix", "blends", 0.81), row("dated", "dates", 0.82)]
    for made in (figures_page.accuracy_1m({"rows": rows}), ratings_page.ml_1m({"rows": rows})):
        parts = [part for part in made.split("\n\n") if part.startswith("|")]
        assert len(parts) == 3
        for part, league, name in zip(parts, ("ratings", "dates", "blends"), ("plain", "dated", "mix")):
            assert LEAGUES[league] in part.splitlines()[0] or league == "ratings"
            assert [f"The {other}" in part for other in ("plain", "dated", "mix")].count(True) == 1
            assert f"The {name}" in part
    assert "ratings only" not in figures_page.accuracy_1m({"rows": rows[:1]})


def test_few_runs_are_said_to_be_few() -> None:
    """A row of one run has no interval, and one of three says so."""
    assert "± " not in ratings_page.ml_1m({"rows": [row("plain", "ratings", 0.83, 1)]})
    assert "3 splits" in ratings_page.ml_1m({"rows": [row("plain", "ratings", 0.83, 3)]})
    assert "3 splits" in figures_page.accuracy_1m({"rows": [row("plain", "ratings", 0.83, 3)]})


def test_the_rows_of_the_tables_have_leagues() -> None:
    """Every row of the accuracy tables' settings is in a league, which is its model's unless it says otherwise."""
    for dataset in ("ml-1m", "ml-100k", "ml-10m", "ml-20m"):
        for settings in accuracy.rows_of(dataset).values():
            assert accuracy.league_of(settings) in LEAGUES
    assert accuracy.league_of({"model": "bias", "league": "side"}) == "side"


def test_a_rehearsal_has_the_shape_of_the_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Generated ratings of a shape are split and fitted as the set itself is, with the set's rows."""
    monkeypatch.setattr(accuracy, "SHAPES", {"ml-20m": (60, 25, 400)})
    train, test, _ = accuracy.parts("ml-20m-drawn", "random-90/10", 0)
    assert train.shape == (60, 25)
    assert 0 < test.n_ratings < train.n_ratings <= 400
    found = accuracy.one_fit("ml-20m-drawn", accuracy.rows_of("ml-20m-drawn")["bias"], 0)
    assert found["n_train"] == train.n_ratings
    assert found["peak_mb"] > 0


def test_a_blend_of_kept_predictions_is_the_blend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Made from what its members' runs have kept, a row's figures are the model's; not of other settings."""
    rows: dict[str, dict[str, Any]] = {
        "one": {"model": "bias"}, "two": {"model": "biased-mf", "params": {"factors": 3}},
        "both": {"model": "blend", "of": ["one", "two"], "weights": [0.7, 0.2]},
    }  # fmt: skip
    monkeypatch.setattr(accuracy, "rows_of", lambda _: rows)
    monkeypatch.setattr(recae, "load", lambda _: ratings())
    monkeypatch.setattr("benchmarks.accuracy.saved_predictions.FOLDER", tmp_path)
    fitted = accuracy.one_fit("ml-1m", rows["both"], 3)
    assert "from_kept_predictions" not in fitted
    for name in ("one", "two"):
        accuracy.one_fit("ml-1m", rows[name], 3, name)
    summed = accuracy.one_fit("ml-1m", rows["both"], 3)
    assert summed["from_kept_predictions"]
    assert summed["rmse"] == pytest.approx(fitted["rmse"], abs=1e-6)
    assert summed["mae"] == pytest.approx(fitted["mae"], abs=1e-6)
    rows["two"] = {"model": "biased-mf", "params": {"factors": 4}}
    assert "from_kept_predictions" not in accuracy.one_fit("ml-1m", rows["both"], 3)


def test_comparing_across_leagues_says_so() -> None:
    """A comparison of several leagues has a column for them; of one, none."""
    one = recae.compare(ratings(), ["bias", "global-mean"], "random")
    assert "league" not in one.to_frame()
    two = recae.compare(ratings(), {"bias": "bias", "mean of two": Blend(members=("bias", "global-mean"))}, "random")
    assert set(two.to_frame()["league"]) == {"ratings", "blends"}
    assert "blends" in str(two)
