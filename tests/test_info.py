"""What a model file says of itself, the model card, and files without anybody's ratings."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from cli_helpers import done, inline, parsed, process
from contract import FILMS, MODELS, fitted, frame_of

import recae
from recae.errors import DataError, DataWarning, ModelFileError, ParameterError, UnknownIdError
from recae.recommender.model_card import card, facts_of
from recae.storage import read_file, write_file

LEAN = {
    "ease", "edlae", "dlae", "rlae", "dan", "sparse-ease", "item-knn", "slim", "pca", "linear-ae", "elsa", "mult-vae",
    "mult-dae", "rec-vae", "u-autorec", "deep-rec", "popularity", "ranking-blend",
}  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that the command line trained and measured on the sample."""
    file = tmp_path_factory.mktemp("info") / "m.recae"
    done(inline("train", "sample", "--model", "ease", "--l2", "300", "--out", file))
    return file


def test_a_file_says_what_its_model_is(trained: Path) -> None:
    """Settings, sizes, dates, split, figures and versions are those of the training."""
    facts = parsed("info", trained)
    model = recae.load_model(trained)
    assert facts["class"] == "EASE"
    assert facts["settings"]["l2"] == 300.0
    assert facts["data"]["n_users"], facts["data"]["n_items"] == model.ratings_.shape
    assert facts["data"]["n_ratings"] == model.ratings_.n_ratings == facts["training"]["n_train"]
    stamps = pd.to_datetime(model.ratings_.timestamps, unit="s")
    assert facts["data"]["days"] == [str(stamps.min().date()), str(stamps.max().date())]
    assert facts["training"]["split"]["how"] == "random"
    split = recae.split(recae.load("sample"), "random", test=0.1, rng=0)
    assert facts["training"]["figures"]["ndcg@100"] == pytest.approx(recae.evaluate(model, split)["ndcg@100"])
    assert facts["versions"]["recae"] == recae.__version__
    assert not facts["lean"]


def test_it_stays_said_when_a_loaded_model_is_saved(trained: Path, tmp_path: Path) -> None:
    """A model that is read and written again says the same of its training; a model fitted anew does not."""
    model = recae.load_model(trained)
    again = facts_of(model.save(tmp_path / "again.recae"))
    assert again["training"] == facts_of(trained)["training"]
    assert again["saved"] == facts_of(trained)["saved"]
    model.fit(recae.load("sample"))
    assert facts_of(model.save(tmp_path / "anew.recae"))["training"] is None


def test_info_and_card_import_nothing_heavy(trained: Path) -> None:
    """Neither command imports torch, pandas or NumPy."""
    import subprocess
    import sys

    code = (
        "import sys\nfrom recae.cli import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        "print({'torch', 'pandas', 'numpy', 'scipy', 'numba'} & set(sys.modules), file=sys.stderr)"
    )
    for command in (["info", str(trained)], ["card", str(trained)], ["info", str(trained), "--json"]):
        ran = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True, check=True)
        assert ran.stderr.strip() == "set()"
        assert "EASE" in ran.stdout


def test_the_card_has_the_usual_sections(trained: Path, tmp_path: Path) -> None:
    """The card has the sections of a model card, the figures with intervals, and a warning of what the file holds."""
    file = tmp_path / "CARD.md"
    process("card", trained, "--out", file)
    text = file.read_text()
    sections = [line for line in text.splitlines() if line.startswith("#")]
    assert sections == [
        "# ease on sample", "## Model details", "## Intended use", "## Training data", "## Evaluation", "## Limits",
        "## Settings",
    ]  # fmt: skip
    facts = facts_of(trained)
    low, high = facts["training"]["intervals"]["ndcg@20"]
    assert f"| ndcg@20 | {facts['training']['figures']['ndcg@20']:.4f} | {low:.4f} to {high:.4f} |" in text
    assert "holds the training ratings" in text


def test_a_card_shows_texts_as_they_are(trained: Path) -> None:
    """A name with Markdown or HTML in it is text in the card, not a link or a tag."""
    facts = facts_of(trained)
    facts["data"]["name"] = "[x](http://y) <img>|\n# z"
    assert r"\[x\](http://y) &lt;img&gt;\| \# z" in card(facts)


def test_an_unmeasured_model_has_a_card(tmp_path: Path) -> None:
    """Files of `save`, and files of versions that said nothing, are described by what is in them."""
    model = fitted("ease")
    file = model.save(tmp_path / "m.recae")
    assert "was not measured" in card(facts_of(file))
    arrays, content = read_file(file, "model")
    older = write_file(tmp_path / "old.recae", "model", arrays, {k: content[k] for k in ("class", "tree")})
    facts = facts_of(older)
    assert (facts["data"]["n_users"], facts["data"]["n_ratings"]) == (31, model.ratings_.n_ratings)
    assert facts["versions"] == {}
    assert "EASE" in card(facts)
    assert "EASE" in done(inline("info", older))


def test_what_is_no_model_is_refused(tmp_path: Path, trained: Path) -> None:
    """A missing, foreign, cut, changed file, and one of another kind: one line, no traceback."""
    for data in (b"", b"abc", b"\xff" * 64, trained.read_bytes()[:2000], b"\x02\0\0\0\0\0\0\0{}"):
        file = tmp_path / "bad.recae"
        file.write_bytes(data)
        with pytest.raises(ModelFileError, match="not a recae file"):
            facts_of(file)
    file.write_bytes(trained.read_bytes().replace(b"300.0", b"301.0"))
    with pytest.raises(ModelFileError, match="changed"):
        facts_of(file)
    with pytest.raises(ModelFileError, match="no file"):
        facts_of(tmp_path / "none.recae")
    with pytest.raises(ModelFileError, match="holds a checkpoint"):
        facts_of(write_file(tmp_path / "c.recae", "checkpoint", {"a": np.zeros(2)}, {}))
    result = inline("info", tmp_path / "none.recae")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: no file")


# ---------------------------------------------------------------- without ratings


@pytest.mark.parametrize("name", [name for name in MODELS if name != "auto"])  # which is saved as what it chose
def test_a_lean_file_serves_new_users_alike_or_is_refused(name: str, tmp_path: Path) -> None:
    """Without the ratings in its file, a model lists and predicts for new users as before; others refuse it."""
    model = fitted(name)
    if name not in LEAN:
        with pytest.raises(ParameterError, match="ratings of others"):
            model.save(tmp_path / "lean.recae", ratings=False)
        return
    lean = recae.load_model(model.save(tmp_path / "lean.recae", ratings=False))
    new = pd.concat([frame_of(3, "x"), frame_of(20, "y")])
    pd.testing.assert_frame_equal(lean.recommend_new(new, 5), model.recommend_new(new, 5))
    items = model.ratings_.item_index(frame_of(3)["item"])
    stars = frame_of(3)["rating"].to_numpy()
    assert lean.recommend_row(items, stars, 4)[0].tolist() == model.recommend_row(items, stars, 4)[0].tolist()
    if model.predicts_ratings:
        pairs = pd.DataFrame({"user": ["x"] * len(FILMS), "item": FILMS})
        np.testing.assert_array_equal(lean.predict_new(new, pairs), model.predict_new(new, pairs))
    again = recae.load_model(lean.save(tmp_path / "again.recae"))
    pd.testing.assert_frame_equal(again.recommend_new(new, 5), model.recommend_new(new, 5))


def test_a_lean_file_holds_nobody(tmp_path: Path) -> None:
    """No id of a user and no rating is in the bytes of the file; the items' popularity is."""
    model = fitted("ease")
    whole, lean = model.save(tmp_path / "w.recae"), model.save(tmp_path / "l.recae", ratings=False)
    users = [str(user) for user in model.ratings_.user_ids]
    assert all(json.dumps(user)[1:-1].encode() in whole.read_bytes() or user.encode() in whole.read_bytes()
               for user in users)  # fmt: skip
    assert not any(user.encode() in lean.read_bytes() for user in users)
    read = recae.load_model(lean)
    assert read.ratings_.shape == (0, model.ratings_.n_items)
    assert read.ratings_.counts("item").tolist() == model.ratings_.counts("item").tolist()
    assert facts_of(lean)["lean"]


def test_a_lean_model_says_so_where_a_known_user_is_asked_for(tmp_path: Path) -> None:
    """Known users, and similar items where these are of who rated them, are refused in words that say why."""
    model = fitted("ease")
    file = model.save(tmp_path / "l.recae", ratings=False)
    lean = recae.load_model(file)
    user = model.ratings_.user_ids[0]
    with pytest.raises(UnknownIdError, match="saved without ratings"):
        lean.recommend([user])
    assert len(lean.recommend([user], 3, unknown="popular")) == 3
    with pytest.raises(DataError, match="saved without"):
        lean.similar_items([FILMS[0]])
    result = inline("recommend", file, "--user", user)
    assert result.exit_code == 1
    assert "saved without ratings" in result.stderr
    assert "none: it was saved without ratings" in done(inline("info", file))


def test_train_saves_a_lean_file(tmp_path: Path) -> None:
    """`recae train --without-ratings` writes one; with a model that needs the ratings it stops before training."""
    file = tmp_path / "l.recae"
    done(inline("train", "sample", "--model", "ease", "--without-ratings", "--out", file))
    assert parsed("info", file)["lean"]
    assert parsed("info", file)["data"]["n_users"] == 1000
    result = inline("train", "sample", "--without-ratings", "--model", "i-autorec", "--out", file)
    assert result.exit_code == 2
    assert "ratings of others" in result.stderr
    assert inline("train", "sample", "--model", "ease", "--without-ratings").exit_code == 2


def test_a_lean_file_says_what_cannot_be_measured(tmp_path: Path) -> None:
    """Lists of known users are refused, ratings of them are the biases', with a warning; hidden users are as ever."""
    data = recae.load("sample")
    split = recae.split(data, "random", test=0.1, rng=0)
    ranker = recae.EASE(l2=100.0).fit(split.train)
    lean = recae.load_model(ranker.save(tmp_path / "lean.recae", ratings=False))
    with pytest.raises(DataError, match=r"lean file.*gets no list.*held-out-users"):
        recae.evaluate(lean, split, "ndcg@10")
    rater = recae.AutoRec(by="user", hidden=4, epochs=1).fit(split.train, progress=False)
    lean_rater = recae.load_model(rater.save(tmp_path / "lean.recae", ratings=False))
    with pytest.warns(DataWarning, match="every test user is unknown"):
        report = recae.evaluate(lean_rater, split, "rmse")
    assert report.counts["unknown_users"] == (split.test.counts("user") > 0).sum()
    hidden = recae.split(data, "held-out-users", test=0.1, rng=0)
    whole = recae.EASE(l2=100.0).fit(hidden.train)
    same = recae.load_model(whole.save(tmp_path / "lean.recae", ratings=False))
    assert recae.evaluate(same, hidden, "ndcg@10") == recae.evaluate(whole, hidden, "ndcg@10")
