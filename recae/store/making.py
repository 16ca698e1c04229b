"""Files to a store on disk, in bounded memory; a kill costs one step.

Four passes, of steps that are done once: chunks of the files to parts, each with its own numbering of ids (`parts.*`);
one numbering of all, by which the parts are binned by users (`by_user.*`); each bin sorted and appended to the user
rows; and the same from the user rows to the item rows (`by_item.*`). Ids are kept in memory, ratings never: a bin at
most.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from recae.errors import DataError, Remedy
from recae.ratings.csr import cut_evenly
from recae.ratings.ids import plain
from recae.ratings.merging import Duplicates
from recae.store.binning import CsrWriter, PairNames, Transposed, bin_by_rows, sort_bins
from recae.store.layout import MAKING, MANIFEST, Manifest, map_array, read_manifest, write_json, write_manifest
from recae.store.numbering import (
    FACTS,
    number_ids,
    numbered_ids,
    part_folders,
    read_facts,
    read_parts,
    renumbered,
    user_cuts,
)
from recae.store.sources import Source
from recae.store.steps import Report, Steps, first_difference, needing_room
from recae.store.vocabulary import Numbering

READER = 2  # changes where the same file is read otherwise: parts that were read before are not mixed in
BIN = 1 << 23  # ratings sorted in memory at once: about 0.6 GB


def make_store(
    out: Path, source: Source, options: dict[str, Any], *, scale: tuple[float, float] | None, duplicates: Duplicates,
    restart: bool, report: Report,
) -> Manifest:  # fmt: skip
    """Make a store in the folder `out`, or resume one that is half made; gives its manifest.

    Raises:
        DataError: the ratings cannot be used, the folder holds something else, or the disk is full.
    """
    fingerprint = {
        "files": source.files, "options": options, "scale": scale, "duplicates": duplicates, "name": source.name,
        "bin": BIN, "reader": READER,
    }  # fmt: skip
    if (out / MANIFEST).is_file() and not restart:
        return _already_whole(out, source, options, scale, duplicates)
    with needing_room(out), Steps(out, fingerprint, restart=restart) as steps:
        read_parts(steps, source, report)
        facts = number_ids(steps, BIN)
        _bin_by_user(steps, facts, report)
        users = _write_user_rows(steps, facts, source, duplicates, report)
        rating_range = scale or _range_of(users, facts, duplicates)
        arrays = users["arrays"] | _write_item_rows(steps, facts, users["arrays"], report)
        manifest = Manifest(
            source.name, facts["n_users"], facts["n_items"], users["n_ratings"], facts["n_rows"], users["total"],
            rating_range, duplicates, source.files, arrays | facts["ids"], options,
        )  # fmt: skip
        write_manifest(out, manifest)
        steps.finish()
    return manifest


def _already_whole(
    out: Path, source: Source, options: dict[str, Any], scale: tuple[float, float] | None, duplicates: Duplicates
) -> Manifest:
    manifest = read_manifest(out)
    made = {"files": manifest.files, "duplicates": manifest.duplicates, "scale": scale and manifest.scale}
    wanted = {"files": source.files, "duplicates": duplicates, "scale": scale and tuple(scale)}
    if manifest.options is not None:
        made, wanted = made | manifest.options, wanted | options
    if different := first_difference(made, wanted):
        raise DataError(
            f"{out} is a whole store of something else ({different})",
            remedy=("choose another folder", Remedy("make it anew with {restart}", restart=True)),
        )
    shutil.rmtree(out / MAKING, ignore_errors=True)  # killed when only that was left to do
    return manifest


# ---------------------------------------------------------------- the user rows


def _bin_by_user(steps: Steps, facts: dict[str, Any], report: Report) -> None:
    """Renumber and bin each part; a step, after which the part is deleted."""
    if steps.done("users_sorted"):
        return
    users, items = (Numbering(numbered_ids(steps, facts, name)) for name in ("user_ids", "item_ids"))
    names = steps.folder / "ids" / "parts.json"
    if not names.is_file():  # parts are deleted as they are binned: their order is kept here
        write_json(names, [str(part.relative_to(steps.folder)) for part in part_folders(steps)])
    parts = json.loads(names.read_text(encoding="utf-8"))
    for number, name in enumerate(parts):
        report("binning by user", number, len(parts))
        step, part = f"by_user.{number:06d}", steps.folder / name
        if not steps.done(step):
            with steps.step(step) as folder:
                bin_by_rows(folder, renumbered(part, users, items), user_cuts(steps))
        if part.exists() and (number + 1 == len(parts) or parts[number + 1].split("/")[0] != name.split("/")[0]):
            steps.drop(name.split("/")[0])
    report("binning by user", len(parts), len(parts))


def _write_user_rows(
    steps: Steps, facts: dict[str, Any], source: Source, duplicates: Duplicates, report: Report
) -> dict[str, Any]:
    """Sort the bins of users; a step. Gives `arrays` as the manifest has them, `n_ratings`, and their `total`."""
    if not steps.done("users_sorted"):
        parts = sorted(steps.folder.glob("by_user.??????"))
        timestamps = {"timestamps": "<i8"} if (parts[0] / "timestamps.npy").exists() else {}
        writer = CsrWriter(steps, "user_rows", _dtypes("user_rows") | timestamps)
        names = _pair_names(steps, facts, source)
        sort_bins(writer, parts, user_cuts(steps), facts["n_items"], duplicates, names, report)
        users = {"n_ratings": writer.n_ratings, "total": writer.total, "low": writer.low, "high": writer.high}
        _refuse_outside(source, users, duplicates)
        users |= {"arrays": writer.close()}
        with steps.step("users_sorted") as folder:
            write_json(folder / FACTS, users)
    for part in steps.folder.glob("by_user.??????"):
        steps.drop(part.name)
    return read_facts(steps.folder / "users_sorted")


def _refuse_outside(source: Source, users: dict[str, Any], duplicates: Duplicates) -> None:
    """Sums and counts may leave the scale, although each row is inside."""
    if source.scale is not None and not source.scale[0] <= users["low"] <= users["high"] <= source.scale[1]:
        low, high = source.scale
        raise DataError(
            f"{source.name}: with duplicates={duplicates!r} ratings go from {users['low']:g} to {users['high']:g}, "
            f"outside the scale {low:g} to {high:g}"
        )


def _range_of(users: dict[str, Any], facts: dict[str, Any], duplicates: Duplicates) -> tuple[float, float]:
    """Lowest and highest rating: of all rows, or of what they were added up to."""
    where = users if duplicates in ("sum", "count") else facts
    return where["low"], where["high"]


def _dtypes(rows: str) -> dict[str, str]:
    return {f"{rows}.indptr": "<i8", f"{rows}.indices": "<i4", f"{rows}.data": "<f4"}


def _pair_names(steps: Steps, facts: dict[str, Any], source: Source) -> PairNames:
    def raw(user: int, item: int) -> tuple[Any, Any]:
        return plain(numbered_ids(steps, facts, "user_ids")[user]), plain(numbered_ids(steps, facts, "item_ids")[item])

    return PairNames(
        lambda user, item: "user {!r}, item {!r}".format(*raw(user, item)),
        lambda user, item: source.locate_second(*raw(user, item)),
    )


# ---------------------------------------------------------------- the item rows


def _write_item_rows(
    steps: Steps, facts: dict[str, Any], user_arrays: dict[str, Any], report: Report
) -> dict[str, Any]:
    """Transpose the user rows block by block; gives the arrays as the manifest has them."""
    maps = {
        name: map_array(steps.out, f"user_rows.{name}.npy", user_arrays[f"user_rows.{name}.npy"])
        for name in ("indptr", "indices", "data")
    }
    transposed = Transposed(**maps, size=BIN)
    cuts = cut_evenly(transposed.counts(facts["n_items"]), BIN)
    blocks = transposed.blocks()
    for number, block in enumerate(blocks):
        report("binning by item", number, len(blocks))
        if not steps.done(f"by_item.{number:06d}"):
            with steps.step(f"by_item.{number:06d}") as folder:
                bin_by_rows(folder, transposed.read(*block), cuts)
    report("binning by item", len(blocks), len(blocks))
    writer = CsrWriter(steps, "item_rows", _dtypes("item_rows"))
    parts = sorted(steps.folder.glob("by_item.??????"))
    numbers = PairNames("item {0}, user {1}, by number".format, "the user rows".format)
    sort_bins(writer, parts, cuts, facts["n_users"], "error", numbers, report)  # no pair occurs twice by now
    return writer.close()
