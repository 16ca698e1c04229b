"""The parts of a store's files on disk, each with ids numbered within it, and one numbering for all of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from recae._types import IdArray, IntArray
from recae.errors import DataError
from recae.ratings.csr import cut_evenly
from recae.ratings.ids import say_rounded
from recae.store.binning import Entries
from recae.store.layout import write_json
from recae.store.sources import Part, Source
from recae.store.steps import Report, Steps, need, read, save
from recae.store.vocabulary import Numbering, merged, read_ids, write_ids

FACTS = "facts.json"  # what a step knows of its arrays


def read_parts(steps: Steps, source: Source, report: Report) -> None:
    """Write the parts of every chunk; a chunk is a step."""
    sizes = source.sizes()
    done, total = 0, sum(sizes)
    for chunk, size in enumerate(sizes):
        step = f"parts.{chunk:06d}"
        report("reading", done, total)
        if not steps.done("ids") and not steps.done(step):
            with steps.step(step) as folder:
                for number, (part, so_far) in enumerate(source.read(chunk)):
                    _write_part(folder / f"{number:06d}", part)
                    report("reading", done + so_far, total)
        done += size
    report("reading", total, total)


def _write_part(folder: Path, part: Part) -> None:
    folder.mkdir()
    save(folder, {"users": part.users, "items": part.items, "ratings": part.ratings, "timestamps": part.timestamps})
    facts = {
        "ids": write_ids(folder, "user_ids", part.user_ids) | write_ids(folder, "item_ids", part.item_ids),
        "rows": len(part.ratings), "low": float(part.ratings.min()), "high": float(part.ratings.max()),
    }  # fmt: skip
    save(folder, {"user_counts": np.bincount(part.users, minlength=len(part.user_ids))})
    write_json(folder / FACTS, facts)


def part_folders(steps: Steps) -> list[Path]:
    """The folders of all parts, in the order of the files."""
    return sorted(steps.folder.glob("parts.*/*/"))


def renumbered(folder: Path, users: Numbering, items: Numbering) -> Entries:
    """The ratings of a part, with the ids numbered as in all parts together."""
    return Entries(
        users.of(_ids_of(folder, "user_ids"))[need(folder, "users")],
        items.of(_ids_of(folder, "item_ids"))[need(folder, "items")],
        need(folder, "ratings"), read(folder, "timestamps"),
    )  # fmt: skip


def _ids_of(folder: Path, name: str) -> IdArray:
    return read_ids(folder, name, read_facts(folder)["ids"])


def read_facts(folder: Path) -> dict[str, Any]:
    """The facts that were written beside the arrays of a step or a part."""
    found: dict[str, Any] = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    return found


# ---------------------------------------------------------------- one numbering of all


def number_ids(steps: Steps, bin_size: int) -> dict[str, Any]:
    """Write the vocabularies, and the first row of each bin of about `bin_size` ratings; a step. Gives its facts.

    Raises:
        DataError: there is no row.
    """
    if not steps.done("ids"):
        parts = part_folders(steps)
        facts = [read_facts(part) for part in parts]
        if not facts:
            raise DataError("the files have no rows; at least one rating is needed")
        users, items = (merged(_ids_of(part, name) for part in parts) for name in ("user_ids", "item_ids"))
        say_rounded(users, "user")
        say_rounded(items, "item")
        counts, numbering = np.zeros(len(users), np.int64), Numbering(users)
        for part in parts:
            counts[numbering.of(_ids_of(part, "user_ids"))] += need(part, "user_counts")
        ids = write_ids(steps.out, "user_ids", users) | write_ids(steps.out, "item_ids", items)
        with steps.step("ids") as folder:
            save(folder, {"cuts": cut_evenly(counts, bin_size)})
            write_json(folder / FACTS, {
                "n_users": len(users), "n_items": len(items), "n_rows": sum(fact["rows"] for fact in facts),
                "low": min(fact["low"] for fact in facts), "high": max(fact["high"] for fact in facts),
                "n_parts": len(parts), "ids": ids,
            })  # fmt: skip
    return read_facts(steps.folder / "ids")


def numbered_ids(steps: Steps, facts: dict[str, Any], name: str) -> IdArray:
    """The vocabulary of all parts, `name` user_ids or item_ids, as `number_ids` wrote it."""
    return read_ids(steps.out, name, facts["ids"])


def user_cuts(steps: Steps) -> IntArray:
    """First user of each bin, and the number of users."""
    return need(steps.folder / "ids", "cuts")
