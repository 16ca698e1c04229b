"""Demos on the embedded digits, with very few epochs: that they run, tell, write and mean what they say."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from demo_claims import module_text, strange_numbers, wrong_claims
from sklearn.decomposition import PCA
from sklearn.metrics import silhouette_score

from benchmarks.accuracy.demos import OF_RATINGS, small_figures
from benchmarks.pages.demos_page import SHARED
from recae import demos
from recae.datasets.mnist import Images, small_digits
from recae.datasets.newsgroups import small_corpus
from recae.datasets.sample import sample
from recae.demos import measures
from recae.demos.digits import Digits
from recae.demos.eightbit import bits
from recae.demos.stage import Stage
from recae.errors import DataError, ParameterError
from recae.ratings import RatingMatrix


def few_digits() -> Digits:
    """A third of the embedded digits."""
    whole = small_digits()
    return Digits.of(
        Images(
            whole.train_images[:480], whole.train_labels[:480], whole.test_images[:120], whole.test_labels[:120],
            whole.source,
        )
    )  # fmt: skip


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> tuple[Stage, list[str]]:
    """One stage for all demos, so that they share what they train; and what was said on it."""
    said: list[str] = []
    return (
        Stage(
            out=tmp_path_factory.mktemp("figures"), epochs=2, device="cpu", say=said.append, progress=False,
            _digits=few_digits(), _documents=small_corpus(200, 80), _ratings=sample(160, 120, 5000),
        ),
        said,
    )  # fmt: skip


def play(name: str, where: Stage) -> dict[str, Any]:
    """A demo's record; those of rating models train as long as `benchmarks.accuracy.demos.in_small` says."""
    own = replace(where, epochs=OF_RATINGS[name], _trained={}, _pictures=[]) if name in OF_RATINGS else where
    return demos.run(name, own)


def played(name: str, where: Stage) -> dict[str, Any]:
    """The record of a demo that may have been played on this stage."""
    file = where.out / f"{name}.json"
    return json.loads(file.read_text()) if file.exists() else play(name, where)


@pytest.fixture
def without_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are found and nothing is written as a picture, which takes longer than most networks here."""
    monkeypatch.setattr(Stage, "save", lambda stage, drawn, name: stage._pictures.append(f"{name}.png"))


@pytest.mark.parametrize("name", demos.DEMOS)
def test_a_demo_prints_explains_and_writes(name: str, stage: tuple[Stage, list[str]]) -> None:
    """Every demo gives figures, says what is to be seen, and writes its pictures and a JSON without NaN."""
    where, said = stage
    said.clear()
    record = play(name, where)
    text = "\n".join(said)
    assert demos.DEMOS[name] in text
    assert "To be seen:" in text
    written = json.loads(
        (where.out / f"{name}.json").read_text(), parse_constant=lambda c: pytest.fail(f"JSON has {c}")
    )
    assert written == record
    assert written["figures"]
    assert written["seed"] == 0
    assert written["pictures"]
    for picture in written["pictures"]:
        assert 1000 < (where.out / picture).stat().st_size < 250_000
    looked = module_text(name, record["figures"])
    assert looked in " ".join(text.split())
    assert wrong_claims(name, looked, record["figures"]) == []
    assert strange_numbers(looked, record["figures"]) == []


def test_every_demo_has_its_module_and_its_line_in_the_docs() -> None:
    """The registry, the modules and docs/demos.md name the same demos."""
    page = (Path(__file__).parents[1] / "docs" / "demos.md").read_text()
    for name in demos.DEMOS:
        module = demos.demo(name)
        assert module.__doc__
        assert f"recae demo {name}" in page


def test_an_unknown_demo_is_refused_by_name() -> None:
    """The error names the demos that there are."""
    with pytest.raises(ParameterError, match=r"'paint'.*eightbit"):
        demos.demo("paint")


def test_a_seed_gives_the_same_figures_again(tmp_path: Path, without_pictures: None) -> None:
    """Two stages with one seed find the same; with another seed they do not."""
    found = []
    for seed in (3, 3, 4):
        stage = Stage(out=tmp_path, epochs=20, seed=seed, device="cpu", say=lambda _: None, progress=False)
        found.append(demos.run("eightbit", stage)["figures"])
    assert found[0] == found[1]
    assert found[0] != found[2]


def test_memorising_is_not_learning(tmp_path: Path, without_pictures: None) -> None:
    """At its default the toy learns its number without a fault and gives it back for the complement too; it says so."""
    stage = Stage(out=tmp_path, device="cpu", say=lambda _: None, progress=False)
    figures = demos.run("eightbit", stage)["figures"]
    number, complement = figures["answers"]
    assert (number["number"], number["bits"], number["answer"]) == (39, "00100111", "00100111")
    assert complement["answer"] == number["bits"]
    assert complement["wrong_bits"] == 8
    assert complement["error"] > 0.9
    _is_as_recorded(figures)
    assert "gives it back without a fault" in module_text("eightbit", figures)
    assert "not to read the question" in module_text("eightbit", figures)


def _is_as_recorded(figures: dict[str, Any]) -> None:
    """What the page of demos shows of the toy is what today's code gives, else `benchmarks.demos` is to be run
    again."""
    results = Path(__file__).parents[1] / "benchmarks" / "results" / "demos.json"
    recorded = json.loads(results.read_text())["demos"]["eightbit"]["figures"]
    assert [row["answer"] for row in figures["answers"]] == [row["answer"] for row in recorded["answers"]]
    for name in ("code_spread", "wrong_bits_when_trained_on_all"):
        assert figures[name] == pytest.approx(recorded[name], rel=0.1), name
    errors = [[row["error"] for row in one["answers"]] for one in (figures, recorded)]
    assert errors[0] == pytest.approx(errors[1], abs=0.02)


@pytest.mark.parametrize("name", OF_RATINGS)
def test_the_page_shows_what_todays_rating_models_find(name: str, stage: tuple[Stage, list[str]]) -> None:
    """In small the demo finds what it found when the page's figures were made; where a model has changed since, it does
    not, and `python -m benchmarks.demos --only` that demo is to be run again."""
    results = Path(__file__).parents[1] / "benchmarks" / "results" / "demos.json"
    recorded = json.loads(results.read_text())["demos"][name]["in_small"]
    assert small_figures(name, played(name, stage[0])["figures"]) == pytest.approx(recorded, rel=0.03)


def test_a_demo_that_takes_networks_of_another_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, without_pictures: None
) -> None:
    """Of the image demos, played in their order on one stage, those that use what an earlier one trained are the ones
    of which the page says so."""
    makers: dict[str, str] = {}
    taken: dict[str, set[str]] = {}
    once = Stage.once

    def seen(stage: Stage, what: str, make: Callable[[], Any]) -> Any:
        maker = makers.setdefault(what, playing)
        if maker != playing and not what.startswith("terms"):  # a record of training, no network
            taken.setdefault(playing, set()).add(maker)
        return once(stage, what, make)

    monkeypatch.setattr(Stage, "once", seen)
    stage = Stage(
        out=tmp_path, epochs=1, device="cpu", say=lambda _: None, progress=False, _digits=few_digits(),
        _documents=small_corpus(200, 80), _ratings=sample(160, 120, 5000),
    )  # fmt: skip
    for playing in ("reconstruct", "latent", "depth", "manifold", "generate", "features", "retrieve"):
        demos.run(playing, stage)
    assert set(taken) == set(SHARED)
    assert all(SHARED[name] in earlier for name, earlier in taken.items())


# ------------------------------------------------------------------ enlarging


def test_the_toy_of_numbers_by_hand() -> None:
    """Maxima go back to their places; by hand: 5, 8, 7 and 6 of the written map."""
    from recae.demos.enlarge import toy_maps

    maps = {name: values.tolist() for name, values in toy_maps().items()}
    assert maps["pooled"] == [[5, 8], [7, 6]]
    assert maps["unpooled, 0"] == [[0, 5, 0, 0], [0, 0, 8, 0], [0, 0, 0, 6], [7, 0, 0, 0]]
    assert maps["unpooled, half"][0] == [2.5, 5, 4, 4]
    assert maps["nearest"][3] == [7, 7, 6, 6]


def test_a_transposed_convolution_is_a_convolution_of_the_padded_map() -> None:
    """Both agree on any map that is not square."""
    from recae.demos.enlarge import transposed_twice

    one, other = transposed_twice(torch.rand(3, 5, generator=torch.Generator().manual_seed(0)))
    assert one.shape == (6, 10)
    torch.testing.assert_close(one, other)


def test_checkerboards_are_told_from_pictures() -> None:
    """A board of odd and even pixels is all checkerboard, a slope is none, an even image neither."""
    from recae.demos.enlarge import checkerboard

    rows, columns = np.mgrid[:12, :16]
    assert checkerboard((rows + columns) % 2 * 1.0) == pytest.approx(1)
    assert checkerboard(rows * 1.0) < 0.1
    assert checkerboard(np.zeros((12, 16))) == 0


def test_sessions_says_which_model_is_ahead_and_how_far_the_best_list_is() -> None:
    """The best model, its share of what is to be had, and the hierarchy's place are those of the figures."""
    history = {"films": 5, "weight_of_latest": 0.3, "equal_weight": 0.2}

    def told(none: float, init: float) -> str:
        figures = {"popularity": 0.1, "markov": 0.2, "network, none": none, "network, init": init}
        rows = [{"model": name, "ndcg@20": value} for name, value in figures.items()]
        best = {"model": "the best list there is", "ndcg@20": 0.4}
        return module_text("sessions", {"models": [*rows, best], "history": history})

    learnt, early = told(0.3, 0.2), told(0.1, 0.1)
    assert "the best of the models is network, none with 0.300, 75 % of what is to be had" in learnt
    assert "(init) is below the one that does not" in learnt
    assert "the best of the models is markov with 0.200, 50 %" in early
    assert "(init) is about the same as the one" in early
    assert "of the 5 films of the last session, the latest one has 30 % of attention's weight; 20 %" in early


def test_the_best_list_of_the_sample_is_ahead_of_counts(stage: tuple[Stage, list[str]]) -> None:
    """The truth's own list is clearly ahead of item to item counts, which are ahead of popularity."""
    rows = played("sessions", stage[0])["figures"]["models"]
    of = {one["model"]: one["ndcg@20"] for one in rows}
    assert of["the best list there is"] > 1.2 * of["markov"] > 1.2 * of["popularity"]


# ------------------------------------------------------------------ queries, groups, films


def test_a_query_in_words_becomes_a_row() -> None:
    """Known words are counted, case apart; little words and unknown ones are left out."""
    from recae.demos.documents import asked_row

    row = asked_row(("cat", "the", "goal", "ice"), "The Goal, the GOAL of zebras on ice")
    assert row.toarray().tolist() == [[0, 0, 2, 1]]


def test_a_query_of_unknown_words_is_refused(stage: tuple[Stage, list[str]]) -> None:
    """The error repeats the query, and comes before anything is learnt or drawn."""
    where, _ = stage
    asked = replace(where, query="zyx")
    with pytest.raises(DataError, match="'zyx'"):
        demos.run("documents", asked)
    assert asked._pictures == []


def test_groups_that_are_the_classes_have_index_one() -> None:
    """Ten far clusters are found whole; labels that say nothing of them have an index near 0."""
    from recae.demos.retrieve import grouped

    labels = np.repeat(np.arange(10), 12)
    rows = np.eye(10)[labels] * 50 + np.random.default_rng(0).normal(size=(120, 10))
    assert grouped(rows, labels, 0) == 1
    assert abs(grouped(rows, np.tile(np.arange(10), 12), 0)) < 0.1


def test_ranks_keep_the_order() -> None:
    """Columns are ranked by themselves, from 0 to 1."""
    ranks = measures.by_rank(np.array([[5.0, -1], [300, 0], [6, -9]]))
    np.testing.assert_allclose(ranks, [[0, 0.5], [1, 1], [0.5, 0]])


def test_who_is_taken_for_whom_is_counted() -> None:
    """Of ten fours near fours and ten nines near fours, half are taken for the other."""
    train = np.r_[np.zeros((10, 1)), np.ones((10, 1))]
    labels = np.repeat([4, 9], 10)
    test = np.full((20, 1), 0.1)
    assert measures.taken_for(train, labels, test, labels, (4, 9)) == 0.5


def test_the_genre_that_stands_out_is_not_the_commonest() -> None:
    """Drama is everywhere; of these films the genre that they share more than others do is Horror."""
    from recae.demos import films

    ratings = sample(160, 120, 5000)
    table = ratings.item_table.copy()
    table["genres"] = ["Drama|Horror" if i < 5 else "Drama" for i in range(len(table))]
    marked = RatingMatrix(**{**ratings.__dict__, "item_table": table})
    name, here, there = films.clearest_genre(marked, np.arange(5), np.arange(marked.n_items))
    assert (name, here) == ("Horror", 1.0)
    assert there == pytest.approx(5 / marked.n_items)
    kinds, names = films.telling_genres(marked, np.array([0, 60]))
    assert [names[kind] for kind in kinds] == ["Horror", "Drama"]


def test_lists_that_hold_together_are_more_alike_than_others() -> None:
    """Two lists of two twins each: similarity within is 1, across 0."""
    from recae.demos.films import held_together

    similarity = np.array([[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0]], float)
    assert held_together(np.array([[0, 1], [2, 3]]), similarity) == (1.0, 0.0)


def test_all_writes_one_json_of_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, without_pictures: None
) -> None:
    """run_all plays what the registry names and gathers it in demos.json."""
    monkeypatch.setattr(demos, "DEMOS", {"eightbit": "the toy"})
    stage = Stage(out=tmp_path, epochs=2, device="cpu", say=lambda _: None, progress=False)
    content = demos.run_all(stage)
    assert json.loads((tmp_path / "demos.json").read_text()) == content
    assert list(content["demos"]) == ["eightbit"]


# ------------------------------------------------------------------ the command


def test_the_command_lists_and_plays(tmp_path: Path) -> None:
    """`recae demo list` names all; `recae demo eightbit --json` prints its record on stdout and writes pictures."""
    from recae.cli import recae

    listed = CliRunner().invoke(recae, ["demo", "list"])
    assert listed.exit_code == 0
    assert all(name in listed.stdout for name in demos.DEMOS)
    arguments = ["demo", "eightbit", "--out", str(tmp_path), "--epochs", "3", "--device", "cpu", "--json"]
    played = CliRunner().invoke(recae, arguments)
    assert played.exit_code == 0, played.output
    assert json.loads(played.stdout)["epochs"] == 3
    assert (tmp_path / "eightbit-loss.png").is_file()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["paint"], "choose reconstruct"), (["eightbit", "--epochs", "0"], "0"), (["eightbit", "--device", "tpu"], "tpu")],
)
def test_the_command_refuses_what_cannot_be(arguments: list[str], words: str, tmp_path: Path) -> None:
    """A wrong name, number or device is one line and exit code 2."""
    from recae.cli import recae

    result = CliRunner().invoke(recae, ["demo", *arguments, "--out", str(tmp_path)])
    assert result.exit_code == 2
    assert words in result.output


def test_listing_imports_neither_torch_nor_matplotlib() -> None:
    """`recae demo list` answers without what only playing needs."""
    code = (
        "import sys\nfrom recae.cli import recae\n"
        "recae(['demo', 'list'], standalone_mode=False)\n"
        "assert not {'torch', 'matplotlib', 'sklearn'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=60)


def test_a_folder_that_cannot_be_is_named(tmp_path: Path) -> None:
    """--out under a file is refused with the folder's name."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ParameterError, match="file"):
        Stage(out=tmp_path / "file" / "figures")


# ------------------------------------------------------------------ data and measures


def test_the_parts_share_no_image() -> None:
    """Train and validation are a partition of the train images; test images are the loader's."""
    images = small_digits()
    digits = Digits.of(images, seed=1)
    joined = torch.cat([digits.train, digits.validation])
    assert len(joined) == len(images.train_images)
    order = np.lexsort(joined.numpy().T)
    expected = images.train[np.lexsort(images.train.T)]
    np.testing.assert_array_equal(joined.numpy()[order], expected)
    assert len(digits.test) == len(images.test_images)


def test_sizes_fit_the_image() -> None:
    """Widths written for 784 pixels shrink with the image, to no less than 16, and stay as written for MNIST."""
    small = few_digits()
    assert small.sizes("784-392-28-10-2") == [64, 32, 16, 10, 2]
    rows = torch.zeros(2, 784)
    labels = torch.zeros(2, dtype=torch.int64)
    mnist = Digits(rows, labels, rows, labels, rows, labels, (28, 28), "x")
    assert mnist.sizes("784-392-28-10-2") == [784, 392, 28, 10, 2]


def test_one_of_each_digit() -> None:
    """The indices are those of a zero, a one, ... a nine."""
    digits = few_digits()
    assert digits.test_labels[digits.one_of_each()].tolist() == list(range(10))


def test_neighbours_are_the_nearest() -> None:
    """Against all distances written out, in blocks that do not divide the rows."""
    rng = np.random.default_rng(0)
    train, test = rng.normal(size=(30, 4)), rng.normal(size=(11, 4))
    distance = ((test[:, None] - train[None]) ** 2).sum(axis=2)
    expected = np.argsort(distance, axis=1)[:, :3]
    np.testing.assert_array_equal(measures.neighbours(train, test, 3, block=4), expected)


def test_precision_and_accuracy_count_the_right_class() -> None:
    """Two clusters far apart: all neighbours are right; with labels of one cluster swapped, none of its are."""
    train = np.array([[0.0, 0], [0, 1], [9, 9], [9, 8]])
    test, labels = np.array([[0.0, 0.4], [9, 8.4]]), np.array([0, 0, 1, 1])
    assert measures.precision_at(train, labels, test, np.array([0, 1]), k=2) == 1
    assert measures.precision_at(train, labels, test, np.array([0, 0]), k=2) == 0.5
    assert measures.knn_accuracy(train, labels, test, np.array([0, 1]), k=2) == 1


def test_psnr_of_a_known_error() -> None:
    """An error of 0.1 in every pixel is 20 dB."""
    clean = torch.full((3, 5), 0.5)
    assert measures.psnr(clean + 0.1, clean) == pytest.approx(20, abs=1e-4)


def test_pca_and_silhouette_are_scikit_learns() -> None:
    """The helpers' PCA has the error of scikit-learn's full SVD, and silhouette is its score."""
    digits = few_digits()
    full = PCA(5, svd_solver="full").fit(digits.train.numpy())
    x = digits.test.numpy()
    expected = np.mean((full.inverse_transform(full.transform(x)) - x) ** 2)
    assert measures.pca_error(measures.pca(digits.train, 5), digits.test) == pytest.approx(expected, rel=1e-4)
    codes, labels = x[:, :2], digits.test_labels.numpy()
    assert measures.silhouette(codes, labels) == pytest.approx(silhouette_score(codes, labels))


def test_a_figure_that_is_not_a_number_is_an_error() -> None:
    """NaN does not get into a JSON file."""
    with pytest.raises(ArithmeticError):
        measures.rounded(math.nan)


def test_numbers_as_bits() -> None:
    """The highest bit first: 178 is 10110010."""
    assert bits(torch.tensor([178, 1])).tolist() == [[1, 0, 1, 1, 0, 0, 1, 0], [0, 0, 0, 0, 0, 0, 0, 1]]
