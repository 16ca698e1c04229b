"""Mult-VAE and EASE beside another package's, on one split, measured by one evaluation, in one run.

    python -m benchmarks.peers ml-1m --peer-python /path/to/python
    python -m benchmarks.peers ml-1m --peer-python /path/to/python --also recbole=/path/to/another/python

The other Python has irspack (`pip install irspack jax jaxlib dm-haiku optax`), an optional third one RecBole, of which
only epochs are timed. They are given arrays and give back scores; recae ranks and measures all of them. Ratings of 4
and 5 are liked; users with 5 of them; 1,000 users to stop by and 1,000 to test on, who show 80 % (Liang et al. 2018).

Both Mult-VAEs have the same settings (600-200-600, steps of 500 users, Adam 1e-3, dropout 0.5, β to 0.2 over the same
number of steps) and both keep the best epoch by NDCG@100 of the validation users, in their own package's way.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt

import recae
from benchmarks._record import write
from benchmarks.topn import load
from recae.comparison import paired_test
from recae.evaluation import Report
from recae.models import EASE, MultVAE
from recae.models.base import Recommender, Run
from recae.ratings import RatingMatrix
from recae.splitting import Split

METRICS = ("ndcg@100", "recall@20", "recall@50")
HERE = Path(__file__).parent
TIMED = 10  # epochs, after one that is not


class Given(Recommender):
    """Scores that somebody else made, of exactly these rows."""

    def __init__(self, rows: Any, scores: npt.NDArray[np.float32]) -> None:
        self.rows, self.scores = rows, scores

    def _fit(self, ratings: RatingMatrix, validation: RatingMatrix | None, run: Run) -> None:
        raise NotImplementedError

    def _arrays(self) -> dict[str, Any]:
        raise NotImplementedError

    def _restore(self, arrays: dict[str, Any]) -> None:
        raise NotImplementedError

    def score(self, user_rows: Any) -> npt.NDArray[np.float32]:
        assert user_rows.shape == self.rows.shape
        assert (user_rows != self.rows).nnz == 0
        return self.scores.copy()


def measured(model: Recommender, parts: Split) -> Report:
    """All test users at once, so that given scores stay beside their rows."""
    return recae.evaluate(model, parts, METRICS, block=parts.test.n_users)


def of_peer(parts: Split, scores: npt.NDArray[np.float32]) -> Report:
    """The peer's scores of the test users who have something to be found, by our evaluation."""
    model = Given(parts.test_input.user_rows[_busy(parts)], scores)  # type: ignore[union-attr]
    model.ratings_ = parts.train
    return measured(model, parts)


def hand_over(folder: Path, parts: Split, settings: dict[str, Any]) -> None:
    """What a peer needs: CSR arrays of ones, and settings."""
    assert parts.validation is not None
    assert parts.validation_input is not None
    assert parts.test_input is not None
    busy = np.flatnonzero(parts.validation.counts("user"))
    matrices = {
        "train": parts.train.user_rows, "shown": parts.validation_input.user_rows[busy],
        "wanted": parts.validation.user_rows[busy], "test": parts.test_input.user_rows[_busy(parts)],
    }  # fmt: skip
    for name, rows in matrices.items():
        np.savez(folder / f"{name}.npz", indptr=rows.indptr, indices=rows.indices, shape=rows.shape)
    (folder / "settings.json").write_text(json.dumps(settings))


def ask(python: str, package: str, folder: Path) -> dict[str, Any]:
    """Run the peer; what it reports."""
    found = Path(shutil.which(python) or python).absolute()
    command = [str(found), str(HERE.absolute() / "_peer.py"), package, str(folder)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder)  # RecBole leaves logs where it runs
    answer: dict[str, Any] = json.loads((folder / f"{package}.json").read_text())
    return answer


def ours(parts: Split, settings: dict[str, Any]) -> tuple[dict[str, Report], dict[str, Any]]:
    """Our two models, fitted as the peer's are; their reports, and times."""
    start = time.perf_counter()
    ease = EASE(l2=settings["l2"]).fit(parts.train)
    ease_seconds = time.perf_counter() - start
    vae = MultVAE(**settings["vae"], epochs=settings["epochs"], patience=settings["patience"], rng=settings["seed"])
    vae.fit(parts.train, parts.validation, validation_input=parts.validation_input, progress=False)
    timed = MultVAE(**settings["vae"], epochs=TIMED + 1).fit(parts.train, progress=False)
    epochs = [record["seconds"] for record in timed.history_.records[1:]]
    times = {"ease_seconds": ease_seconds, "epoch_seconds": epochs, "best_epoch": vae.history_.best_epoch}
    return {"ease": measured(ease, parts), "mult-vae": measured(vae, parts)}, times


def _busy(parts: Split) -> npt.NDArray[np.int64]:
    return np.flatnonzero(parts.test.counts("user"))


def _row(report: Report) -> dict[str, float]:
    figures = {metric: float(report[metric]) for metric in METRICS}
    return {**figures, "standard_error": float(report.per_user[METRICS[0]].sem())}


@click.command(help=__doc__)
@click.argument("dataset", type=click.Choice(["ml-1m"]))
@click.option("--peer-python", required=True, help="A Python that has irspack.")
@click.option("--also", default="", help="recbole=PYTHON: time another package's epochs.")
@click.option("--epochs", default=200, show_default=True, help="At most; the best by validation is kept.")
@click.option("--patience", default=50, show_default=True)
@click.option("--l2", default=500.0, show_default=True, help="Of both EASEs.")
@click.option("--seed", default=0, show_default=True)
def main(dataset: str, peer_python: str, also: str, epochs: int, patience: int, l2: float, seed: int) -> None:
    parts = load()
    steps = epochs * -(-parts.train.n_users // 500)
    vae = {"hidden": 600, "latent": 200, "batch_size": 500, "lr": 1e-3, "beta": 0.2, "dropout": 0.5}
    settings = {
        "vae": {**vae, "anneal_steps": int(0.85 * steps)}, "epochs": epochs, "patience": patience, "l2": l2,
        "seed": seed, "timed": TIMED,
    }  # fmt: skip
    reports, times = ours(parts, settings)
    packages = {"recae": times}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        hand_over(folder, parts, settings)
        packages["irspack"] = ask(peer_python, "irspack", folder)
        theirs = {name: of_peer(parts, np.load(folder / f"{name}.npy")) for name in reports}
        if also:
            package, _, python = also.partition("=")
            packages[package] = ask(python, package, folder)
    rows = {f"recae {name}": _row(report) for name, report in reports.items()}
    rows |= {f"irspack {name}": _row(report) for name, report in theirs.items()}
    tests = {
        name: paired_test(reports[name].per_user[METRICS[0]], theirs[name].per_user[METRICS[0]]) for name in reports
    }
    for name, row in rows.items():
        click.echo(f"{name:18s} " + "  ".join(f"{metric} {value:.4f}" for metric, value in row.items()))
    for package, told in packages.items():
        told["epoch_median"] = statistics.median(told["epoch_seconds"])
        click.echo(f"{package:18s} an epoch of Mult-VAE: {told['epoch_median']:.3f} s")
    payload = {
        "data": repr(parts),
        "settings": settings,
        "rows": rows,
        "recae_less_irspack": tests,
        "packages": packages,
    }
    click.echo(str(write(f"peers-{dataset}", payload)))


if __name__ == "__main__":
    main()
