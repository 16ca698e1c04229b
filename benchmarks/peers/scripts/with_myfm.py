"""myFM: a Bayesian factorisation machine on users and items, rank 10 and 500 samples as in its examples."""

from __future__ import annotations

import numpy as np
from _given import answer, columns, timed
from myfm import MyFMRegressor
from scipy import sparse

RANK, SAMPLES, BURN_IN = 10, 500, 100


def ratings(data, out, settings):
    name, _, _ = settings["method"].partition(" ")
    shape = settings["shapes"][name]
    users, items, values = columns(data, f"{name}-train")
    x = one_hot(users, items, shape)
    model = MyFMRegressor(rank=RANK, random_seed=0)

    def fit():
        groups = [0] * shape[0] + [1] * shape[1]
        return model.fit(x, values.astype(float), n_iter=SAMPLES, n_kept_samples=SAMPLES - BURN_IN, grouping=groups)

    fit_seconds, _ = timed(fit)
    users, items, _ = columns(data, f"{name}-test")
    predict_seconds, predicted = timed(lambda: model.predict(one_hot(users, items, shape)))
    np.save(out / "predicted.npy", predicted)
    return {"seconds": [fit_seconds], "predict_seconds": predict_seconds}


def one_hot(users, items, shape):
    """Two ones a rating: the user's column, and the item's."""
    columns = np.stack([users, shape[0] + items], 1).ravel()
    return sparse.csr_matrix(
        (np.ones(len(columns)), columns, np.arange(0, len(columns) + 1, 2)), (len(users), sum(shape))
    )


if __name__ == "__main__":
    answer({"ratings": ratings})
