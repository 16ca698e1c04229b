"""Run the demos, with every picture and figure, and write the figures to results/demos.json.

    python -m benchmarks.demos --out figures/ [--threads 2] [--only ratings,pca] [--small]

It runs what `recae demo all --out figures/` runs, and compares the figures with their bars. With --only, the named
demos are renewed, each by itself, and the others stay, as does the time of the last run of all; each demo carries the
commit and the date of its run. Demos of rating models are also played in small; tests/test_demos.py does so again, and
fails where a model has changed since. --small takes the built-in 8 x 8 digits and generated documents, writes
results/demos-small.json, and measures how long all of them take.
"""

from __future__ import annotations

import argparse
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.common.record import commit, context, read, write
from recae.datasets.mnist import small_digits
from recae.datasets.newsgroups import small_corpus
from recae.datasets.sample import sample
from recae.demos import DEMOS, run
from recae.demos.digits import Digits
from recae.demos.stage import Stage

Found = dict[str, Any]
KEPT = ("figures", "pictures", "seconds", "processor_seconds")
OF_RATINGS = {"ratings": 10, "groups": 10, "sessions": 2}  # demos of rating models, with their epochs in small


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("figures"))
    parser.add_argument("--threads", type=int, help="of PyTorch; its own choice without")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", help="names of demos, with commas; all of them without")
    parser.add_argument("--small", action="store_true", help="the built-in digits and documents, whatever there is")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    names = arguments.only.split(",") if arguments.only else list(DEMOS)
    file = "demos-small" if arguments.small else "demos"
    if unknown := set(names) - set(DEMOS):
        parser.error(f"--only: there is no demo {unknown.pop()!r}; there are {', '.join(DEMOS)}")
    kept = read(file, {}).get("demos", {}) if arguments.only else {}
    built_in: Found = {"_digits": Digits.of(small_digits()), "_documents": small_corpus()} if arguments.small else {}
    make = partial(Stage, out=arguments.out, seed=arguments.seed, device="cpu", **built_in)
    stage = make()
    if not arguments.small and stage.digits.small:
        raise SystemExit("there is no copy of MNIST: set RECAE_DATA_DIR to the folder that has it")
    for name in names:
        record = run(name, make() if arguments.only else stage)
        origin = {"commit": commit(), "date": context()["date"], "threads": torch.get_num_threads()}
        small = {"in_small": in_small(name)} if name in OF_RATINGS else {}
        kept[name] = {key: record[key] for key in KEPT} | small | origin
        store(file, kept, arguments.seed)
    if not arguments.only:
        store(file, kept, arguments.seed, in_one_run(kept))
    for bar in read(file)["bars"]:
        print(f"{'reached' if bar['reached'] else 'MISSED ':8} {bar['what']}: {bar['figure']} (bar {bar['bar']})")


def in_small(name: str) -> Found:
    """Figures that a demo of rating models has after few epochs on small sets, where every processor finds the same."""
    with tempfile.TemporaryDirectory() as folder:
        stage = Stage(
            out=Path(folder), epochs=OF_RATINGS[name], device="cpu", say=lambda _: None, progress=False,
            _digits=Digits.of(small_digits()), _ratings=sample(160, 120, 5000),
        )  # fmt: skip
        return small_figures(name, run(name, stage)["figures"])


def small_figures(name: str, figures: Found) -> Found:
    """Of a demo's figures on small sets, those that are kept."""
    if name == "ratings":
        people = {key: value for key, value in figures["person"].items() if key.startswith("rmse")}
        return people | {key: value for key, value in figures["sampled"].items() if key.startswith("similarity")}
    measure = {"groups": ("by_time", "rmse"), "sessions": ("models", "ndcg@20")}[name]
    return {row["model"]: row[measure[1]] for row in figures[measure[0]]}


def in_one_run(demos: Found) -> Found:
    """What a run of all demos took: they share what they train, so single runs say nothing of it."""
    last = list(demos.values())[-1]
    total = {key: round(sum(demo[key] for demo in demos.values()), 1) for key in ("seconds", "processor_seconds")}
    return {"demos": len(demos), **total, **{key: last[key] for key in ("commit", "date", "threads")}}


def store(file: str, demos: Found, seed: int, whole: Found | None = None) -> Path:
    """Write what there is, after each demo, so that a run that is stopped has not been for nothing."""
    ordered = {name: demos[name] for name in DEMOS if name in demos}
    whole = whole or read(file, {}).get("in_one_run")
    return write(file, {"seed": seed, "in_one_run": whole, "bars": bars(ordered, whole), "demos": ordered})


def bars(demos: Found, whole: Found | None) -> list[Found]:
    """Each figure beside its bar, of the demos that ran on MNIST and 20 Newsgroups, for which the bars are; the time of
    all in one run."""
    on_full = {
        name: demo["figures"]
        for name, demo in demos.items()
        if str(demo["figures"].get("data")).startswith(("MNIST", "20 Newsgroups"))
    }
    found = [bar for name, figures in on_full.items() for bar in _bars_of(name, figures)]
    if whole is None:
        return found
    what, most = ("demos", 1500) if on_full else ("demos without MNIST and 20 Newsgroups", 180)
    return [*found, _bar(f"all {whole['demos']} {what} in one run, seconds by the clock", whole["seconds"], "<=", most)]


def _bars_of(name: str, figures: Found) -> list[Found]:
    if name == "reconstruct":
        plain = _row(figures["networks"], "network", "plain")
        return [_bar("plain 256 sigmoid units, test MSE a pixel", plain["test_mse"], "<=", 0.0040)]
    if name == "depth":
        deep = figures["deepest"]
        return [
            _bar("784-392-28-10-2, test MSE a pixel, mean of 3", deep["test_mse"], "<=", 0.042),
            _bar("784-392-28-10-2, kNN accuracy in two units, mean of 3", deep["knn_accuracy"], ">=", 0.80),
        ]
    if name == "latent":
        return [_bar("two principal components, kNN accuracy", figures["codes"][0]["knn_accuracy"], "<=", 0.5)]
    if name == "generate":
        return [_bar("variational 500-500-20, test bound in nats, grey", figures["test_bound_nats"], "<=", 107)]
    if name == "anomaly":
        return [_bar("anomaly, mean AUC over digits", figures["mean_auc"], ">=", 0.5)]
    if name == "transfer":
        return [_bar("100 labels, lead over an untrained encoder", figures["leads"][0]["lead"], ">=", 0)]
    if name == "denoise":
        gain = min(row["gain_db"] for row in figures["networks"][1:])
        return [_bar("denoising, smallest gain in dB", gain, ">=", 0)]
    if name in ("retrieve", "documents"):
        spaces = [row["precision_at_10"] for row in figures["spaces"]]
        other = "PCA's" if name == "retrieve" else "LSA's"
        return [_bar(f"{name}, precision@10 above {other}", spaces[2], ">=", spaces[1])]
    return []


def _row(rows: list[Found], key: str, value: str) -> Found:
    return next(row for row in rows if row[key] == value)


def _bar(what: str, figure: float, way: str, bar: float) -> Found:
    reached = figure <= bar if way == "<=" else figure >= bar
    return {"what": what, "figure": round(figure, 5), "bar": f"{way} {bar}", "reached": reached}


if __name__ == "__main__":
    main()
