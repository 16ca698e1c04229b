"""The other side of `benchmarks.peers`: runs in a Python that has the other package, and not recae.

    python _peer.py irspack|recbole FOLDER

Reads FOLDER/{train,shown,wanted,test}.npz and settings.json; writes PACKAGE.json and, irspack's, the scores of the test
rows, ease.npy and mult-vae.npy.
"""

from __future__ import annotations

import json
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
from scipy import sparse


def matrix(folder, name):
    with np.load(folder / f"{name}.npz") as file:
        ones = np.ones(len(file["indices"]))
        return sparse.csr_matrix((ones, file["indices"], file["indptr"]), shape=tuple(file["shape"]))


def irspack(folder, settings):
    from irspack.evaluation import EvaluatorWithColdUser
    from irspack.recommenders.dense_slim import DenseSLIMRecommender
    from irspack.recommenders.multvae import MultVAERecommender

    train, test = matrix(folder, "train"), matrix(folder, "test")
    start = time.perf_counter()
    ease = DenseSLIMRecommender(train, reg=settings["l2"]).learn()
    told = {"ease_seconds": time.perf_counter() - start}
    np.save(folder / "ease.npy", ease.get_score_cold_user(test).astype(np.float32))

    vae = settings["vae"]
    np.random.seed(settings["seed"])  # noqa: NPY002 - what irspack shuffles by
    anneal_epochs = vae["anneal_steps"] * vae["batch_size"] / train.shape[0]
    given = {
        "dim_z": vae["latent"], "enc_hidden_dims": vae["hidden"], "dropout_p": vae["dropout"],
        "kl_anneal_goal": vae["beta"], "anneal_end_epoch": anneal_epochs, "minibatch_size": vae["batch_size"],
        "learning_rate": vae["lr"],
    }  # fmt: skip
    validation = EvaluatorWithColdUser(matrix(folder, "shown"), matrix(folder, "wanted"), cutoff=100)
    model = MultVAERecommender(train, **given)
    model.learn_with_optimizer(
        validation, None, max_epoch=settings["epochs"], validate_epoch=1, score_degradation_max=settings["patience"]
    )
    np.save(folder / "mult-vae.npy", model.get_score_cold_user(test).astype(np.float32))
    timed = MultVAERecommender(train, **given)
    timed.start_learning()
    return told | {"best_epoch": model.learnt_config["train_epochs"], "epoch_seconds": times(timed.run_epoch, settings)}


def recbole(folder, settings):
    """RecBole takes its own files; its splitting is told to leave all for training."""
    from logging import CRITICAL, disable

    from recbole.config import Config
    from recbole.data import create_dataset, data_preparation
    from recbole.model.general_recommender import MultiVAE
    from recbole.trainer import Trainer

    disable(CRITICAL)
    (folder / "peers").mkdir()
    users, items = matrix(folder, "train").nonzero()
    lines = [f"{user}\t{item}" for user, item in zip(users, items)]
    (folder / "peers" / "peers.inter").write_text("\n".join(["user_id:token\titem_id:token", *lines]) + "\n")
    vae = settings["vae"]
    config = Config(
        model=MultiVAE, dataset="peers",
        config_dict={
            "data_path": str(folder), "load_col": {"inter": ["user_id", "item_id"]}, "use_gpu": False,
            "mlp_hidden_dimension": [vae["hidden"]], "latent_dimension": vae["latent"], "dropout_prob": vae["dropout"],
            "anneal_cap": vae["beta"], "total_anneal_steps": vae["anneal_steps"], "learning_rate": vae["lr"],
            "train_batch_size": vae["batch_size"], "train_neg_sample_args": None, "show_progress": False,
            "eval_args": {"split": {"RS": [1, 0, 0]}, "group_by": "user", "order": "RO", "mode": "full"},
            "checkpoint_dir": str(folder / "saved"), "seed": settings["seed"],
        },
    )  # fmt: skip
    batches = data_preparation(config, create_dataset(config))[0]
    model = MultiVAE(config, batches.dataset)
    trainer = Trainer(config, model)
    return {"epoch_seconds": times(lambda: trainer._train_epoch(batches, 0), settings)}


def times(epoch, settings):
    """Seconds of each epoch after the first, in which things are compiled and memory is found."""
    seconds = []
    for _ in range(settings["timed"] + 1):
        start = time.perf_counter()
        epoch()
        seconds.append(time.perf_counter() - start)
    return seconds[1:]


if __name__ == "__main__":
    package, folder = sys.argv[1], Path(sys.argv[2])
    found = {"irspack": irspack, "recbole": recbole}[package](
        folder, json.loads((folder / "settings.json").read_text())
    )
    (folder / f"{package}.json").write_text(json.dumps({"version": version(package), **found}))
