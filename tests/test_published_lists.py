"""Published splits of the form "user item item ...": read whole, exactly, and refused where they are not sound."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from recae.errors import DataError, DatasetNotFoundError
from recae.splitting import published_lists


def _write(folder: Path, train: str, test: str) -> Path:
    (folder / "train.txt").write_text(train)
    (folder / "test.txt.gz").write_bytes(gzip.compress(test.encode()))
    return folder


def test_both_parts_share_users_and_items_and_hold_exactly_the_pairs_of_their_file(tmp_path: Path) -> None:
    """Users 3 and 7, items 5, 10, 11, 40, the last one in test only; a user without test items is allowed."""
    parts = published_lists(_write(tmp_path, "7 10 5\n3 11\n", "7 40\n3\n"))
    assert parts.train.user_ids.tolist() == parts.test.user_ids.tolist() == [3, 7]
    assert parts.train.item_ids.tolist() == [5, 10, 11, 40]
    np.testing.assert_array_equal(parts.train.user_rows.toarray(), [[0, 0, 1, 0], [1, 1, 0, 0]])
    np.testing.assert_array_equal(parts.test.user_rows.toarray(), [[0, 0, 0, 0], [0, 0, 0, 1]])


def test_the_order_of_lists_is_kept_where_it_is_asked_for(tmp_path: Path) -> None:
    """Places in a user's list, over two lines of one user, too; none without `order`, and none in the test part."""
    folder = _write(tmp_path, "7 10 5\n3 11 5 10\n7 40\n", "7 11\n")
    parts = published_lists(folder, order=True)
    users, items, _ = parts.train.pairs()
    raw = zip(parts.train.user_ids[users].tolist(), parts.train.item_ids[items].tolist())
    found = dict(zip(raw, parts.train.timestamps.tolist()))
    assert found == {(7, 10): 0, (7, 5): 1, (7, 40): 2, (3, 11): 0, (3, 5): 1, (3, 10): 2}
    assert parts.test.timestamps is None
    assert published_lists(folder).train.timestamps is None


@pytest.mark.parametrize(
    ("train", "test", "words"),
    [
        ("1 2 3\n", "1 3\n", "user 1, item 3 occurs twice"),
        ("1 2 2\n", "1 3\n", "user 1, item 2 occurs twice"),
        ("1 2\n4 x 5\n", "1 3\n", "line 2"),
        ("1 2\n4 99999999999999999999\n", "1 3\n", "line 2"),
        ("\n", "1 3\n", "holds no pair"),
    ],
)
def test_a_split_that_is_not_sound_is_refused(tmp_path: Path, train: str, test: str, words: str) -> None:
    """A pair in both parts, or twice in one, a word that is no id, and an empty part are named, not read."""
    with pytest.raises(DataError, match=words):
        published_lists(_write(tmp_path, train, test))


def test_a_missing_part_is_named(tmp_path: Path) -> None:
    """A folder with one of the two files says which one it lacks."""
    (tmp_path / "train.txt").write_text("1 2\n")
    with pytest.raises(DatasetNotFoundError, match=r"test\.txt"):
        published_lists(tmp_path)


@pytest.mark.data
def test_gowalla_has_its_published_size(data_dir: Path) -> None:
    """29,858 users, 40,981 items, 810,128 pairs to train on and 217,242 to test on."""
    if not (data_dir / "gowalla").is_dir():
        pytest.skip("no copy of the Gowalla split")
    parts = published_lists(data_dir / "gowalla")
    assert parts.train.shape == parts.test.shape == (29_858, 40_981)
    assert (parts.train.n_ratings, parts.test.n_ratings) == (810_128, 217_242)
