"""`recae data`: the data sets that recae knows, and stores for ratings that exceed memory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from recae.cli import completion, options
from recae.cli.click_classes import SuggestingGroup
from recae.cli.failures import Failure

if TYPE_CHECKING:
    from recae.loaders import Dataset
    from recae.ratings import RatingMatrix

_EXAMPLES = """\b
Examples:
  recae data list
  recae data info ml-1m
  recae data info ratings.csv     how recae reads your file
  recae data fetch ml-100k
  recae data prepare parts/*.csv.gz --out store/     make a store from files of any size
"""
_LIST = """\b
Examples:
  recae data list
  recae data list --json
"""
_INFO = """\b
Examples:
  recae data info ml-1m
  recae data info ratings.csv --user-column who --item-column what
  recae data info ml-100k --plot ml-100k.png
  recae data info store/
"""
_PREPARE = """\b
Examples:
  recae data prepare ratings.csv --out store/
  recae data prepare 2024/*.csv.gz 2025/*.parquet --out store/ --rating-column stars --duplicates mean
  recae train store/ --test 0 --validation 0 --out m.recae

With --test 0 --validation 0, training reads the store without a copy of the ratings in memory. The parts of a split
are copies in memory.
"""
_CHECK = """\b
Examples:
  recae data check store/
"""
_FETCH = """\b
Examples:
  recae data fetch ml-100k
  recae data fetch ml-1m --data-dir data
"""


@click.group(cls=SuggestingGroup, epilog=_EXAMPLES, short_help="List, describe and download data sets; make stores.")
@options.loudness
def data() -> None:
    """List, describe and download data sets; make and check stores for ratings that exceed memory."""


@data.command("list", epilog=_LIST, short_help="List the data sets that recae knows.")
@options.data_dir
@options.as_json
@options.loudness
def list_(data_dir: str | None, as_json: bool) -> None:
    """List the data sets that recae knows by name, and whether this machine has a copy."""
    from recae.cli.printing import print_json, print_table
    from recae.loaders import datasets

    entries = [_entry(dataset, data_dir) for dataset in datasets()]
    if as_json:
        print_json(entries)
        return
    rows = [
        [e["name"], e["n_ratings"], f"{e['megabytes']:g}" if e["megabytes"] else None, e["here"], e["description"]]
        for e in entries
    ]
    print_table(rows, ["name", "size", "MB", "here", "what"], "lrrll")


def _entry(dataset: Dataset, data_dir: str | None) -> dict[str, Any]:
    from recae.loaders import locate

    found = locate(dataset.name, data_dir)
    return {
        "name": dataset.name, "kind": dataset.kind, "n_ratings": dataset.n_ratings, "megabytes": dataset.megabytes,
        "here": dataset.name == "sample" or found is not None, "path": None if found is None else str(found),
        "url": dataset.url, "md5": dataset.md5, "licence": dataset.licence, "description": dataset.description,
    }  # fmt: skip


@data.command(epilog=_INFO, short_help="Describe a data set, a file or a store.")
@click.argument("name", shell_complete=completion.datasets)
@click.option("--plot", type=click.Path(), metavar="FILE",
              help="Draw ratings by value and month, the long tails and the fill, as .png, .svg or .pdf.")  # fmt: skip
@options.table
@options.as_json
@options.loudness
def info(name: str, plot: str | None, as_json: bool, **table: Any) -> None:
    """Describe a data set, or the ratings that recae reads from a file or a store."""
    from recae.cli.outputs import check_picture, files_read
    from recae.cli.printing import print_facts, print_json
    from recae.loaders import DATASETS, info

    check_picture("--plot", plot, files_read({"dataset": name, **table}))
    known: dict[str, Any] = {}
    if name in DATASETS or (name != "-" and not Path(name).exists()):
        known = _entry(info(name), table["data_dir"])
    ratings = None
    if not known or (known["here"] and known["kind"] == "ratings"):
        from recae.cli.inputs import load_ratings

        ratings = load_ratings(name, **table)
        known |= _shape(name, ratings)
    if plot:
        _draw(name, ratings, plot)
    if as_json:
        print_json(known)
    else:
        print_facts(known)


def _draw(name: str, ratings: RatingMatrix | None, path: str) -> None:
    from recae.plots import ratings_overview, save

    if ratings is None:
        raise Failure(f"there are no ratings of {name!r} to draw here: it is not downloaded, or it is of another kind")
    save(ratings_overview(ratings), path)
    options.note(f"Saved the figure to {path}.")


def _shape(name: str, ratings: RatingMatrix) -> dict[str, Any]:
    """The description that the ratings give."""
    users, items = ratings.counts("user"), ratings.counts("item")
    return {
        "name": name, "n_users": ratings.n_users, "n_items": ratings.n_items, "n_ratings": ratings.n_ratings,
        "filled": ratings.density, "scale": list(ratings.scale), "mean": ratings.mean,
        "ratings_per_user": {"least": int(users.min()), "mean": float(users.mean()), "most": int(users.max())},
        "ratings_per_item": {"least": int(items.min()), "mean": float(items.mean()), "most": int(items.max())},
        "timestamps": ratings.timestamps is not None, "sessions": _sessions(ratings),
        "user_ids": [str(one) for one in ratings.user_ids[:3]], "item_ids": [str(one) for one in ratings.item_ids[:3]],
        "item_table": [] if ratings.item_table is None else list(map(str, ratings.item_table.columns)),
        "user_table": [] if ratings.user_table is None else list(map(str, ratings.user_table.columns)),
    }  # fmt: skip


def _sessions(ratings: RatingMatrix) -> dict[str, Any] | None:
    """What half an hour without an event cuts the ratings into; None where times do not say, and for a store."""
    from recae.events.cutting import sessions

    stamps = ratings.timestamps
    if stamps is None or ratings.is_mapped or stamps.min() == stamps.max():
        return None
    return sessions(ratings).statistics()


@data.command(epilog=_FETCH, short_help="Download a data set and verify it.")
@click.argument("name", shell_complete=completion.datasets)
@options.data_dir
@options.as_json
@options.loudness
def fetch(name: str, data_dir: str | None, as_json: bool) -> None:
    """Download a data set, verify and unpack it; print its folder.

    If there is a copy already, the command downloads nothing. Downloads go to --data-dir, else to RECAE_DATA_DIR, else
    to the user's cache folder.
    """
    from recae.cli.console import echo
    from recae.cli.printing import print_json
    from recae.loaders import fetch as get

    folder = get(name, data_dir, progress=options.verbosity() >= 0)
    if as_json:
        print_json({"name": name, "path": str(folder)})
    else:
        echo(str(folder))


@data.command(epilog=_PREPARE, short_help="Make a store from files of any size.")
@click.argument("files", nargs=-1, required=True)
@click.option("-o", "--out", required=True, type=click.Path(), metavar="FOLDER", help="Folder of the new store.")
@click.option("--restart", is_flag=True, help="Replace an existing store, complete or not.")
@options.columns
@options.as_json
@options.loudness
def prepare(files: tuple[str, ...], out: str, restart: bool, as_json: bool, **table: Any) -> None:
    """Make a store on disk from FILES: csv, tsv, '::' (also .gz, .bz2, .zst), Parquet, or folders of these.

    Memory is bounded, whatever the number of ratings. The disk needs room for the store twice. Each command that
    expects ratings also accepts the folder of a store, and opens it without reading all of it. After Ctrl-C or a kill,
    the same command resumes.
    """
    from recae.cli.printing import print_facts, print_json
    from recae.loaders import prepare_store

    given = {name.removesuffix("_column"): value for name, value in table.items() if value is not None}
    try:
        made = prepare_store(files, out, restart=restart, progress=False if options.verbosity() < 0 else None, **given)
    except KeyboardInterrupt:
        raise Failure(
            f"interrupted; {out} keeps the finished steps: run the same command again to resume", 130
        ) from None
    facts = {
        "path": out, "n_users": made.n_users, "n_items": made.n_items, "n_ratings": made.n_ratings,
        "n_rows": made.n_rows, "merged": made.n_rows - made.n_ratings, "scale": list(made.scale),
        "timestamps": "timestamps.npy" in made.arrays,
    }  # fmt: skip
    print_json(facts) if as_json else print_facts(facts)


@data.command(epilog=_CHECK, short_help="Verify the checksums of a store.")
@click.argument("store")
@options.as_json
@options.loudness
def check(store: str, as_json: bool) -> None:
    """Read all of a store and compare it with the checksums from when it was made."""
    from recae.cli.printing import print_facts, print_json
    from recae.store import check_store

    found = check_store(store)
    facts = {"path": store, "whole": True, "bytes": found.n_bytes, "n_ratings": found.manifest.n_ratings}
    print_json(facts) if as_json else print_facts(facts)
