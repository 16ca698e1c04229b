"""The tables of docs/sessions.md."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from benchmarks.common.markdown import table
from benchmarks.common.paths import DOCS, RESULTS
from benchmarks.common.record import read

PAGE = DOCS / "sessions.md"
METRICS = ("recall@5", "recall@20", "mrr@20", "ndcg@20")
GROUPS = ("known", "new", "all")
AGAINST = {"i-autorec": "`i-autorec`", "wide-deep": "`wide-deep`", "session-rnn-ratings, none": "`none`"}


def parts() -> dict[str, str]:
    """The page's parts by name."""
    return {
        "next-item": "\n\n".join(map(next_items, results("next-item"))),
        "ratings": "\n\n".join(map(ratings, results("ratings"))),
        "speed": speed(read("sessions-speed")),
        "peer": peer(read("sessions-peer")),
        "choose": "\n\n".join(map(tried, results("choose"))),
        "log": log(read("sessions-scale")),
    }


def results(kind: str) -> list[dict[str, Any]]:
    """The results of one kind, a set each."""
    prefix = f"sessions-{kind}-"
    return [read(path.stem) for path in sorted(RESULTS.glob(f"{prefix}*.json"))]


def next_items(result: dict[str, Any]) -> str:
    """Figures of the next item on one set."""
    counts, first = result["statistics"], result["rows"][0]
    head = (
        f"`{result['data']}`: {counts['n_sessions']:,} sessions of {counts['n_users']:,} users; {first['n_events']:,} "
        f"test events of {first['n_users']:,} users."
    )
    measured = [(name, [one for one in of if "reason" not in one]) for name, of in grouped(result)]
    rows = [[name, *(mean(one[metric] for one in of) for metric in METRICS), seeds(of)] for name, of in measured if of]
    peers = filter(None, map(about_peer, result["rows"]))
    return "\n\n".join([head, table(["model", *METRICS, "seeds"], rows), *peers])


def about_peer(row: dict[str, Any]) -> str:
    """How a peer's model was trained, or why it was not; nothing for other rows."""
    if "reason" in row:
        return f"{row['row']} has no figures: {row['reason']}."
    if "packages" not in row:
        return ""
    package = row["model"].split(",")[0]
    version = next(number for name, number in row["packages"].items() if name.lower() == package)
    end = "when validation no longer got better" if row["stopped"] else "by the limit of processor time"
    return (
        f"{row['row']} ({version}) was stopped {end}, after "
        f"{len(row['validation'])} epochs in {row['seconds']:.0f} s; the best one on validation was the "
        f"{row['epochs']}th, with an NDCG@20 of {max(row['validation']):.4f} there."
    )


def tried(result: dict[str, Any]) -> str:
    """What settings reach on the validation part of one set."""
    rows = [[name_of(one["settings"]), *(f"{one[f'validation_{metric}']:.4f}" for metric in ("ndcg@20", "recall@20")),
             str(one.get("epochs", ""))] for one in result["log"]]  # fmt: skip
    return f"`{result['data']}`, validation:\n\n" + table(["settings", "ndcg@20", "recall@20", "best epoch"], rows)


def name_of(settings: dict[str, Any] | str) -> str:
    """Settings in words."""
    if isinstance(settings, str):
        return f"`{settings}`, chosen"
    if "members" in settings:
        return "blend of " + " and ".join(map(member, settings["members"]))
    return "`session-rnn`, " + (", ".join(f"{key} {value}" for key, value in settings.items()) or "defaults")


def member(settings: dict[str, Any]) -> str:
    """A member of a blend, with its settings."""
    of = ", ".join(f"{key} {value}" for key, value in settings.items() if key not in ("model", "patience"))
    return f"`{settings['model']}`" + (f" ({of})" if of else "")


def log(result: dict[str, Any]) -> str:
    """Memory and processor time of logs of two sizes."""
    steps = ("prepare", "cut", "near", "fit")
    rows = [[f"{one['n_events']:,}", f"{one['n_sessions']:,}", *(
        f"{one[step]['mib']:.0f} MiB, {one[step]['processor_seconds']:.1f} s" for step in steps
    )] for one in result["rows"]]  # fmt: skip
    users = result["rows"][0]["fit_users"]
    return table(
        ["events", "sessions", "prepare a store", "cut sessions", "start vectors", f"an epoch of {users} users"], rows
    )


def ratings(result: dict[str, Any]) -> str:
    """RMSE on one set."""
    sizes = result["sizes"]
    head = f"`{result['data']}`: {sizes['known']:,} test ratings of known users, {sizes['new']:,} of new ones."
    rows = [[name, *(mean(one["rmse"][group] for one in of) for group in GROUPS), *less(of[0]), seeds(of)]
            for name, of in grouped(result)]  # fmt: skip
    columns = [*(f"{group} users" for group in GROUPS), *(f"less {name}" for name in AGAINST.values())]
    return f"{head}\n\n" + table(["model", *columns, "seeds"], rows)


def less(row: dict[str, Any]) -> list[str]:
    """The 95 % intervals of RMSE of all users less another model's, of the first seed."""
    found = row.get("less", {})
    return ["{:+.3f} to {:+.3f}".format(*found[name]["all"]) if name in found else "" for name in AGAINST]


def speed(result: dict[str, Any]) -> str:
    """Processor time of packed and padded epochs."""
    ratio = result["padded"] / result["packed"]
    of = [[name, f"{result[key]:.1f} s", f"{result[numbers]:,}"]
          for name, key, numbers in (("packed", "packed", "events"), ("padded", "padded", "cells"))]  # fmt: skip
    head = (
        f"`{result['data']}`, {result['users']:,} users: padding has {result['cells'] / result['events']:.1f} times as "
        f"many cells as there are events, and takes {ratio:.1f} times the processor time."
    )
    return f"{head}\n\n" + table(["sessions are", "processor time of an epoch, one thread", "cells computed"], of)


def peer(result: dict[str, Any]) -> str:
    """Processor time of an epoch beside RecBole's GRU4Rec."""
    about = f"`{result['data']}`, {result['events']:,} events in {result['sessions']:,} sessions"
    ours = ["`session-rnn`, none", f"{result['ours']:.1f} s", f"{result['events']:,} events, nothing padded"]
    if "theirs" not in result:
        return f"{about}. RecBole: {result['reason']}.\n\n" + table(["model", "processor time", "reads"], [ours])
    version, longest = result["packages"]["recbole"], result["settings"]["longest"]
    theirs = ["RecBole's GRU4Rec", f"{result['theirs']:.1f} s", f"{result['sequences']:,} sequences of {longest}"]
    head = f"{about}; RecBole {version}: ours takes {result['ours'] / result['theirs']:.2f} times its processor time."
    return f"{head}\n\n" + table(["model", "processor time of an epoch, one thread", "reads"], [ours, theirs])


def grouped(result: dict[str, Any]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Rows of one name together, in the order of the result."""
    names = dict.fromkeys(row["row"] for row in result["rows"])
    return [(f"`{name}`", [row for row in result["rows"] if row["row"] == name]) for name in names]


def mean(values: Iterable[float]) -> str:
    """The mean of a figure over seeds."""
    return f"{np.mean(list(values)):.4f}"


def seeds(rows: list[dict[str, Any]]) -> str:
    """How many fits there are."""
    return str(len(rows))
