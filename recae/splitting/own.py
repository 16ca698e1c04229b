"""A split whose parts come from files of their own."""

from __future__ import annotations

from recae.ratings import RatingMatrix
from recae.ratings.matching import in_one_vocabulary
from recae.splitting.parts import Split


def own_split(train: RatingMatrix, test: RatingMatrix, validation: RatingMatrix | None = None) -> Split:
    """A split of parts that were made elsewhere, matched by raw id.

    All parts get the users and items of all of them, so that those which only the test part has are users and items
    without a training rating, as in a split by time of one table.

    Raises:
        DataError: ids are numbers in one part and texts in another.
    """
    parts = in_one_vocabulary(train, test, *([] if validation is None else [validation]))
    settings = {"train": train.name, "test": test.name, "validation": None if validation is None else validation.name}
    return Split(parts[0], parts[1], parts[2] if validation is not None else None, how="own", settings=settings)
