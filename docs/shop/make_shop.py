"""Write a shop that nobody has: 150,000 purchases by 6,000 customers of 2,000 products, and the table of products.

python docs/shop/make_shop.py FOLDER [PURCHASES]
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

SHELVES = ("Garden", "Kitchen", "Tools", "Toys", "Books", "Sports", "Bath", "Office")
KINDS = ("Lamp", "Basket", "Knife", "Ball", "Box", "Brush", "Chair", "Towel", "Clock", "Rope")
COLOURS = ("red", "blue", "green", "black", "white", "grey")


def main(folder: Path, purchases: int = 150_000, customers: int = 6_000, products: int = 2_000) -> None:
    rng = np.random.default_rng(7)
    folder.mkdir(parents=True, exist_ok=True)
    shelf = rng.integers(len(SHELVES), size=products)
    draws = 1 / (1 + rng.permutation(products)) ** 0.7  # some sell much better
    taste = rng.dirichlet(np.full(len(SHELVES), 0.3), size=customers)  # a customer buys from few shelves
    user = rng.choice(customers, size=purchases, p=rng.dirichlet(np.full(customers, 2.0)))
    wanted = (taste[user].cumsum(1) > rng.random((purchases, 1))).argmax(1)
    item = np.empty(purchases, int)
    for one in range(len(SHELVES)):
        on_it, now = np.flatnonzero(shelf == one), np.flatnonzero(wanted == one)
        item[now] = rng.choice(on_it, size=len(now), p=draws[on_it] / draws[on_it].sum())
    day = pd.Timestamp("2026-01-01") + pd.to_timedelta(np.sort(rng.integers(0, 300 * 86400, purchases)), unit="s")
    bought = pd.DataFrame({"customer_id": [f"C{u:05d}" for u in user], "product_id": [f"P-{i:04d}" for i in item],
                           "date": day.strftime("%Y-%m-%d %H:%M:%S")})  # fmt: skip
    bought.to_csv(folder / "purchases.csv", index=False)
    names = [f"{rng.choice(COLOURS)} {rng.choice(KINDS)} for the {SHELVES[one].lower()}" for one in shelf]
    price, there = rng.lognormal(3, 0.8, products).round(2), rng.random(products) < 0.9
    table = {"product_id": [f"P-{i:04d}" for i in range(products)], "title": names,
             "category": [SHELVES[one] for one in shelf], "price": price, "in_stock": there}  # fmt: skip
    pd.DataFrame(table).to_csv(folder / "products.csv", index=False)
    print(f"{len(bought):,} purchases and {products:,} products are in {folder}.")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:3]))
