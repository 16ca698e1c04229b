"""The lists of all users into one file: a part of the users at a time, in bounded memory, resumed after a kill."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd

from recae.atomic import check_writable, only_process, replacing, write_bytes
from recae.errors import ModelFileError, ParameterError
from recae.ratings.side_columns import table_checksum
from recae.recommender import frames
from recae.recommender.base import Recommender
from recae.recommender.choice import choice_of, chosen_lists
from recae.recommender.fingerprints import checksum, checksum_of_ids

FORMS = {".csv": "csv", ".ndjson": "ndjson", ".jsonl": "ndjson", ".parquet": "parquet"}
USERS_A_PART = 10_000


def write_lists(
    model: Recommender, path: str | Path, n: int = 10, *, users: Any = None, progress: Callable[[int, int], None] | None
    = None, restart: bool = False, users_a_part: int = USERS_A_PART, **request: Any,
) -> Path:  # fmt: skip
    """Write the lists of all known users (or of `users`, raw ids) to a file: user, item, score, rank, title.

    The lists are made a part of the users at a time. Parts that are done lie beside the file, in `.NAME.lists`; after
    a kill, the same call goes on with them. The file appears when it is whole. A user for whom no item is left has no
    row.

    Args:
        model: fitted.
        path: .csv, .ndjson (a line of JSON for each row) or .parquet.
        n: items a list, at most.
        progress: called with the users done and the number of all, after each part.
        restart: begin anew, whatever parts there are.
        users_a_part: users whose lists are held in memory at once.
        request: candidates, exclude, where, boost, filter_seen, unknown: see `recae.recommender.choice.choice_of`.

    Raises:
        ParameterError: the suffix is none of these, or n is below 1.
        UnknownIdError: a user or an item is unknown.
        ModelFileError: the file cannot be written, or another process is writing it.
    """
    path = Path(path)
    form = FORMS.get(path.suffix.lower())
    if form is None:
        raise ParameterError(name="path", value=str(path), expected=f"a file with the suffix {', '.join(FORMS)}")
    ratings = model._fitted()
    if ratings.n_users == 0:
        raise ParameterError("the model was saved without ratings and users, so there is nobody to list items for",
                             remedy="give the ratings of new users to recommend_new")  # fmt: skip
    n = frames.checked_n(n, ratings.n_items)
    choice = choice_of(ratings, **request)
    index = np.arange(ratings.n_users) if users is None else ratings.user_index(users)
    check_writable(path)
    folder = path.with_name(f".{path.name}.lists")
    with only_process(path, "writing lists to"):
        _prepare(folder, _key(model, index, n, choice, users_a_part), restart)
        parts = []
        for start in range(0, len(index), users_a_part):
            part = folder / f"{start:012d}{path.suffix.lower()}"
            some = index[start : start + users_a_part]
            if not part.exists():
                lists = frames.ranked_frame(ratings.user_ids[some], *chosen_lists(model, some, n, choice), ratings)
                write_bytes(part, _bytes(lists, form))
            parts.append(part)
            if progress is not None:
                progress(start + len(some), len(index))
        _join(parts, path, form)
        shutil.rmtree(folder, ignore_errors=True)
    return path


def lists_of(model: Recommender, users: Any, n: int = 10, **request: Any) -> pd.DataFrame:
    """As `write_lists`, of some known users (raw ids) as a frame.

    Raises:
        UnknownIdError: a user or an item is unknown.
    """
    ratings = model._fitted()
    n, wanted = frames.checked_n(n, ratings.n_items), frames.as_id_array(users)
    found = chosen_lists(model, ratings.user_index(wanted), n, choice_of(ratings, **request))
    return frames.ranked_frame(wanted, *found, ratings)


def lists_of_new(model: Recommender, new_ratings: Any, n: int = 10, **request: Any) -> pd.DataFrame:
    """As `lists_of`, of users never trained on, from only their ratings (a frame, or a RatingMatrix).

    In a frame of candidates, users are those of `new_ratings`.

    Raises:
        UnknownIdError: a user or an item of the request is unknown.
    """
    known = model._fitted()
    new = frames.new_users(new_ratings, model, unknown=request.get("unknown", "error"))
    n, index = frames.checked_n(n, known.n_items), np.arange(new.n_users)
    found = chosen_lists(model, index, n, choice_of(known, new=new, **request), new)
    return frames.ranked_frame(new.user_ids, *found, known)


def _key(model: Recommender, index: Any, n: int, choice: Any, users_a_part: int) -> str:
    """What the parts belong to: the model as it is, what it reads, the ids and titles in the lists, and the request."""
    ratings = model.ratings_
    titles = table_checksum(ratings.item_table, ratings.item_ids, {"title"})
    shown = [checksum_of_ids(ratings.user_ids, ratings.item_ids), titles]
    read = [checksum(ratings), model._reads_beside(ratings, ())]
    digest = hashlib.sha256(json.dumps([type(model).__name__, n, users_a_part, *shown, *read]).encode())
    own = choice.candidates
    arrays = [index, choice.allowed, np.array(choice.filter_seen), choice.boost, *_arrays_of(model)]
    arrays += [] if own is None else [own.indptr, own.indices]
    for array in arrays:
        digest.update(b"-" if array is None else np.ascontiguousarray(array).ravel().view(np.uint8).data)
    return digest.hexdigest()


def _arrays_of(model: Recommender) -> Iterator[Any]:
    return (array for _, array in sorted(model._saved_arrays().items()))


def _prepare(folder: Path, key: str, restart: bool) -> None:
    """The folder of the parts, empty unless it belongs to the same model and request."""
    note = folder / "key"
    try:
        if folder.exists() and (restart or not note.is_file() or note.read_text() != key):
            shutil.rmtree(folder)
        folder.mkdir(exist_ok=True)
        write_bytes(note, key.encode())
    except OSError as error:
        raise ModelFileError(f"{folder} cannot be written ({error})", remedy="choose another folder") from None


def _bytes(lists: pd.DataFrame, form: str) -> bytes:
    if form == "csv":
        return lists.to_csv(index=False).encode()
    if form == "ndjson":
        text = lists.to_json(orient="records", lines=True, force_ascii=False)
        return (text if text.endswith("\n") or not text else text + "\n").encode()
    return bytes(lists.to_parquet(None, index=False))


def _join(parts: list[Path], path: Path, form: str) -> None:
    with replacing(path) as file:
        if form == "parquet":
            _join_parquet(parts, file)
            return
        for position, part in enumerate(parts):
            with part.open("rb") as source:
                if form == "csv" and position:
                    source.readline()  # the header
                shutil.copyfileobj(source, file)


def _join_parquet(parts: list[Path], file: IO[bytes]) -> None:
    """A row group a part; a column that is empty in a part (no title) has the type that it has in others."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.unify_schemas([pq.read_schema(part) for part in parts], promote_options="permissive")
    with pq.ParquetWriter(file, schema.remove_metadata()) as writer:
        for part in parts:
            writer.write_table(pq.read_table(part).cast(schema.remove_metadata()))
