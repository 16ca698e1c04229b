"""Surprise: its reader, and SVD and SVD++ with its own defaults."""

from __future__ import annotations

import numpy as np
from _given import answer, columns, repeated, timed
from surprise import SVD, Dataset, Reader, SVDpp

METHODS = {
    "svd": lambda: SVD(random_state=0),
    "svd++": lambda: SVDpp(random_state=0, cache_ratings=True),
}


def load(data, out, settings):
    path = str(data / f"{settings['method']}.csv")
    reader = Reader(line_format="user item rating timestamp", sep=",", skip_lines=1, rating_scale=(0.5, 5))
    figures, train = repeated(lambda: Dataset.load_from_file(path, reader).build_full_trainset(), settings)
    return {**figures, "found": [train.n_users, train.n_items, train.n_ratings]}


def ratings(data, out, settings):
    name, _, method = settings["method"].partition(" ")
    train = trainset(*columns(data, f"{name}-train"))
    model = METHODS[method]()
    fit_seconds, _ = timed(lambda: model.fit(train))
    users, items, _ = columns(data, f"{name}-test")
    pairs = [(int(user), int(item), 0.0) for user, item in zip(users, items)]
    predict_seconds, predicted = timed(lambda: model.test(pairs))
    np.save(out / "predicted.npy", np.array([one.est for one in predicted]))
    return {"seconds": [fit_seconds], "predict_seconds": predict_seconds}


def trainset(users, items, values):
    """What it makes of a file, from arrays."""
    low, high = float(values.min()), float(values.max())
    frame_like = list(zip(users.tolist(), items.tolist(), values.tolist(), [None] * len(users)))
    return Dataset(Reader(rating_scale=(low, high))).construct_trainset(frame_like)


if __name__ == "__main__":
    answer({"load": load, "ratings": ratings})
