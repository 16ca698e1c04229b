"""implicit: lists from given factors. BLAS has one thread, as implicit asks for: it has threads of its own."""

from __future__ import annotations

import numpy as np
from _given import answer, factors, repeated, rows
from implicit.cpu.als import AlternatingLeastSquares
from threadpoolctl import threadpool_limits


def top_20(data, out, settings):
    users, items = factors(data)
    model = AlternatingLeastSquares(factors=users.shape[1], num_threads=0)
    model.user_factors, model.item_factors = users, items
    seen, everybody = rows(data, "seen"), np.arange(len(users))

    def work():
        return model.recommend(everybody, seen, N=settings["n"], filter_already_liked_items=True)[0]

    with threadpool_limits(1, "blas"):
        figures, lists = repeated(work, settings)
    np.save(out / "lists.npy", lists)
    return figures


if __name__ == "__main__":
    answer({"top-20": top_20})
