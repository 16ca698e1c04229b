"""Parts of ratings, read one after another, to a store on disk: in bounded memory, and again after a kill.

Four passes, of steps that are done once: each part with its own numbering of ids (`parts.*`); one vocabulary of all,
and the parts renumbered and binned by users (`by_user.*`); each bin sorted and appended to the user side; and the same
from the user side to the item side (`by_item.*`). Ids are kept in memory, ratings never: a bin at most.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from recae._types import IdArray, IntArray
from recae.errors import DataError
from recae.ratings.csr import Duplicates, cut_evenly
from recae.ratings.ids import plain
from recae.store.layout import MAKING, MANIFEST, Manifest, map_array, read_manifest, write_json, write_manifest
from recae.store.sides import PairNames, Side, bin_by_rows, counts_of, sort_bins, turned
from recae.store.steps import Report, Workplace, difference, need, read, save
from recae.store.vocabulary import Numbering, merged, read_ids, write_ids

BIN = 1 << 23  # ratings sorted in memory at once: about 0.6 GB


@dataclass(frozen=True)
class Part:
    """Some rows as they were read, with ids numbered within the part.

    Attributes:
        users, items: int32 (n,), places in `user_ids` and `item_ids`.
        ratings: float32 (n,).
        timestamps: int64 (n,), or None.
        user_ids, item_ids: distinct ids, int64 or texts (objects).
    """

    users: npt.NDArray[np.int32]
    items: npt.NDArray[np.int32]
    ratings: npt.NDArray[np.float32]
    timestamps: IntArray | None
    user_ids: IdArray
    item_ids: IdArray


class Source(Protocol):
    """What a store is made of."""

    name: str
    files: list[dict[str, Any]]  # name, bytes, and when each was last changed

    def sizes(self) -> list[int]:
        """Pieces, and how much there is to read in each, in bytes."""
        ...

    def read(self, piece: int) -> Iterator[tuple[Part, int]]:
        """The parts of a piece, and how much of it was read with each."""
        ...

    def second(self, user: Any, item: Any) -> str:
        """Where a pair of raw ids occurs for the second time: file and line."""
        ...


def make_store(
    out: Path, source: Source, options: dict[str, Any], *, scale: tuple[float, float] | None, duplicates: Duplicates,
    restart: bool, report: Report,
) -> Manifest:  # fmt: skip
    """Make a store in the folder `out`, or go on with one that is half made; gives its manifest.

    Raises:
        DataError: the ratings cannot be used, or the folder holds something else.
    """
    plan = {
        "files": source.files, "options": options, "scale": scale, "duplicates": duplicates, "name": source.name,
        "bin": BIN,
    }  # fmt: skip
    if (out / MANIFEST).is_file() and not restart:
        return _already_whole(out, source, options, scale, duplicates)
    with Workplace(out, plan, restart=restart) as work:
        _read(work, source, report)
        facts = _number(work)
        _bin_by_user(work, facts, report)
        arrays, n_ratings, total = _user_side(work, facts, source, duplicates, report)
        arrays |= _item_side(work, facts, arrays, report)
        manifest = Manifest(
            source.name, facts["n_users"], facts["n_items"], n_ratings, facts["n_rows"], total,
            scale or (facts["low"], facts["high"]), duplicates, source.files, arrays | facts["ids"], options,
        )  # fmt: skip
        write_manifest(out, manifest)
        work.finish()
    return manifest


def _already_whole(
    out: Path, source: Source, options: dict[str, Any], scale: tuple[float, float] | None, duplicates: Duplicates
) -> Manifest:
    manifest = read_manifest(out)
    made = {"files": manifest.files, "duplicates": manifest.duplicates, "scale": scale and manifest.scale}
    wanted = {"files": source.files, "duplicates": duplicates, "scale": scale and tuple(scale)}
    if manifest.options is not None:
        made, wanted = made | manifest.options, wanted | options
    if different := difference(made, wanted):
        raise DataError(
            f"{out} is a whole store of something else ({different}): choose another folder, or make it anew with "
            "--restart (restart=True)"
        )
    shutil.rmtree(out / MAKING, ignore_errors=True)  # killed when only that was left to do
    return manifest


# ---------------------------------------------------------------- files to parts


def _read(work: Workplace, source: Source, report: Report) -> None:
    """Every piece to parts; a piece is a step."""
    sizes = source.sizes()
    done, total = 0, sum(sizes)
    for piece, size in enumerate(sizes):
        step = f"parts.{piece:06d}"
        report("reading", done, total)
        if not work.done("ids") and not work.done(step):
            with work.step(step) as folder:
                for number, (part, so_far) in enumerate(source.read(piece)):
                    _save_part(folder / f"{number:06d}", part)
                    report("reading", done + so_far, total)
        done += size
    report("reading", total, total)


def _save_part(folder: Path, part: Part) -> None:
    folder.mkdir()
    save(folder, {"users": part.users, "items": part.items, "ratings": part.ratings, "timestamps": part.timestamps})
    facts = {
        "ids": write_ids(folder, "user_ids", part.user_ids) | write_ids(folder, "item_ids", part.item_ids),
        "rows": len(part.ratings), "low": float(part.ratings.min()), "high": float(part.ratings.max()),
    }  # fmt: skip
    save(folder, {"user_counts": np.bincount(part.users, minlength=len(part.user_ids))})
    write_json(folder / "facts.json", facts)


def _parts(work: Workplace) -> list[Path]:
    return sorted(work.folder.glob("parts.*/*/"))


def _facts(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
    return found


def _ids_of(folder: Path, name: str) -> IdArray:
    return read_ids(folder, name, _facts(folder)["ids"])


# ---------------------------------------------------------------- one numbering of all


def _number(work: Workplace) -> dict[str, Any]:
    """The vocabularies and where users are cut into bins; a step. Gives what is known of the whole."""
    if not work.done("ids"):
        parts = _parts(work)
        facts = [_facts(part) for part in parts]
        if not facts:
            raise DataError("the files have no rows: at least one rating is needed")
        users, items = (merged(_ids_of(part, name) for part in parts) for name in ("user_ids", "item_ids"))
        counts, numbering = np.zeros(len(users), np.int64), Numbering(users)
        for part in parts:
            counts[numbering.of(_ids_of(part, "user_ids"))] += need(part, "user_counts")
        ids = write_ids(work.out, "user_ids", users) | write_ids(work.out, "item_ids", items)
        with work.step("ids") as folder:
            save(folder, {"cuts": cut_evenly(counts, BIN)})
            write_json(folder / "facts.json", {
                "n_users": len(users), "n_items": len(items), "n_rows": sum(fact["rows"] for fact in facts),
                "low": min(fact["low"] for fact in facts), "high": max(fact["high"] for fact in facts),
                "n_parts": len(parts), "ids": ids,
            })  # fmt: skip
    return _facts(work.folder / "ids")


def _ids(work: Workplace, facts: dict[str, Any], name: str) -> IdArray:
    return read_ids(work.out, name, facts["ids"])


def _cuts(work: Workplace) -> IntArray:
    return need(work.folder / "ids", "cuts")


def _bin_by_user(work: Workplace, facts: dict[str, Any], report: Report) -> None:
    """Each part renumbered and binned; a step, after which the part is let go of."""
    if work.done("users_sorted"):
        return
    users, items = (Numbering(_ids(work, facts, name)) for name in ("user_ids", "item_ids"))
    names = work.folder / "ids" / "parts.json"
    if not names.is_file():  # parts go as they are binned: their order is kept
        write_json(names, [str(part.relative_to(work.folder)) for part in _parts(work)])
    parts = json.loads(names.read_text(encoding="utf-8"))
    for number, name in enumerate(parts):
        report("binning by user", number, len(parts))
        step, part = f"by_user.{number:06d}", work.folder / name
        if not work.done(step):
            with work.step(step) as folder:
                bin_by_rows(folder, _renumbered(part, users, items), _cuts(work))
        if part.exists() and (number + 1 == len(parts) or parts[number + 1].split("/")[0] != name.split("/")[0]):
            work.drop(name.split("/")[0])
    report("binning by user", len(parts), len(parts))


def _renumbered(part: Path, users: Numbering, items: Numbering) -> dict[str, Any]:
    return {
        "rows": users.of(_ids_of(part, "user_ids"))[need(part, "users")],
        "cols": items.of(_ids_of(part, "item_ids"))[need(part, "items")],
        "ratings": need(part, "ratings"), "timestamps": read(part, "timestamps"),
    }  # fmt: skip


# ---------------------------------------------------------------- the two sides


def _user_side(
    work: Workplace, facts: dict[str, Any], source: Source, duplicates: Duplicates, report: Report
) -> tuple[dict[str, Any], int, float]:
    """Arrays of the user side as the manifest has them, number of ratings and their sum; a step."""
    if not work.done("users_sorted"):
        parts = sorted(work.folder.glob("by_user.??????"))
        dtypes = {"user_rows.indptr": "<i8", "user_rows.indices": "<i4", "user_rows.data": "<f4"}
        if (parts[0] / "timestamps.npy").exists():
            dtypes["timestamps"] = "<i8"
        side = Side(work, "user_rows", dtypes)
        names = _pair_names(work, facts, source)
        sort_bins(side, parts, _cuts(work), facts["n_items"], duplicates, names, report)
        n_ratings, total, arrays = side.n_ratings, side.total, side.close()
        with work.step("users_sorted") as folder:
            write_json(folder / "facts.json", {"arrays": arrays, "n_ratings": n_ratings, "total": total})
    for part in work.folder.glob("by_user.??????"):
        work.drop(part.name)
    found = _facts(work.folder / "users_sorted")
    return found["arrays"], found["n_ratings"], found["total"]


def _pair_names(work: Workplace, facts: dict[str, Any], source: Source) -> PairNames:
    def raw(user: int, item: int) -> tuple[Any, Any]:
        return plain(_ids(work, facts, "user_ids")[user]), plain(_ids(work, facts, "item_ids")[item])

    return PairNames(
        lambda user, item: "user {!r}, item {!r}".format(*raw(user, item)),
        lambda user, item: source.second(*raw(user, item)),
    )


def _item_side(work: Workplace, facts: dict[str, Any], user_arrays: dict[str, Any], report: Report) -> dict[str, Any]:
    """Arrays of the item side as the manifest has them: the user side, turned over block by block."""
    maps = {
        name: map_array(work.out, f"user_rows.{name}.npy", user_arrays[f"user_rows.{name}.npy"])
        for name in ("indptr", "indices", "data")
    }
    cuts = cut_evenly(counts_of(maps["indices"], facts["n_items"]), BIN)
    blocks = list(turned(**maps, size=BIN))
    for number, block in enumerate(blocks):
        report("binning by item", number, len(blocks))
        if not work.done(f"by_item.{number:06d}"):
            with work.step(f"by_item.{number:06d}") as folder:
                bin_by_rows(folder, block(), cuts)
    report("binning by item", len(blocks), len(blocks))
    dtypes = {"item_rows.indptr": "<i8", "item_rows.indices": "<i4", "item_rows.data": "<f4"}
    side = Side(work, "item_rows", dtypes)
    parts = sorted(work.folder.glob("by_item.??????"))
    numbers = PairNames("item {0}, user {1}, by number".format, "the user side".format)
    sort_bins(side, parts, cuts, facts["n_users"], "error", numbers, report)  # none is there twice by now
    return side.close()
