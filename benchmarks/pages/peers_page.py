"""The tables of docs/peers.md."""

from __future__ import annotations

from typing import Any

from benchmarks.common.markdown import table
from benchmarks.common.paths import DOCS
from benchmarks.common.record import read
from benchmarks.peers.tasks import agreement, duration

PAGE = DOCS / "peers.md"
Result = dict[str, Any]
Rows = list[Result]

TITLES = {
    "load ratings-1m": "Reading a CSV of 1 million ratings",
    "load ratings-20m": "Reading a CSV of 20 million ratings",
    "autorec-epoch": "An epoch of I-AutoRec, 500 hidden units, MovieLens-1M",
    "vae-epoch": "An epoch of Mult-VAE, 600-200-600, 4,034 users and 3,464 items of MovieLens-1M",
    "ease-fit": "Fitting EASE on the same users and items",
    "top-20": "Lists of 20 for all users of MovieLens-1M, from the same 128 factors",
    "ratings ml-100k": "Rating prediction, MovieLens-100K, u1",
    "ratings ml-1m": "Rating prediction, MovieLens-1M, split 0 (90/10)",
}
NAMES = {
    "pandas": "pandas.read_csv", "torch": "plain dense PyTorch", "recbole": "RecBole", "cornac": "Cornac",
    "rectools": "RecTools", "surprise": "Surprise", "myfm": "myFM",
}  # fmt: skip
REMARKS = {
    ("load", "pandas"): "columns only: ids are not numbered, nothing is checked",
    ("load", "recae"): "matrix by users, ids numbered, values and pairs checked",
    ("load", "rectools"): "pandas, then ids numbered and a matrix",
    ("load", "surprise"): "lists of ratings by user and by item",
    ("vae-epoch", "irspack"): "JAX, compiled; dense rows",
    ("vae-epoch", "cornac"): "without dropout and annealing, which it does not have",
    ("top-20", "recae"): "a frame of raw ids, scores and ranks",
    ("top-20", "rectools"): "a frame of raw ids, scores and ranks; implicit does the work",
    ("top-20", "implicit"): "arrays of indices and scores",
    ("top-20", "cornac"): "lists of raw ids, one user at a time",
}


def parts() -> dict[str, str]:
    """The page's parts by name."""
    result = read("peers")
    return {
        "peers:about": about(result), "peers:tables": tables(result), "peers:ahead": ahead(result),
        "peers-accuracy": accuracy(read("peers-accuracy")),
    }  # fmt: skip


def tables(result: Result) -> str:
    """Every section that there are rows of."""
    parts = []
    for section, title in TITLES.items():
        rows = [row for row in result["rows"] if row["section"] == section]
        if rows:
            of_ratings = section.startswith("ratings")
            since = measured_since(rows, read(f"accuracy-{section.split()[1]}")) if of_ratings else ""
            parts += [f"### {title}", _ratings(rows) if of_ratings else _times(rows), since]
    return "\n\n".join(filter(None, parts))


def measured_since(rows: Rows, accuracy: Result) -> str:
    """Of which commit our rows are, and what the accuracy table has for this split where that is another RMSE."""
    ours = {row["method"].split()[1]: row for row in rows if row["peer"] == "recae" and "reason" not in row}
    found = {row["row"]: row["fits"][0]["rmse"] for row in accuracy["rows"] if row["fits"][0]["seed"] == 0}
    others = [
        f"`{name}` {found[name]:.4f}"
        for name, row in ours.items() if name in found and f"{found[name]:.4f}" != f"{row['rmse']:.4f}"
    ]  # fmt: skip
    if not others:
        return ""
    of = ", ".join(dict.fromkeys(f"{row['date'][:10]}, commit {row['commit']}" for row in ours.values()))
    return (
        f"Our rows here are of {of}. Models and settings have changed since. The [accuracy tables](ratings.md) have "
        f"for the same split: {', '.join(others)}."
    )


def ahead(result: Result) -> str:
    """Each section in which somebody is faster than recae, more accurate, or takes less memory, as a list."""
    lines = []
    for section, title in TITLES.items():
        rows = [row for row in result["rows"] if row["section"] == section and "reason" not in row]
        for figure, better in (("rmse", "has the lower RMSE"), ("median", "is faster")):
            ours = [row[figure] for row in rows if row["peer"] == "recae" and figure in row]
            if not ours or (figure == "median" and section.startswith("ratings")):
                continue
            first = sorted((row for row in rows if row[figure] < min(ours)), key=lambda row: row[figure])
            lines += [f"- {title}: {_name(row)} {better}, {_figure(row[figure], figure)} against "
                      f"{_figure(min(ours), figure)}." for row in first]  # fmt: skip
        lines += _smaller(title, rows)
    return "\n".join(lines) or "- In none of these tables."


def _smaller(title: str, rows: list[Result]) -> list[str]:
    """Who takes less memory than the smallest of ours, in a line."""
    ours = [row["peak_mb"] for row in rows if row["peer"] == "recae"]
    less = [f"{_name(row)} ({row['peak_mb']:,.0f} MB)" for row in rows if ours and row["peak_mb"] < min(ours)]
    return [f"- {title}: less memory than recae ({min(ours):,.0f} MB) is taken by {', '.join(less)}."] if less else []


def about(result: Result) -> str:
    """Machine, limits, versions, and what did not install."""
    machine, packages = result["machine"], result["packages"]
    dates = sorted(row["date"][:10] for row in result["rows"])
    shown = [f"{NAMES.get(peer, peer)} {_version(peer, found)}" for peer, found in packages.items() if found]
    found = (
        f"{machine['processor']}, {result['threads']} cores, {machine['memory_gib']:.0f} GiB; measured "
        f"{' to '.join(dict.fromkeys((dates[0], dates[-1])))}. {', '.join(shown)}; ours runs with PyTorch "
        f"{result['versions']['torch']}. Every version is in [peers.json](../benchmarks/results/peers.json)."
    )
    missing = [f"{NAMES.get(peer, peer)} ({reason})" for peer, reason in result["not_installed"].items()]
    return "\n\n".join([found, *([f"Not installed: {'; '.join(missing)}."] if missing else [])])


def accuracy(result: Result) -> str:
    """The two models beside irspack's."""
    rows = []
    for model, row in result["rows"].items():
        test = row["recae_less_irspack"]
        for package in ("recae", "irspack"):
            found = row[package]
            difference = f"{test['mean']:+.4f} ({test['low']:+.4f} to {test['high']:+.4f})"
            rows.append([
                model, package, f"{found['ndcg@100']:.4f} ± {found['standard_error']:.4f}", f"{found['recall@20']:.4f}",
                f"{found['recall@50']:.4f}", difference if package == "recae" else "",
            ])  # fmt: skip
    return table(["model", "package", "NDCG@100", "Recall@20", "Recall@50", "recae's less irspack's, 95 %"], rows)


def _times(rows: Rows) -> str:
    ours = next((row.get("median") for row in rows if row["peer"] == "recae"), None)
    lines = []
    for row in sorted(rows, key=lambda row: row.get("median", float("inf"))):
        remark = "; ".join(part for part in (REMARKS.get((row["task"], row["peer"]), ""), agreement(row)) if part)
        if "reason" in row:
            lines.append([_name(row), "-", "", "", row["reason"]])
            continue
        ratio = f"{row['median'] / ours:.2f}" if ours else ""
        lines.append([_name(row), duration(row["median"]), ratio, f"{row['peak_mb']:,.0f} MB", remark])
    return table(["package", "time", "times recae's", "peak memory", ""], lines)


def _ratings(rows: Rows) -> str:
    lines = []
    for row in sorted(rows, key=lambda row: row.get("rmse", float("inf"))):
        if "reason" in row:
            lines.append([_name(row), "-", row["reason"], "", ""])
            continue
        seconds = [duration(row["median"]), duration(row["predict_seconds"])]
        lines.append([_name(row), f"{row['rmse']:.4f}", *seconds, f"{row['peak_mb']:,.0f} MB"])
    return table(["package and method", "RMSE", "fit", "predicting the test part", "peak memory"], lines)


def _name(row: Result) -> str:
    peer: str = row["peer"]
    name = NAMES.get(peer, peer)
    name = f"{name}, {row['method'].split(' ', 1)[1]}" if row["task"] == "ratings" else name
    return f"**{name}**" if row["peer"] == "recae" else name


def _version(peer: str, found: dict[str, str]) -> str:
    names = {"surprise": "scikit-surprise"}
    return next((v for name, v in found.items() if name.lower() == names.get(peer, peer)), "")


def _figure(value: float, figure: str) -> str:
    return duration(value) if figure == "median" else f"{value:.4f}"
