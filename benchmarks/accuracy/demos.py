"""Run the demos, with every picture and figure, and write the figures to results/demos.json.

    python -m benchmarks.demos --out figures/ [--threads 2] [--only ratings,pca]

It runs what `recae demo all --out figures/` runs, and compares the figures with their bars. With --only, the named
demos are renewed and the others stay; each carries the commit and the date of its run.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch

from benchmarks.common.record import commit, context, read, write
from recae.demos import DEMOS, run
from recae.demos.stage import Stage

Found = dict[str, Any]
KEPT = ("figures", "pictures", "seconds", "processor_seconds")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("figures"))
    parser.add_argument("--threads", type=int, help="of PyTorch; its own choice without")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", help="names of demos, with commas; all of them without")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    names = arguments.only.split(",") if arguments.only else list(DEMOS)
    kept = read("demos", {})["demos"] if arguments.only else {}
    stage = Stage(out=arguments.out, seed=arguments.seed, device="cpu")
    if stage.digits.small:
        raise SystemExit("there is no copy of MNIST: set RECAE_DATA_DIR to the folder that has it")
    for name in names:
        record = run(name, stage)
        origin = {"commit": commit(), "date": context()["date"], "threads": torch.get_num_threads()}
        kept[name] = {key: record[key] for key in KEPT} | origin
        store(kept, arguments.seed)
    for bar in bars(kept):
        print(f"{'reached' if bar['reached'] else 'MISSED ':8} {bar['what']}: {bar['figure']} (bar {bar['bar']})")


def store(demos: Found, seed: int) -> Path:
    """Write what there is, after each demo, so that a run that is stopped has not been for nothing."""
    ordered = {name: demos[name] for name in DEMOS if name in demos}
    whole = list(ordered) == list(DEMOS)
    return write("demos", {"seed": seed, "bars": bars(ordered) if whole else [], "demos": ordered})


def bars(demos: Found) -> list[Found]:
    """Each figure beside its bar."""
    figures = {name: demo["figures"] for name, demo in demos.items()}
    plain = _row(figures["reconstruct"]["networks"], "network", "plain")
    deep, first = figures["depth"]["deepest"], figures["latent"]["codes"][0]
    transfer, spaces = figures["transfer"]["accuracy"], figures["retrieve"]["spaces"]
    gain = min(row["gain_db"] for row in figures["denoise"]["networks"][1:])
    documents = figures["documents"]["spaces"]
    return [
        _bar("plain 256 sigmoid units, test MSE a pixel", plain["test_mse"], "<=", 0.0040),
        _bar("784-392-28-10-2, test MSE a pixel", deep["test_mse"], "<=", 0.042),
        _bar("784-392-28-10-2, kNN accuracy in two units, mean of 3", deep["knn_accuracy"], ">=", 0.80),
        _bar("two principal components, kNN accuracy", first["knn_accuracy"], "<=", 0.5),
        _bar("variational 500-500-20, test bound in nats, grey", figures["generate"]["test_bound_nats"], "<=", 107),
        _bar("anomaly, mean AUC over digits", figures["anomaly"]["mean_auc"], ">=", 0.5),
        _bar("100 labels, above from scratch", transfer[0]["test_accuracy"], ">=", transfer[1]["test_accuracy"]),
        _bar("denoising, smallest gain in dB", gain, ">=", 0),
        _bar("retrieval, precision@10 above PCA's", spaces[2]["precision_at_10"], ">=", spaces[1]["precision_at_10"]),
        _bar("documents, precision@10 above LSA's", documents[2]["precision_at_10"], ">=",
             documents[1]["precision_at_10"]),
        _bar("all demos, seconds of processor time", sum(d["processor_seconds"] for d in demos.values()), "<=", 1500),
    ]  # fmt: skip


def _row(rows: list[Found], key: str, value: str) -> Found:
    return next(row for row in rows if row[key] == value)


def _bar(what: str, figure: float, way: str, bar: float) -> Found:
    reached = figure <= bar if way == "<=" else figure >= bar
    return {"what": what, "figure": round(figure, 5), "bar": f"{way} {bar}", "reached": reached}


if __name__ == "__main__":
    main()
