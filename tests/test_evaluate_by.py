"""`evaluate(..., by=...)`: groups of users and of items, each with figures of its own."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from evaluation_toys import Ranker, Rater, ratings_of

from recae import evaluate
from recae.errors import ParameterError
from recae.evaluation.by_group import _by_number
from recae.ratings import RatingMatrix
from recae.splitting import split


def with_tables(ratings: RatingMatrix) -> RatingMatrix:
    """Users who are F, M or of unknown gender, with ages; items with one or two genres."""
    users = pd.DataFrame(
        {"gender": (["F", "M", "M", None] * ratings.n_users)[: ratings.n_users], "age": np.arange(ratings.n_users)},
        index=ratings.user_ids,
    )
    genres = (["Drama", "Drama|Comedy", "Comedy"] * ratings.n_items)[: ratings.n_items]
    items = pd.DataFrame({"genres": genres}, index=ratings.item_ids)
    return replace(ratings, user_table=users, item_table=items, _cache={})


PARTS = split(with_tables(ratings_of()), "random", test=0.3, rng=0)


def test_a_group_of_users_has_the_figures_of_its_ratings() -> None:
    """RMSE of each gender is that of a test of its users alone; ratings add up; nobody is lost."""
    model = Rater(PARTS.train)
    report = evaluate(model, PARTS, "rmse", by="gender")
    assert report.by == "gender"
    assert list(report.parts) == ["M", "F", "(unknown)"]
    users, _, _ = PARTS.test.pairs()
    gender = PARTS.test.user_table["gender"].to_numpy()
    for name, part in report.parts.items():
        keep = pd.isna(gender[users]) if name == "(unknown)" else gender[users] == name
        alone = evaluate(model, PARTS.test.select(np.asarray(keep, bool)), "rmse")
        assert part["rmse"] == pytest.approx(alone["rmse"])
        assert part.interval("rmse") == pytest.approx(alone.interval("rmse"))
        assert part.counts["n_ratings"] == keep.sum()
    assert sum(part.counts["n_ratings"] for part in report.parts.values()) == report.counts["n_ratings"]


def test_an_item_of_two_genres_is_in_both() -> None:
    """Films that are drama and comedy count in each; other figures do not change."""
    model = Rater(PARTS.train)
    report = evaluate(model, PARTS, ["mae", "rmse"], by="genres")
    assert set(report.parts) == {"Drama", "Comedy"}
    assert sum(part.counts["n_ratings"] for part in report.parts.values()) > report.counts["n_ratings"]
    assert dict(report) == dict(evaluate(model, PARTS, ["mae", "rmse"]))


def test_a_column_of_lists_is_read_like_texts() -> None:
    """Genres as lists, none of them, or missing, give the groups of texts with "|" between, "" and missing."""
    texts = (["Drama", "Drama|Comedy", "", None] * PARTS.train.n_items)[: PARTS.train.n_items]
    lists = [None if text is None else [one for one in text.split("|") if one] for text in texts]
    found = []
    for genres in (texts, lists):
        items = pd.DataFrame({"genres": pd.Series(genres, dtype=object).to_numpy()}, index=PARTS.train.item_ids)
        test = replace(PARTS.test, item_table=items, _cache={})
        found.append(evaluate(Rater(PARTS.train), test, "rmse", by="genres").parts)
    assert list(found[0]) == list(found[1])
    assert set(found[0]) == {"Drama", "Comedy", "(unknown)"}
    assert [dict(part) for part in found[0].values()] == [dict(part) for part in found[1].values()]


def test_lists_for_a_group_of_items_have_its_items_to_find() -> None:
    """Hits of the popularity groups add up to the hits of all: the lists are the same, the items to find are parted."""
    model = Ranker(PARTS.train)
    report = evaluate(model, PARTS, "precision@5", by="popularity")

    def hits(one: object) -> float:
        column = one.per_user["precision@5"]  # type: ignore[attr-defined]
        return float(column.sum() * 5)

    assert 2 <= len(report.parts) <= 4
    assert sum(hits(part) for part in report.parts.values()) == pytest.approx(hits(report))
    assert hits(report) > 0


def test_groups_without_anything_to_find_are_left_out() -> None:
    """Where only men gave 5, lists that are to hold these are measured of men alone; errors of both."""
    parts = split(with_tables(ratings_of()), "random", test=0.3, rng=0)
    users, _, stars = parts.test.pairs()
    gender = parts.test.user_table["gender"].to_numpy()  # type: ignore[index]
    test = parts.test.select((stars < 5) | (gender[users] == "M"))
    report = evaluate(Ranker(parts.train), test, "recall@5", by="gender", relevant_from=5)
    assert list(report.parts) == ["M"]
    assert set(evaluate(Rater(parts.train), test, "rmse", by="gender").parts) == {"M", "F", "(unknown)"}


def test_numbers_are_cut_into_quarters_of_the_ratings() -> None:
    """Ages, and training ratings of users, give four groups in rising order that share the test ratings evenly."""
    model = Rater(PARTS.train)
    for by, unit in (("age", ""), ("activity", " ratings")):
        report = evaluate(model, PARTS, "rmse", by=by)
        sizes = [part.counts["n_ratings"] for part in report.parts.values()]
        assert len(sizes) == 4
        assert sum(sizes) == report.counts["n_ratings"]
        assert max(sizes) < 0.45 * sum(sizes)
        assert all(name.endswith(unit) for name in report.parts)
        firsts = [float(name.split()[0]) for name in report.parts]
        assert firsts == sorted(firsts)


def test_a_number_that_many_have_is_a_group_of_its_own() -> None:
    """Half of the ratings have the lowest number: it is not put together with the next; unknown ones come last."""
    values = np.repeat([1.0, 2.0, 3.0, 9.0, np.nan], [5, 2, 1, 2, 1])
    groups = _by_number(values, "ratings")
    assert {name: int(keep.sum()) for name, keep in groups.items()} == {
        "1 ratings": 5, "2 to 3 ratings": 3, "9 ratings": 2, "(unknown)": 1
    }  # fmt: skip
    assert {name: int(keep.sum()) for name, keep in _by_number(np.full(4, 7), "").items()} == {"7": 4}
    assert {name: int(keep.sum()) for name, keep in _by_number(np.full(4, np.nan), "").items()} == {"(unknown)": 4}


def test_groups_are_printed_and_kept() -> None:
    """The text has a line a group, the dictionary and the frame the same figures."""
    report = evaluate(Rater(PARTS.train), PARTS, "rmse", by="gender")
    text = str(report)
    assert "gender" in text
    assert f"{report.parts['F']['rmse']:.4f}" in text
    assert json.loads(report.to_json())["parts"]["F"]["rmse"] == report.parts["F"]["rmse"]
    frame = report.by_frame()
    assert frame.loc[("F", "rmse"), "value"] == report.parts["F"]["rmse"]
    assert frame.loc[("M", "rmse"), "n_users"] == report.parts["M"].counts["n_users"]
    assert evaluate(Rater(PARTS.train), PARTS, "rmse").by_frame().empty


def test_a_column_that_is_not_there_is_refused_with_those_that_are() -> None:
    """The error names activity, popularity and the columns of both tables."""
    with pytest.raises(ParameterError, match=r"'colour'.*activity.*popularity.*age.*gender.*genres"):
        evaluate(Rater(PARTS.train), PARTS, "rmse", by="colour")


def test_the_command_measures_groups(tmp_path: pytest.TempPathFactory) -> None:
    """`recae evaluate --by favourite` prints a line a group, and --json holds them."""
    import recae
    from recae.cli import recae as cli

    sample = recae.load("sample")
    model = recae.make_model("bias").fit(sample)
    path = f"{tmp_path}/m.recae"
    model.save(path)
    shown = CliRunner().invoke(cli, ["evaluate", path, "sample", "--by", "favourite"])
    assert shown.exit_code == 0, shown.output
    assert "Horror" in shown.stdout
    read = json.loads(CliRunner().invoke(cli, ["evaluate", path, "sample", "--by", "favourite", "--json"]).stdout)
    assert sum(part["n_ratings"] for part in read["parts"].values()) == sample.n_ratings
