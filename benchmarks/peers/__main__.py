"""recae beside other packages: the same data, machine, cores and settings, each package in its own environment.

\b
    python -m benchmarks.peers                    # install, measure, print; measured rows are not repeated
    python -m benchmarks.peers --large            # reading 20 million ratings too
    python -m benchmarks.peers --only ease-fit --again
    python -m benchmarks.peers install            # only the environments
    python -m benchmarks.peers accuracy           # Mult-VAE and EASE beside irspack's: their scores, our evaluation

Packages are installed under build/peers (--cache) with the versions that `peers/scripts/PEER.txt` pins. Each row is
done by `peers/scripts/with_PEER.py` in a process of its own, which reads arrays and writes seconds, its peak of
memory and its results; these are measured here. A package that does not install, fails, or takes too long is a row with
its reason. Each row is stored in the cache when it is measured: an interrupted run resumes.
"""

from __future__ import annotations

import json
import os
import statistics
from pathlib import Path
from typing import Any

import click

from benchmarks.common.options import choose_names
from benchmarks.common.record import commit, context, write
from benchmarks.peers.environments import CACHE, OURS, install, names, versions
from benchmarks.peers.limited_process import Limits, run
from benchmarks.peers.scores import of_peer, our_ease, our_vae, side_by_side
from benchmarks.peers.tasks import Row, hand_over, hand_over_liked, in_words, judged, table, vae_settings
from benchmarks.topn.protocol import hidden_users

TASKS = ("load", "autorec-epoch", "vae-epoch", "ease-fit", "top-20", "ratings")
cache_option = click.option("--cache", type=click.Path(path_type=Path), default=CACHE, help="Folder of environments, "
                            "data and rows.  [default: build/peers]")  # fmt: skip
index_option = click.option("--index", default="", help="Another package index to look at: outside Linux on Arm, CPU "
                            "wheels of PyTorch are at https://download.pytorch.org/whl/cpu")  # fmt: skip
threads_option = click.option("--threads", default=os.cpu_count() or 1, show_default="cores", type=int)
memory_option = click.option("--memory-gib", default=16.0, show_default=True, help="Each process may have.")
limit_option = click.option("--limit", default=900.0, show_default=True, help="Seconds until a process is stopped.")


@click.group(help=__doc__, invoke_without_command=True)
@cache_option
@index_option
@threads_option
@memory_option
@limit_option
@click.option("--only", default="", help=f"Some of the tasks: {', '.join(TASKS)}.")
@click.option("--peers", default="", help="Some of the packages.")
@click.option("--large", is_flag=True, help="Read 20 million ratings too.")
@click.option("--again", is_flag=True, help="Repeat the chosen rows, and the installations that failed.")
@click.pass_context
def main(
    ctx: click.Context, cache: Path, index: str, threads: int, memory_gib: float, limit: float, only: str, peers: str,
    large: bool, again: bool,
) -> None:  # fmt: skip
    if ctx.invoked_subcommand is not None:
        return
    tasks, packages = choose_names(TASKS, only), choose_names([*OURS, *names()], peers, "--peers")
    wanted = [row for row in table(large) if row.task in tasks and row.peer in packages]
    reasons = install_all([peer for peer in names() if any(row.peer == peer for row in wanted)], cache, index, again)
    settings = {"repeats": 3, "enough_seconds": 20.0, "epochs": 5, "most_epochs": 200, "l2": 500.0,
                "memory_gib": memory_gib}  # fmt: skip
    hand_over(cache / "data", settings, large)
    limits = Limits(threads, limit)
    for row in wanted:
        file = row_file(row, cache)
        if again or not file.exists():
            file.unlink(missing_ok=True)
            found = measured(row, cache, limits, reasons)
            file.write_text(json.dumps(found))
            click.echo(f"{row.key:<36} {in_words(found)}")
    rows = [json.loads(row_file(row, cache).read_text()) for row in table(True) if row_file(row, cache).exists()]
    click.echo(str(write("peers", {
        "settings": settings, "threads": threads, "limit_seconds": limit, "rows": rows,
        "not_installed": {peer: reason for peer, reason in reasons.items() if reason},
        "packages": {peer: versions(peer, cache) for peer in names()},
    })))  # fmt: skip


def install_all(peers: list[str], cache: Path, index: str, again: bool) -> dict[str, str]:
    """Peers to the reason why they could not be installed, "" where they could."""
    reasons = {}
    for peer in peers:
        reasons[peer] = install(peer, cache, index, again)
        click.echo(f"{peer:<12} {reasons[peer] or 'installed'}", err=True)
    return reasons


def row_file(row: Row, cache: Path) -> Path:
    """The file of a row."""
    (cache / "rows").mkdir(parents=True, exist_ok=True)
    return cache / "rows" / f"{row.key.replace(' ', '_')}.json"


def measured(row: Row, cache: Path, limits: Limits, reasons: dict[str, str]) -> dict[str, Any]:
    """The row's figures, or why there are none."""
    about = {"task": row.task, "section": row.section, "peer": row.peer, "method": row.method, "commit": commit(),
             "date": context()["date"]}  # fmt: skip
    if reasons.get(row.peer):
        return {**about, "reason": f"not installed: {reasons[row.peer]}"}
    figures, arrays = run(row.peer, row.task, row.method, cache / "data", cache, limits)
    if "reason" in figures:
        return {**about, **figures}
    return {**about, "median": statistics.median(figures["seconds"]), **judged(row, figures, arrays, cache / "data")}


@main.command("install")
@cache_option
@index_option
@click.option("--again", is_flag=True, help="Try those that failed again.")
def install_command(cache: Path, index: str, again: bool) -> None:
    """Make the environments."""
    install_all(names(), cache, index, again)


@main.command()
@cache_option
@index_option
@threads_option
@memory_option
@click.option("--limit", default=3600.0, show_default=True, help="Seconds until a process is stopped.")
@click.option("--epochs", default=200, show_default=True, help="At most; the best by validation counts.")
@click.option("--patience", default=50, show_default=True)
@click.option("--l2", default=500.0, show_default=True, help="Of both EASEs.")
@click.option("--seeds", default=1, show_default=True, help="Trainings of each Mult-VAE.")
def accuracy(
    cache: Path, index: str, threads: int, memory_gib: float, limit: float, epochs: int, patience: int, l2: float,
    seeds: int,
) -> None:  # fmt: skip
    """Mult-VAE and EASE beside irspack's on hidden users of MovieLens-1M, as in Liang et al. (2018).

    Ratings of 4 and 5 are liked; users with 5 of them; 1,000 users to stop by and 1,000 to test on, who show 80 %. Both
    Mult-VAEs have the same settings, and both keep the best epoch by NDCG@100 of the validation users, in their own
    package's way.
    """
    reason = install("irspack", cache, index)
    if reason:
        raise click.ClickException(f"irspack could not be installed: {reason}")
    settings: dict[str, Any] = {"most_epochs": epochs, "patience": patience, "l2": l2, "memory_gib": memory_gib}
    data, parts = cache / "data-accuracy", hidden_users()
    data.mkdir(parents=True, exist_ok=True)
    hand_over_liked(data, parts)
    settings["vae"] = vae_settings(parts, epochs)
    (data / "settings.json").write_text(json.dumps(settings))

    def theirs(method: str) -> tuple[Any, dict[str, Any]]:
        figures, arrays = run("irspack", "accuracy", method, data, cache, Limits(threads, limit))
        if "reason" in figures:
            raise click.ClickException(f"irspack, {method}: {figures['reason']}")
        return of_peer(parts, arrays["scores"]), figures

    rows = {"ease": side_by_side([our_ease(parts, l2)], [theirs("ease")[0]])}
    pairs = [(our_vae(parts, settings, seed), theirs(f"mult-vae {seed}")) for seed in range(seeds)]
    rows["mult-vae"] = side_by_side([ours[0] for ours, _ in pairs], [peer[0] for _, peer in pairs])
    rows["mult-vae"]["runs"] = {"recae": [ours[1] for ours, _ in pairs], "irspack": [peer[1] for _, peer in pairs]}
    for model, row in rows.items():
        for package in ("recae", "irspack"):
            click.echo(f"{model:<9} {package:<8} NDCG@100 {row[package]['ndcg@100']:.4f} "
                       f"± {row[package]['standard_error']:.4f}")  # fmt: skip
    payload = {"data": repr(parts), "settings": settings, "rows": rows, "packages": versions("irspack", cache)}
    click.echo(str(write("peers-accuracy", payload)))


if __name__ == "__main__":
    main()
