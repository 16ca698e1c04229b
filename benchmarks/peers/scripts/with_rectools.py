"""RecTools: a Dataset from a frame, EASE, and lists through its wrapper of implicit's ALS."""

from __future__ import annotations

import numpy as np
import pandas as pd
from _given import answer, factors, repeated, rows, save_weights
from implicit.cpu.als import AlternatingLeastSquares
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import EASEModel, ImplicitALSWrapperModel
from threadpoolctl import threadpool_limits

TYPES = {"userId": "int64", "movieId": "int64", "rating": "float32", "timestamp": "int64"}
NAMES = {"userId": Columns.User, "movieId": Columns.Item, "rating": Columns.Weight, "timestamp": Columns.Datetime}


def load(data, out, settings):
    """To the CSR matrix that its models ask it for."""
    path = data / f"{settings['method']}.csv"

    def work():
        frame = pd.read_csv(path, dtype=TYPES, engine="c").rename(columns=NAMES)
        return Dataset.construct(frame).get_user_item_matrix()

    figures, matrix = repeated(work, settings)
    return {**figures, "found": [*matrix.shape, matrix.nnz]}


def dataset_of(matrix):
    users, items = matrix.nonzero()
    return Dataset.construct(
        pd.DataFrame({Columns.User: users, Columns.Item: items, Columns.Weight: 1.0, Columns.Datetime: "2020-01-01"})
    )


def ease_fit(data, out, settings):
    matrix = rows(data, "train")
    dataset = dataset_of(matrix)
    figures, model = repeated(lambda: EASEModel(regularization=settings["l2"]).fit(dataset), settings)
    save_weights(out, model.weight, settings, dataset.item_id_map.convert_to_internal(np.arange(matrix.shape[1])))
    return figures


def top_20(data, out, settings):
    """Its wrapper takes fitted factors; BLAS has one thread, as implicit, which does the work, asks for."""
    users, items = factors(data)
    dataset = dataset_of(rows(data, "seen"))
    als = AlternatingLeastSquares(factors=users.shape[1], num_threads=0)
    als.user_factors = np.ascontiguousarray(users[dataset.user_id_map.external_ids])
    als.item_factors = np.ascontiguousarray(items[dataset.item_id_map.external_ids])
    model = ImplicitALSWrapperModel(als)
    model.model, model.is_fitted = als, True
    everybody = np.arange(len(users))

    def work():
        return model.recommend(users=everybody, dataset=dataset, k=settings["n"], filter_viewed=True)

    with threadpool_limits(1, "blas"):
        figures, frame = repeated(work, settings)
    frame = frame.sort_values([Columns.User, Columns.Rank])
    np.save(out / "lists.npy", frame[Columns.Item].to_numpy().reshape(len(users), settings["n"]))
    return figures


if __name__ == "__main__":
    answer({"load": load, "ease-fit": ease_fit, "top-20": top_20})
