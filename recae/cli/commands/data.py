"""`recae data`: the data sets that recae knows, and stores of ratings that are too many for memory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from recae.cli import options
from recae.cli.click_classes import SuggestingGroup
from recae.cli.failures import Failure

if TYPE_CHECKING:
    from recae.loaders import Dataset

_EXAMPLES = """\b
Examples:
  recae data list
  recae data info ml-1m
  recae data info ratings.csv     how recae reads a file of yours
  recae data fetch ml-100k
  recae data prepare parts/*.csv.gz --out store/     files of any size to a store on disk
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
  recae data info store/
"""
_PREPARE = """\b
Examples:
  recae data prepare ratings.csv --out store/
  recae data prepare 2024/*.csv.gz 2025/*.parquet --out store/ --rating-column stars --duplicates mean
  recae train store/ --test 0 --validation 0 --out m.recae

What is trained on and measured without copies of the ratings in memory is the store as it is: --test 0 --validation 0.
Parts that a split makes are kept in memory.
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


@click.group(
    cls=SuggestingGroup, epilog=_EXAMPLES, short_help="List, describe and fetch data sets; prepare large ones."
)
@options.loudness
def data() -> None:
    """Data sets: what there is, what one holds, getting one, and stores of ratings too many for memory."""


@data.command("list", epilog=_LIST, short_help="List the data sets that recae knows.")
@options.data_dir
@options.as_json
@options.loudness
def list_(data_dir: str | None, as_json: bool) -> None:
    """List the data sets that recae knows by name, and where there is a copy of them."""
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


@data.command(epilog=_INFO, short_help="Describe a data set, a file or a store of yours.")
@click.argument("name")
@options.table
@options.as_json
@options.loudness
def info(name: str, as_json: bool, **table: Any) -> None:
    """Say what is known of a data set, or what recae reads in a file or a store of ratings."""
    from recae.cli.printing import print_facts, print_json
    from recae.loaders import DATASETS, info

    known: dict[str, Any] = {}
    if name in DATASETS or (name != "-" and not Path(name).exists()):
        known = _entry(info(name), table["data_dir"])
    if not known or (known["here"] and known["kind"] == "ratings"):
        known |= _shape(name, table)
    if as_json:
        print_json(known)
    else:
        print_facts(known)


def _shape(name: str, table: dict[str, Any]) -> dict[str, Any]:
    """What the ratings themselves say."""
    from recae.cli.inputs import load_ratings

    ratings = load_ratings(name, **table)
    users, items = ratings.counts("user"), ratings.counts("item")
    return {
        "name": name, "n_users": ratings.n_users, "n_items": ratings.n_items, "n_ratings": ratings.n_ratings,
        "filled": ratings.density, "scale": list(ratings.scale), "mean": ratings.mean,
        "ratings_per_user": {"least": int(users.min()), "mean": float(users.mean()), "most": int(users.max())},
        "ratings_per_item": {"least": int(items.min()), "mean": float(items.mean()), "most": int(items.max())},
        "timestamps": ratings.timestamps is not None,
        "user_ids": [str(one) for one in ratings.user_ids[:3]], "item_ids": [str(one) for one in ratings.item_ids[:3]],
        "item_table": [] if ratings.item_table is None else list(map(str, ratings.item_table.columns)),
        "user_table": [] if ratings.user_table is None else list(map(str, ratings.user_table.columns)),
    }  # fmt: skip


@data.command(epilog=_FETCH, short_help="Download a data set and verify it.")
@click.argument("name")
@options.data_dir
@options.as_json
@options.loudness
def fetch(name: str, data_dir: str | None, as_json: bool) -> None:
    """Download a data set, verify and unpack it; print the folder that it is in.

    Where there is a copy already, nothing is downloaded. Downloads go to --data-dir, else to RECAE_DATA_DIR, else to
    the user's cache.
    """
    from recae.cli.console import echo
    from recae.cli.printing import print_json
    from recae.loaders import fetch as get

    folder = get(name, data_dir, progress=options.verbosity() >= 0)
    if as_json:
        print_json({"name": name, "path": str(folder)})
    else:
        echo(str(folder))


@data.command(epilog=_PREPARE, short_help="Make a store of files of any size.")
@click.argument("files", nargs=-1, required=True)
@click.option("-o", "--out", required=True, type=click.Path(), metavar="FOLDER", help="Where the store is made.")
@click.option("--restart", is_flag=True, help="Begin afresh although there is a store, whole or half made.")
@options.columns
@options.as_json
@options.loudness
def prepare(files: tuple[str, ...], out: str, restart: bool, as_json: bool, **table: Any) -> None:
    """Make a store on disk of FILES: csv, tsv, '::' (.gz, .bz2, .zst or not), Parquet, or folders of these.

    Memory is bounded, whatever the number of ratings; disk is needed for the store twice. Wherever ratings are
    expected, the store's folder can be given, and is opened without being read. After Ctrl-C or a kill, the same
    command goes on from where it was.
    """
    from recae.cli.printing import print_facts, print_json
    from recae.loaders import prepare_store

    given = {name.removesuffix("_column"): value for name, value in table.items() if value is not None}
    try:
        made = prepare_store(files, out, restart=restart, progress=False if options.verbosity() < 0 else None, **given)
    except KeyboardInterrupt:
        raise Failure(f"stopped; what is done is kept in {out}: the same command goes on from there", 130) from None
    facts = {
        "path": out, "n_users": made.n_users, "n_items": made.n_items, "n_ratings": made.n_ratings,
        "n_rows": made.n_rows, "merged": made.n_rows - made.n_ratings, "scale": list(made.scale),
        "timestamps": "timestamps.npy" in made.arrays,
    }  # fmt: skip
    print_json(facts) if as_json else print_facts(facts)


@data.command(epilog=_CHECK, short_help="Read a store through, and compare its checksums.")
@click.argument("store")
@options.as_json
@options.loudness
def check(store: str, as_json: bool) -> None:
    """Read every byte of a store and compare it with the checksums that were taken when it was made."""
    from recae.cli.printing import print_facts, print_json
    from recae.store import check_store

    found = check_store(store)
    facts = {"path": store, "whole": True, "bytes": found.n_bytes, "n_ratings": found.manifest.n_ratings}
    print_json(facts) if as_json else print_facts(facts)
