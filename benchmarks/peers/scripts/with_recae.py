"""recae, by the same rules as everybody else: a process of its own, arrays in, seconds out."""

from __future__ import annotations

import numpy as np
from _given import answer, columns, factors, repeated, rows, timed
from scipy import sparse

import recae
from recae.ratings import RatingMatrix


def implicit_ratings(matrix):
    return matrix_of(sparse.csr_array(matrix), (0.0, 1.0))


def ratings_of(users, items, values, shape):
    matrix = sparse.csr_array((values.astype(np.float32), (users, items)), shape=tuple(shape))
    return matrix_of(matrix, (float(values.min()), float(values.max())))


def matrix_of(user_rows, scale):
    """All users and items, those without a rating too."""
    user_rows.sort_indices()
    n_users, n_items = user_rows.shape
    return RatingMatrix(user_rows, np.arange(n_users), np.arange(n_items), scale)


def load(data, out, settings):
    figures, ratings = repeated(lambda: recae.load(data / f"{settings['method']}.csv"), settings)
    return {**figures, "found": [ratings.n_users, ratings.n_items, ratings.n_ratings]}


def autorec_epoch(data, out, settings):
    users, items, values = columns(data, "ml-1m-train")
    ratings = ratings_of(users, items, values, settings["autorec"]["shape"])
    given = {key: settings["autorec"][key] for key in ("hidden", "batch_size", "l2", "lr")}
    model = recae.AutoRec(by="item", **given, input="raw", noise=0.0, epochs=settings["epochs"] + 1, rng=0)
    return epochs(model.fit(ratings, progress=False))


def vae_epoch(data, out, settings):
    ratings = implicit_ratings(rows(data, "train"))
    model = recae.MultVAE(**settings["vae"], epochs=settings["epochs"] + 1, own_part=0.0).fit(ratings, progress=False)
    return epochs(model)


def epochs(model):
    seconds = [record["seconds"] for record in model.history_.records]
    return {"seconds": seconds[1:], "first_seconds": seconds[0]}


def ease_fit(data, out, settings):
    ratings = implicit_ratings(rows(data, "train"))
    figures, model = repeated(lambda: recae.EASE(l2=settings["l2"], device="cpu").fit(ratings), settings)
    np.save(out / "weights.npy", model.weights_[: settings["compared"]].numpy())
    return figures


def top_20(data, out, settings):
    users, items = factors(data)
    model = recae.ImplicitALS(factors=users.shape[1])
    model.ratings_ = implicit_ratings(rows(data, "seen"))
    model.user_factors_, model.item_factors_ = users, items
    figures, lists = repeated(lambda: model.recommend(model.ratings_.user_ids, settings["n"]), settings)
    np.save(out / "lists.npy", lists["item"].to_numpy().reshape(len(users), settings["n"]))
    return figures


def ratings(data, out, settings):
    name, _, method = settings["method"].partition(" ")
    about = settings["methods"][name][method]
    users, items, values = columns(data, f"{name}-train")
    train = ratings_of(users, items, values, settings["shapes"][name])
    model = recae.make_model(about["model"], **about["params"])
    fit_seconds, _ = timed(lambda: model.fit(train, progress=False))
    users, items, _ = columns(data, f"{name}-test")
    predict_seconds, predicted = timed(lambda: model.predict_pairs(users, items))
    np.save(out / "predicted.npy", predicted)
    return {"seconds": [fit_seconds], "predict_seconds": predict_seconds}


if __name__ == "__main__":
    answer(
        {"load": load, "autorec-epoch": autorec_epoch, "vae-epoch": vae_epoch, "ease-fit": ease_fit, "top-20": top_20,
         "ratings": ratings}
    )  # fmt: skip
