"""MovieLens in its three layouts: small copies made by hand, and the real files where there are any."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from recae.datasets import locations
from recae.errors import DataError, DatasetNotFoundError, ParameterError
from recae.loaders import FOLDS, load, load_fold
from recae.ratings import RatingMatrix

GENRES = ("unknown", "Action", "Adventure", "Comedy", "Drama")


@pytest.fixture(autouse=True)
def nowhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Only the test's own folder is looked through, unless it asks for the real data."""
    monkeypatch.setattr(locations, "cache_dir", lambda: tmp_path / "cache")
    monkeypatch.chdir(tmp_path)
    if "data_dir" not in request.fixturenames:
        monkeypatch.delenv("RECAE_DATA_DIR", raising=False)


def make_100k(folder: Path) -> None:
    """Three users, three films (one never rated), Latin-1; the fold u1 with 3 + 1 ratings."""
    folder.mkdir(parents=True)
    ratings = ["1\t10\t5\t100\n", "1\t20\t3\t101\n", "2\t10\t1\t102\n", "3\t20\t4\t103\n"]
    (folder / "u.data").write_text("".join(ratings))
    (folder / "u1.base").write_text("".join(ratings[:3]))
    (folder / "u1.test").write_text(ratings[3])
    (folder / "u.genre").write_text("".join(f"{name}|{n}\n" for n, name in enumerate(GENRES)) + "\n")
    films = ["10|Amélie (2001)|25-Apr-2001||http://a|0|0|0|1|1", "20|Léon (1994)|||http://b|0|1|0|0|1",
             "30|unknown||||1|0|0|0|0"]  # fmt: skip
    (folder / "u.item").write_text("\n".join(films) + "\n", encoding="latin-1")
    (folder / "u.user").write_text("1|24|M|writer|02139\n2|53|F|other|T8H1N\n3|7|M|student|00000\n")


def make_dat(folder: Path, encoding: str = "latin-1", users: bool = True) -> None:
    folder.mkdir(parents=True)
    (folder / "ratings.dat").write_text("1::10::5::100\n1::20::3::101\n2::10::1::102\n")
    films = "10::Amélie: A Fable (2001)::Comedy|Romance\n20::X (1999)::Drama\n"
    (folder / "movies.dat").write_text(films, encoding=encoding)
    if users:
        (folder / "users.dat").write_text("1::F::1::10::02139\n2::M::56::16::70072\n")


def make_csv(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "ratings.csv").write_text("userId,movieId,rating,timestamp\n1,10,4.5,100\n2,10,0.5,101\n2,20,3.0,102\n")
    (folder / "movies.csv").write_text(
        'movieId,title,genres\r\n10,"American President, The (1995)",Comedy|Drama\r\n'
        "20,Babylon 5,(no genres listed)\r\n"
    )


def test_ml_100k(tmp_path: Path) -> None:
    """u.data, u.item and u.user become ratings, films with year and genres, and users with their zip as written."""
    make_100k(tmp_path / "ml-100k")
    matrix = load("ml-100k", data_dir=tmp_path)
    assert (matrix.shape, matrix.n_ratings, matrix.scale, matrix.name) == ((3, 2), 4, (1.0, 5.0), "ml-100k")
    assert list(matrix.timestamps) == [100, 101, 102, 103]
    films = matrix.item_table
    assert films is not None
    assert films.loc[10].to_dict() == {"title": "Amélie (2001)", "year": 2001, "genres": "Comedy|Drama"}
    assert films.loc[30, "genres"] == ""
    assert films["year"].isna().to_dict() == {10: False, 20: False, 30: True}
    users = matrix.user_table
    assert users is not None
    assert users.loc[1].to_dict() == {"gender": "M", "age": 24, "occupation": "writer", "zip": "02139"}


def test_folds_share_the_vocabularies(tmp_path: Path) -> None:
    """Both parts of a published fold have the users and items of the whole set, also those that they lack."""
    make_100k(tmp_path / "ml-100k")
    train, test = load_fold("ml-100k", "u1", data_dir=tmp_path)
    assert list(train.user_ids) == list(test.user_ids) == [1, 2, 3]
    assert train.to_frame()[["user", "item"]].to_numpy().tolist() == [[1, 10], [1, 20], [2, 10]]
    assert test.to_frame().to_numpy().tolist() == [[3, 20, 4, 103]]
    assert train.item_table is not None
    for name, fold in (("ml-100k", "u6"), ("ml-1m", "u1")):
        with pytest.raises(ParameterError, match="only ml-100k has published folds, u1, u2"):
            load_fold(name, fold, data_dir=tmp_path)
    with pytest.raises(DatasetNotFoundError, match=r"ua.base is missing: this copy"):
        load_fold("ml-100k", "ua", data_dir=tmp_path)


@pytest.mark.parametrize(("name", "folder", "encoding", "scale"), [
    ("ml-1m", "ml-1m", "latin-1", (1.0, 5.0)), ("ml-10m", "ml-10M100K", "utf-8", (0.5, 5.0)),
])  # fmt: skip
def test_double_colons(tmp_path: Path, name: str, folder: str, encoding: str, scale: tuple[float, float]) -> None:
    """The '::' layout is read in either encoding, a colon in a title included; ages and jobs in words."""
    make_dat(tmp_path / folder, encoding, users=name == "ml-1m")
    matrix = load(name, data_dir=tmp_path)
    assert matrix.to_frame().to_numpy().tolist() == [[1, 10, 5, 100], [1, 20, 3, 101], [2, 10, 1, 102]]
    assert matrix.user_ids.dtype == np.int64
    assert matrix.scale == scale
    assert matrix.item_table is not None
    assert matrix.item_table.loc[10, "title"] == "Amélie: A Fable (2001)"
    if name == "ml-1m":
        assert matrix.user_table is not None
        assert matrix.user_table.loc[1].to_dict() == {
            "gender": "F", "age": "under 18", "occupation": "K-12 student", "zip": "02139",
        }  # fmt: skip
    else:
        assert matrix.user_table is None


@pytest.mark.parametrize("name", ["ml-20m", "ml-25m", "ml-32m", "ml-latest-small", "ml-latest"])
def test_csv_layout(tmp_path: Path, name: str) -> None:
    """ratings.csv and movies.csv are read: quoted titles, titles without a year, films without a genre."""
    make_csv(tmp_path / name)
    matrix = load(name, data_dir=tmp_path)
    assert matrix.to_frame().to_numpy().tolist() == [[1, 10, 4.5, 100], [2, 10, 0.5, 101], [2, 20, 3, 102]]
    assert matrix.scale == (0.5, 5.0)
    assert matrix.item_table is not None
    assert matrix.item_table.loc[10].to_dict() == {
        "title": "American President, The (1995)", "year": 1995, "genres": "Comedy|Drama",
    }  # fmt: skip
    assert matrix.item_table.loc[20, "genres"] == ""


def test_a_folder_by_its_path(tmp_path: Path) -> None:
    """The path of a MovieLens folder loads, by load and as data_dir itself."""
    make_csv(tmp_path / "mine")
    assert load(tmp_path / "mine").n_ratings == 3
    assert load(tmp_path / "mine").name == "mine"
    make_dat(tmp_path / "ml-1m")
    assert load("ml-1m", data_dir=tmp_path / "ml-1m").n_ratings == 3


def test_the_order_in_which_copies_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """data_dir comes before RECAE_DATA_DIR, this before ./data, and this before the cache."""
    for folder in ("given", "env", "data", "cache"):
        make_dat(tmp_path / folder / "ml-1m")
    monkeypatch.setenv("RECAE_DATA_DIR", str(tmp_path / "env"))
    found = locations.find("ml-1m", tmp_path / "given")
    assert found == tmp_path / "given" / "ml-1m"
    assert locations.find("ml-1m") == tmp_path / "env" / "ml-1m"
    monkeypatch.delenv("RECAE_DATA_DIR")
    assert locations.find("ml-1m") == Path("data/ml-1m")
    monkeypatch.chdir(tmp_path / "given")
    assert locations.find("ml-1m") == tmp_path / "cache" / "ml-1m"


def test_an_archive_that_is_found_is_unpacked_into_the_cache(tmp_path: Path) -> None:
    """ml-latest-small.zip in data_dir is used without network, and leaves data_dir as it was."""
    make_csv(tmp_path / "source" / "ml-latest-small")
    given = tmp_path / "given"
    given.mkdir()
    with zipfile.ZipFile(given / "ml-latest-small.zip", "w") as archive:
        for file in (tmp_path / "source" / "ml-latest-small").iterdir():
            archive.write(file, f"ml-latest-small/{file.name}")
    assert load("ml-latest-small", data_dir=given, download=False).n_ratings == 3
    assert [path.name for path in given.iterdir()] == ["ml-latest-small.zip"]
    assert locations.find("ml-latest-small") == tmp_path / "cache" / "ml-latest-small"


def test_not_here_and_not_to_be_downloaded(tmp_path: Path) -> None:
    """Without a copy the error is one line: the file, where it was looked for, the address, what to do."""
    with pytest.raises(DatasetNotFoundError) as caught:
        load("ml-20m", data_dir=tmp_path / "given", download=False)
    message = str(caught.value)
    for part in ("ml-20m.zip", str(tmp_path / "given"), str(tmp_path / "cache"), "https://files.grouplens.org",
                 "RECAE_DATA_DIR"):  # fmt: skip
        assert part in message
    assert "\n" not in message


def test_an_incomplete_copy(tmp_path: Path) -> None:
    """A folder without the needed files is not taken for a copy; a missing small file is named."""
    make_dat(tmp_path / "ml-1m")
    (tmp_path / "ml-1m" / "movies.dat").unlink()
    with pytest.raises(DatasetNotFoundError, match=r"ml-1m.zip is in none of"):
        load("ml-1m", data_dir=tmp_path, download=False)
    make_100k(tmp_path / "ml-100k")
    (tmp_path / "ml-100k" / "u.genre").unlink()
    with pytest.raises(DataError, match=r"u.genre is missing: this copy is not complete"):
        load("ml-100k", data_dir=tmp_path)


# ---------------------------------------------------------------- the real files


def real(name: str, data_dir: Path) -> RatingMatrix:
    if not (data_dir / name).is_dir():
        pytest.skip(f"{data_dir} has no {name}")
    return load(name, data_dir=data_dir, download=False)


@pytest.mark.data
def test_real_ml_100k(data_dir: Path) -> None:
    """The published figures of MovieLens 100K hold, and its folds are disjoint and complete."""
    matrix = real("ml-100k", data_dir)
    assert (matrix.shape, matrix.n_ratings) == ((943, 1682), 100_000)
    assert list(np.bincount(matrix.user_rows.data.astype(int))) == [0, 6110, 11370, 27145, 34174, 21201]
    assert matrix.timestamps is not None
    assert (matrix.timestamps.min(), matrix.timestamps.max()) == (874724710, 893286638)
    assert matrix.item_table is not None
    assert matrix.item_table.loc[1].to_dict() == {
        "title": "Toy Story (1995)", "year": 1995, "genres": "Animation|Children's|Comedy",
    }  # fmt: skip
    for fold in FOLDS:
        train, test = load_fold("ml-100k", fold, data_dir=data_dir)
        assert (len(train), len(test)) == ((80_000, 20_000) if fold < "ua" else (90_570, 9_430))
        assert (train.user_rows + test.user_rows != matrix.user_rows).nnz == 0


@pytest.mark.data
def test_real_ml_1m(data_dir: Path) -> None:
    """The published figures of MovieLens 1M hold."""
    matrix = real("ml-1m", data_dir)
    assert (matrix.shape, matrix.n_ratings) == ((6040, 3706), 1_000_209)
    assert list(np.bincount(matrix.user_rows.data.astype(int))) == [0, 56174, 107557, 261197, 348971, 226310]
    assert matrix.counts("user").min() == 20
    assert matrix.user_ids[matrix.counts("user").argmax()] == 4169
    assert matrix.counts("item")[matrix.item_index([2858])[0]] == 3428
    assert matrix.item_table is not None
    assert len(matrix.item_table) == 3883
    assert matrix.user_table is not None
    assert len(matrix.user_table) == 6040


@pytest.mark.data
def test_real_ml_latest_small(data_dir: Path) -> None:
    """The figures of MovieLens latest-small (September 2018) hold."""
    matrix = real("ml-latest-small", data_dir)
    assert (matrix.shape, matrix.n_ratings, matrix.scale) == ((610, 9724), 100_836, (0.5, 5.0))
    assert matrix.timestamps is not None
    assert (matrix.timestamps.min(), matrix.timestamps.max()) == (828124615, 1537799250)
    assert matrix.item_table is not None
    assert len(matrix.item_table) == 9742


def test_an_empty_id_is_refused_by_its_line(tmp_path: Path) -> None:
    """A field without an id is no item of its own, and no memory is written for it."""
    (tmp_path / "ratings.dat").write_text("1::1::5::10\n1::2::3::11\n2::::2::12\n")
    with pytest.raises(DataError, match="row 3: the id of the item is missing"):
        load(tmp_path)
