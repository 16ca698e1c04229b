"""Items found by words of their titles, whatever the case and the accents."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np

from recae._types import IntArray


def folded(text: str) -> str:
    """Lower case without accents: "Amélie" and "amelie" are alike."""
    parts = unicodedata.normalize("NFKD", text).casefold()
    return "".join(part for part in parts if not unicodedata.combining(part))


class TitleSearch:
    """Texts by index, and how often each was rated: of several that fit alike, the most rated ones come first."""

    def __init__(self, texts: Sequence[str], counts: IntArray, ids: Sequence[Any]) -> None:
        self._texts = [folded(text) for text in texts]
        self._index_of = {str(one): index for index, one in enumerate(ids)}
        self._order = np.argsort(-counts, kind="stable").tolist()

    def find(self, query: str, n: int) -> list[int]:
        """Indices of the n first texts that hold every word of `query`: equal ones, then those that begin with it.

        What has `query` as its id comes before all others, whatever its text is.
        """
        wanted = folded(query).strip()
        words = wanted.split()
        if not words:
            return list(self._order[:n])
        texts, found = self._texts, self._order
        for word in words:  # one plain loop a word: three times as fast as all words of one text at a time
            found = [i for i in found if word in texts[i]]
        found = sorted(found, key=lambda i: (texts[i] != wanted, not texts[i].startswith(wanted)))
        named = self._index_of.get(query.strip())
        return (found if named is None else [named, *(i for i in found if i != named)])[:n]
