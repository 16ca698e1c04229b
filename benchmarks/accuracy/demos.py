"""Run all demos, with every picture and figure, and write the figures to results/demos.json.

    python -m benchmarks.demos --out figures/ [--threads 2]

It runs what `recae demo all --out figures/` runs, and compares the figures with their bars.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks.common.record import write
from recae.demos import run_all
from recae.demos.stage import Stage

Found = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("figures"))
    parser.add_argument("--threads", type=int, help="of PyTorch; its own choice without")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    cpu = time.process_time()
    stage = Stage(out=arguments.out, seed=arguments.seed, device="cpu")
    found = run_all(stage)
    if stage.digits.small:
        raise SystemExit("there is no copy of MNIST: set RECAE_DATA_DIR to the folder that has it")
    judged = bars(found["demos"])
    for bar in judged:
        print(f"{'reached' if bar['reached'] else 'MISSED ':8} {bar['what']}: {bar['figure']} (bar {bar['bar']})")
    circumstances = {key: found[key] for key in ("seconds", "seed", "epochs", "device")}
    command = f"python -m benchmarks.demos --threads {torch.get_num_threads()}"
    circumstances |= {
        "command": command,
        "cpu_seconds": round(time.process_time() - cpu, 1),
        "threads": torch.get_num_threads(),
    }
    print(write("demos", {**circumstances, "bars": judged, "demos": found["demos"]}))


def bars(demos: Found) -> list[Found]:
    """Each figure beside its bar."""
    figures = {name: demo["figures"] for name, demo in demos.items()}
    plain = _row(figures["reconstruct"]["networks"], "network", "plain")
    deep, first = figures["depth"]["networks"][-1], figures["latent"]["codes"][0]
    transfer, spaces = figures["transfer"]["accuracy"], figures["retrieve"]["spaces"]
    gain = min(row["gain_db"] for row in figures["denoise"]["networks"][1:])
    documents = figures["documents"]["spaces"]
    return [
        _bar("plain 256 sigmoid units, test MSE a pixel", plain["test_mse"], "<=", 0.0040),
        _bar("784-392-28-10-2, test MSE a pixel", deep["test_mse"], "<=", 0.042),
        _bar("784-392-28-10-2, kNN accuracy in two units", deep["knn_accuracy"], ">=", 0.80),
        _bar("two principal components, kNN accuracy", first["knn_accuracy"], "<=", 0.5),
        _bar("variational 500-500-20, test bound in nats, grey", figures["generate"]["test_bound_nats"], "<=", 107),
        _bar("anomaly, mean AUC over digits", figures["anomaly"]["mean_auc"], ">=", 0.5),
        _bar("100 labels, above from scratch", transfer[0]["test_accuracy"], ">=", transfer[1]["test_accuracy"]),
        _bar("denoising, smallest gain in dB", gain, ">=", 0),
        _bar("retrieval, precision@10 above PCA's", spaces[2]["precision_at_10"], ">=", spaces[1]["precision_at_10"]),
        _bar("documents, precision@10 above LSA's", documents[2]["precision_at_10"], ">=",
             documents[1]["precision_at_10"]),
        _bar("all demos, seconds", sum(demo["seconds"] for demo in demos.values()), "<=", 1500),
    ]  # fmt: skip


def _row(rows: list[Found], key: str, value: str) -> Found:
    return next(row for row in rows if row[key] == value)


def _bar(what: str, figure: float, way: str, bar: float) -> Found:
    reached = figure <= bar if way == "<=" else figure >= bar
    return {"what": what, "figure": round(figure, 5), "bar": f"{way} {bar}", "reached": reached}


if __name__ == "__main__":
    main()
