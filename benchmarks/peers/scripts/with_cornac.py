"""Cornac: its reader, EASE, VAECF (Mult-VAE without dropout and annealing), and lists a user at a time."""

from __future__ import annotations

import time

import numpy as np
from _given import answer, factors, repeated, rows, save_weights
from cornac.data import Dataset, Reader
from cornac.models import EASE, MF, VAECF


def load(data, out, settings):
    path = str(data / f"{settings['method']}.csv")

    def work():
        dataset = Dataset.from_uirt(Reader().read(path, fmt="UIRT", sep=",", skip_lines=1))
        return dataset, dataset.csr_matrix

    figures, (dataset, matrix) = repeated(work, settings)
    return {**figures, "found": [dataset.num_users, dataset.num_items, matrix.nnz]}


def dataset_of(matrix):
    users, items = matrix.nonzero()
    return Dataset.from_uir([(int(user), int(item), 1.0) for user, item in zip(users, items)])


def order(id_map):
    """The raw ids in the order of the indices."""
    return np.array(sorted(id_map, key=id_map.get))


def vae_epoch(data, out, settings):
    """Its training loop is one function: an epoch is a fit of many less a fit of one, divided by the rest."""
    dataset, vae = dataset_of(rows(data, "train")), settings["vae"]

    def fit(epochs):
        start = time.perf_counter()
        VAECF(
            k=vae["latent"], autoencoder_structure=[vae["hidden"]], likelihood="mult", n_epochs=epochs,
            batch_size=vae["batch_size"], learning_rate=vae["lr"], beta=vae["beta"], seed=0,
        ).fit(dataset)  # fmt: skip
        return time.perf_counter() - start

    first = fit(1)
    one = fit(1)
    return {"seconds": [(fit(settings["epochs"] + 1) - one) / settings["epochs"]], "first_seconds": first}


def ease_fit(data, out, settings):
    matrix = rows(data, "train")
    dataset = dataset_of(matrix)
    figures, model = repeated(lambda: EASE(lamb=settings["l2"], posB=False, verbose=False).fit(dataset), settings)
    save_weights(out, model.B, settings, np.argsort(order(dataset.iid_map)))
    return figures


def top_20(data, out, settings):
    users, items = factors(data)
    dataset = dataset_of(rows(data, "seen"))
    given = {"U": users[order(dataset.uid_map)].copy(), "V": items[order(dataset.iid_map)].copy()}
    model = MF(k=users.shape[1], use_bias=False, trainable=False, init_params=given).fit(dataset)

    def work():
        return [model.recommend(user, settings["n"], remove_seen=True, train_set=dataset) for user in range(len(users))]

    figures, lists = repeated(work, settings)
    np.save(out / "lists.npy", np.array(lists))
    return figures


if __name__ == "__main__":
    answer({"load": load, "vae-epoch": vae_epoch, "ease-fit": ease_fit, "top-20": top_20})
