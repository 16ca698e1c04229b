"""irspack: DenseSLIM (which is EASE) and Mult-VAE in JAX."""

from __future__ import annotations

import numpy as np
from _given import answer, repeated, rows, timed
from irspack.evaluation import EvaluatorWithColdUser
from irspack.recommenders.dense_slim import DenseSLIMRecommender
from irspack.recommenders.multvae import MultVAERecommender


def ease_fit(data, out, settings):
    train = rows(data, "train", np.float64)
    figures, model = repeated(lambda: DenseSLIMRecommender(train, reg=settings["l2"]).learn(), settings)
    np.save(out / "weights.npy", np.asarray(model.W[: settings["compared"]], np.float32))
    return figures


def untrained(train, vae):
    """With the annealing in epochs, as irspack counts it."""
    return MultVAERecommender(
        train, dim_z=vae["latent"], enc_hidden_dims=vae["hidden"], dropout_p=vae["dropout"],
        kl_anneal_goal=vae["beta"], anneal_end_epoch=vae["anneal_steps"] * vae["batch_size"] / train.shape[0],
        minibatch_size=vae["batch_size"], learning_rate=vae["lr"],
    )  # fmt: skip


def vae_epoch(data, out, settings):
    np.random.seed(0)  # noqa: NPY002 - what irspack shuffles by
    model = untrained(rows(data, "train", np.float64), settings["vae"])
    model.start_learning()
    seconds = [timed(model.run_epoch)[0] for _ in range(settings["epochs"] + 1)]
    return {"seconds": seconds[1:], "first_seconds": seconds[0]}


def accuracy(data, out, settings):
    """Scores of the test rows by either model; Mult-VAE keeps its best epoch by the validation users, in its own way.

    irspack's initial weights and dropout have a seed of their own; ours decides the order of users.
    """
    train, test = rows(data, "train", np.float64), rows(data, "test", np.float64)
    if settings["method"] == "ease":
        model = DenseSLIMRecommender(train, reg=settings["l2"])
        seconds, _ = timed(model.learn)
        figures = {}
    else:
        np.random.seed(int(settings["method"].split()[1]))  # noqa: NPY002
        validation = EvaluatorWithColdUser(rows(data, "shown"), rows(data, "wanted"), cutoff=100)
        model = untrained(train, settings["vae"])
        seconds, _ = timed(
            lambda: model.learn_with_optimizer(
                validation, None, max_epoch=settings["most_epochs"], validate_epoch=1,
                score_degradation_max=settings["patience"],
            )
        )  # fmt: skip
        figures = {"best_epoch": model.learnt_config["train_epochs"]}
        figures["validation_ndcg"] = float(validation.get_target_score(model))
    np.save(out / "scores.npy", np.asarray(model.get_score_cold_user(test), np.float32))
    return {**figures, "seconds": [seconds]}


if __name__ == "__main__":
    answer({"ease-fit": ease_fit, "vae-epoch": vae_epoch, "accuracy": accuracy})
