"""RecTools: a Dataset from a frame, EASE, lists through its wrapper of implicit's ALS, and SASRec for the next item."""

from __future__ import annotations

import numpy as np
import pandas as pd
from _given import (
    answer,
    asked_events,
    factors,
    latest_items,
    repeated,
    rows,
    save_weights,
    stopped_by_validation,
)
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


def next_item(data, out, settings):
    """Its SASRec by its own settings, stopped by validation, and its scores of the test events.

    It trains on the latest 101 events of each user, one sequence a user.
    """
    import logging
    import warnings

    import torch  # here, so that tasks without a network do not wait for it
    from rectools.models import SASRecModel

    warnings.filterwarnings("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    torch.manual_seed(0)
    train = pd.read_csv(data / "train.csv")
    train = train.rename(columns={"user": Columns.User, "item": Columns.Item}).assign(**{Columns.Weight: 1.0})
    train[Columns.Datetime] = pd.to_datetime(train.pop("time"), unit="s")  # places in the order of events
    dataset = Dataset.construct(train)
    model = SASRecModel(recommend_torch_device="cpu")
    model.fit_partial(dataset, min_epochs=0, max_epochs=0)  # makes the network, so that an epoch is like any other
    known, asked = model.data_preparator.item_id_map, asked_events(data)
    column = known.to_internal.reindex(np.arange(settings["items"])).fillna(-1).to_numpy(dtype=np.int64)

    def score(some):
        return transformer_scores(model.torch_model, asked, some, column, model.data_preparator.session_max_len)

    figures = stopped_by_validation(
        model.torch_model, lambda _: model.fit_partial(dataset, min_epochs=1, max_epochs=1), score, asked, settings
    )
    np.save(out / "scores.npy", score(asked["test"]))
    return figures


def transformer_scores(network, asked, some, column, longest):
    """Scores of all items for the events `some`, from the user's latest events before; -inf for unknown items."""
    import torch

    network.eval()
    found = []
    with torch.no_grad():
        items = network.item_model.get_all_embeddings()
        for part in np.array_split(some, max(1, len(some) // 256)):
            x = torch.zeros(len(part), longest, dtype=torch.long)
            for row, latest in zip(x, latest_items(asked, part, column, longest)):
                if len(latest):
                    row[-len(latest) :] = torch.from_numpy(latest)
            scores = (network.encode_sessions({"x": x}, items)[:, -1] @ items.T).numpy()
            found.append(np.where(column >= 0, scores[:, np.maximum(column, 0)], -np.inf).astype(np.float32))
    return np.concatenate(found)


if __name__ == "__main__":
    answer({"load": load, "ease-fit": ease_fit, "top-20": top_20, "next-item": next_item})
