"""The tables of docs/topn.md."""

from __future__ import annotations

from typing import Any

import pandas as pd

from benchmarks.common.markdown import gibibytes, p_value, table
from benchmarks.common.paths import DOCS
from benchmarks.common.record import read
from benchmarks.pages.candidates import LABELS, at_edges, numbers_tried
from recae.comparison import paired_test
from recae.comparison.leagues import LEAGUES, league_of
from recae.models import make_model

PAGE = DOCS / "topn.md"
Result = dict[str, Any]


def parts() -> dict[str, str]:
    """The page's parts by name."""
    return {
        "topn-ml-1m": f"{hidden_users(read('topn-ml-1m'), numbers_tried())}\n\n{edges()}",
        "gowalla": gowalla(read("gowalla")),
        "large-catalogue": large_catalogue(read("large_catalogue")), "known-truth": known_truth(read("known-truth")),
    }  # fmt: skip


def hidden_users(result: Result, tried: dict[str, int]) -> str:
    """All models on hidden users of MovieLens-1M, the best first, each beside the best of its league.

    `tried` says how many settings there were to choose among; "-" where a model has none to choose.
    """
    rows = []
    best: dict[str, Result] = {}
    for row in result["rows"]:
        deviation, league = row["seed_deviation"], league_of(make_model(row["model"]))
        first = best.setdefault(league, row)
        better_by = {} if first is row else paired_test(pd.Series(first["per_user"]), pd.Series(row["per_user"]))
        rows.append([
            row["name"], LEAGUES[league], str(tried.get(row["name"], "-")),
            f"{row['ndcg@100']:.4f} ± {row['standard_error']:.4f}",
            "" if deviation is None else f"± {deviation:.4f} ({len(row['runs'])})", f"{row['recall@20']:.4f}",
            f"{row['recall@50']:.4f}", f"{row['coverage@20']:.2f}", f"{row['fit_seconds']:.1f}",
            p_value(better_by),
        ])  # fmt: skip
    figures = ["NDCG@100", "between seeds", "Recall@20", "Recall@50", "coverage", "fit, s", "p"]
    return table(["model", "league", "settings tried", *figures], rows)


def edges() -> str:
    """Of rows with a grid, by their names here, the settings at its edge."""
    grids = read("linear_vs_mf-ml-1m")["ranking"]["tried"]
    return at_edges({name: grids[label] for name, label in LABELS.items()})


def gowalla(result: Result) -> str:
    """Published figures on Gowalla, and ours with their bars."""
    rows = [
        [f"{name}, published", "ratings only", f"{recall:.4f}", f"{ndcg:.4f}" if ndcg else "", "", "", ""]
        for name, (recall, ndcg) in result["published"].items()
    ]
    for row in result["rows"]:
        bar = f"{row['bar recall-plain@20']:.4f} / {row['bar ndcg@20']:.4f}"
        reached = row["reached recall-plain@20"] and row["reached ndcg@20"]
        league = LEAGUES[league_of(make_model(row["model"]))]
        name, model = row.get("name", row["model"]), row["model"]
        rows.append([
            f"**{name}**{'' if name == model else ', ' + model}{in_words(row['settings'])}", league,
            f"{row['recall-plain@20']:.4f}", f"{row['ndcg@20']:.4f}",
            f"{bar}, {'reached' if reached else 'missed'}", f"{row['fit_seconds'] / 60:.0f}",
            gibibytes(row["peak_mb"]),
        ])  # fmt: skip
    return table(["model", "league", "Recall@20", "NDCG@20", "bar", "fit, minutes", "peak memory"], rows)


def known_truth(result: Result) -> str:
    """NDCG@100 on generated likes, a column for each number of users (`python -m benchmarks.known_truth`)."""
    sizes = list(dict.fromkeys(row["users"] for row in result["rows"]))
    models = list(dict.fromkeys(row["model"] for row in result["rows"]))
    found = {(row["model"], row["users"]): row for row in result["rows"]}
    rows = [[f"`{model}`" if model != "truth" else "the truth",
             *(f"{found[model, size]['ndcg@100']:.4f}" for size in sizes)] for model in models]  # fmt: skip
    return table(["model", *(f"{size:,} users" for size in sizes)], rows)


def large_catalogue(result: Result) -> str:
    """Spectral on generated catalogues: what it takes, and whether its lists make sense."""
    rows = [
        [
            f"{row['n_items']:,}", f"{row['n_users']:,}", f"{row['n_pairs'] / 1e6:.1f}",
            gibibytes(row["generate"]["peak_mb"]), gibibytes(row["fit"]["peak_mb"]), gibibytes(row["lists"]["peak_mb"]),
            f"{row['fit']['processor_seconds']:.0f}",
            f"{row['lists']['processor_seconds'] / result['settings']['lists']:.2g}",
            f"{row['own_kinds']:.0%} ({row['by_chance']:.1%})",
        ]
        for row in result["rows"]
    ]  # fmt: skip
    memory = [f"peak memory, {when}" for when in ("pairs made", "fitted", "lists made")]
    seconds = [f"{what}, processor s" for what in ("fit", "a list")]
    head = ["items", "users", "pairs, millions", *memory, *seconds, "listed of own kinds"]
    return table(head, rows)


def in_words(settings: Result) -> str:
    """Settings, each after a comma; of a member that is a model, its name."""
    return "".join(f", {key} {word(value)}" for key, value in settings.items())


def word(value: Any) -> str:
    if isinstance(value, dict):
        return str(value["model"]) + (f" of {word(value['base'])}" if "base" in value else "")
    if isinstance(value, list | tuple):
        return " + ".join(word(one) for one in value)
    return value if isinstance(value, str) else f"{value:g}"
