"""The figures of README.md, each with the page that has its table."""

from __future__ import annotations

from typing import Any

from benchmarks.common.markdown import table
from benchmarks.common.paths import ROOT
from benchmarks.common.record import read

PAGE = ROOT / "README.md"
RATINGS = "[rating prediction](docs/ratings.md)"
FIGURES = "[all figures](docs/results/figures.md)"


def parts() -> dict[str, str]:
    """The page's parts by name."""
    ratings, unseen = by_row(read("accuracy-ml-1m")), by_row(read("accuracy-ml-100k"))
    lists = {row["name"]: row for row in read("topn-ml-1m")["rows"]}
    cold = {row["row"]: row["rmse"]["cold items"] for row in read("cold-ml-100k")["rows"]}
    speed, stores = read("speed"), read("store")["rows"]
    epoch = speed["epoch"]
    on_gpu = next(row["seconds"] for row in read("gpu")["rows"] if row["what"] == "epoch, ml-20m, items, recorded")
    made = stores[max(stores, key=int)]["prepare"]
    rows = [
        [
            "RMSE of I-AutoRec on MovieLens-1M, five random 90/10 splits",
            f"{ratings['i-autorec']['rmse']:.4f} (published {ratings['i-autorec']['published']:.3f})", RATINGS,
        ],
        [
            "RMSE of DualAutoRec on the same splits",
            f"{ratings['dual-autorec-ordinal']['rmse']:.4f} (SparseFC {ratings['sparse-fc']['rmse']:.4f})",
            RATINGS,
        ],
        [
            "RMSE for users never trained on, MovieLens-100K, DualAutoRec",
            f"{unseen['unseen-users-dual-autorec']['rmse']:.4f} (biases {unseen['unseen-users-bias']['rmse']:.4f})",
            RATINGS,
        ],
        [
            "RMSE for films without a single rating, MovieLens-100K, CFN by genres and year",
            f"{cold['cfn']:.4f} (without features {cold['bias']:.4f})",
            RATINGS,
        ],
        [
            "NDCG@100 on 1,000 hidden users of MovieLens-1M: Spectral, a linear autoencoder",
            f"{lists['spectral']['ndcg@100']:.4f} (Mult-VAE {lists['mult-vae']['ndcg@100']:.4f})",
            "[lists](docs/topn.md)",
        ],
        [
            "an epoch of I-AutoRec, 500 units, on MovieLens-1M",
            f"{epoch['sparse_seconds']:.2f} s (dense PyTorch {epoch['dense_seconds']:.2f} s)", FIGURES,
        ],
        [
            "the same with 20 million ratings, on one GPU (H200)",
            f"{on_gpu:.3f} s ({speed['sweep'][-1]['seconds']:.1f} s on two CPU cores)",
            "[on a GPU](docs/guides/gpu.md)",
        ],
        [
            f"memory to prepare a store of {made['n_rows'] / 1e6:.0f} million rows",
            f"{made['peak_gib']:.1f} GiB", FIGURES,
        ],
    ]  # fmt: skip
    return {"figures": table(["", "figure", "its table"], rows)}


def by_row(result: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The rows of a table of accuracy by their names."""
    return {row["row"]: row for row in result["rows"]}
