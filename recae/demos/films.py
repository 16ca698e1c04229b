"""Films as the demo of ratings reads them: titles, genres, and how groups of films hold together."""

from __future__ import annotations

from collections import Counter

import numpy as np

from recae._types import Array, IntArray
from recae.ratings import RatingMatrix
from recae.ratings.titles import titles_in

SHOWN_GENRES = 8
WIDEST = 30  # letters of a title in a picture


def titles(ratings: RatingMatrix) -> list[str]:
    """The title of each item, without its year, cut to a width that a picture has room for; ids where there is none."""
    own = titles_in(ratings.item_table)
    if own is None:
        return [str(item) for item in ratings.item_ids]
    found = own.reindex(ratings.item_ids).fillna("?").astype(str)
    plain = [title.rsplit(" (", 1)[0] for title in found]
    return [title if len(title) <= WIDEST else f"{title[: WIDEST - 1]}…" for title in plain]


def genres(ratings: RatingMatrix) -> list[list[str]]:
    """The genres of each item; none where nothing is known."""
    table = ratings.item_table
    if table is None or "genres" not in table:
        return [[] for _ in ratings.item_ids]
    found = table["genres"].reindex(ratings.item_ids).fillna("").astype(str)
    return [[genre for genre in text.split("|") if genre] for text in found]


def telling_genres(ratings: RatingMatrix, films: IntArray) -> tuple[IntArray, list[str]]:
    """Of each of `films` the rarest of its genres, which tells most: index into the names, -1 for other genres.

    The names are the `SHOWN_GENRES` that most films have as theirs.
    """
    theirs = genres(ratings)
    often = Counter(genre for one in theirs for genre in one)
    rarest = [min(theirs[film], key=lambda genre: (often[genre], genre), default="") for film in films]
    names = [name for name, _ in Counter(name for name in rarest if name).most_common(SHOWN_GENRES)]
    return np.array([names.index(name) if name in names else -1 for name in rarest]), names


def clearest_genre(ratings: RatingMatrix, films: IntArray, among: IntArray) -> tuple[str, float, float]:
    """The genre that is most over-represented in `films` against `among`: its name, share there, share in `among`."""
    theirs = genres(ratings)
    here = Counter(genre for film in films for genre in theirs[film])
    there = Counter(genre for film in among for genre in theirs[film])
    if not here:
        return "", 0.0, 0.0
    name = max(here, key=lambda genre: (here[genre] / len(films) - there[genre] / len(among), genre))
    return name, here[name] / len(films), there[name] / len(among)


def cosine(ratings: RatingMatrix) -> Array:
    """Cosine of every two films' sets of raters, (n_items, n_items), 0 on the diagonal."""
    rows = ratings.rows("item").copy()
    rows.data = np.ones_like(rows.data)
    together = (rows @ rows.T).toarray().astype(np.float64)
    size = np.sqrt(np.maximum(together.diagonal(), 1.0))
    found: Array = together / size[:, None] / size[None, :]
    np.fill_diagonal(found, 0.0)
    return found


def held_together(lists: IntArray, similarity: Array) -> tuple[float, float]:
    """Mean similarity of two films of one list, and of two films of different lists; lists (n, k)."""
    k = lists.shape[1]
    within = [similarity[np.ix_(films, films)].sum() / (k * (k - 1)) for films in lists]
    apart = [similarity[np.ix_(a, b)].mean() for a, b in zip(lists, np.roll(lists, 1, axis=0))]
    return float(np.mean(within)), float(np.mean(apart))
