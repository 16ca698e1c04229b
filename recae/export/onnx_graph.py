"""ONNX: a model that scores a row by itself, as a graph from rows of ratings to the scores that lists are ranked by."""

from __future__ import annotations

import io
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from recae.atomic import check_writable, write_bytes
from recae.errors import MissingExtraError, ModelFileError, ParameterError
from recae.export.dense_rows import DenseRows, dense_rows
from recae.models.ensemble.auto import answering
from recae.ratings.csr import make_csr
from recae.ratings.ids import plain
from recae.recommender.base import Recommender

OPSET = 17
LARGEST = 2_000_000_000  # bytes: one file of ONNX is below 2 GiB
TOLERANCE = 1e-5  # against the largest score of a row, or 1
ROWS = 16  # that the graph is compared on


def export_onnx(model: Recommender, path: str | Path) -> Path:
    """Write a graph from `ratings`, float32 (n, n_items), to `scores`, float32 (n, n_items), as one .onnx file.

    A column an item, in the order of `model.ratings_.item_ids`, which stands in the metadata as JSON (`item_ids`). 0 is
    a missing rating. Scores are those that lists of unseen users are ranked by (`recommend_new`); what a user has is
    not left out. The graph is compared with the model before it is written, to 1e-5.

    Args:
        model: fitted; EASE and other linear models, Mult-VAE and kin, CDAE, or a user-based AutoRec.
        path: the file.

    Raises:
        MissingExtraError: onnx or onnxruntime is not installed.
        ParameterError: the model needs the ratings of others or features, reads a rating of 0, or is too large.
        ModelFileError: the file could not be written, or the graph does not say what the model says.
    """
    onnx, runtime = _packages()
    check_writable(path)
    model = answering(model)
    graph = Ranked(model, dense_rows(model)).eval()
    n = model.ratings_.n_items
    if 4 * sum(part.numel() for part in [*graph.parameters(), *graph.buffers()]) > LARGEST:
        raise ParameterError(f"the graph of {n:,} items is larger than a file of ONNX can be (2 GB)",
                             remedy="export its vectors")  # fmt: skip
    buffer: Any = io.BytesIO()
    at = {0: "rows"}
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of tracing: branches depend on shapes only
        torch.onnx.export(
            graph, (torch.zeros(2, n),), buffer, dynamo=False, opset_version=OPSET, input_names=["ratings"],
            output_names=["scores"], dynamic_axes={"ratings": at, "scores": at},
        )  # fmt: skip
    made = onnx.load_from_string(buffer.getvalue())
    ids = [plain(one) for one in model.ratings_.item_ids.tolist()]
    onnx.helper.set_model_props(made, {"item_ids": json.dumps(ids), "model": repr(model), "missing": "0"})
    content = made.SerializeToString()
    _compare(runtime, content, model)
    return write_bytes(path, content)


class Ranked(nn.Module):
    """What `recommend_new` ranks by: a model's own scores, with its prior or drawn to biases; popularity of no rating.

    Args:
        model: fitted.
        own: the model's own scores of dense rows.
    """

    counts: Tensor
    prior: Tensor | None
    item: Tensor

    def __init__(self, model: Recommender, own: DenseRows) -> None:
        super().__init__()
        self.own, self.weight = own, float(model._model_weight)
        ratings, prior = model.ratings_, model.prior_
        self.register_buffer("counts", torch.tensor(ratings.counts("item"), dtype=torch.float32))
        self.register_buffer("prior", None if prior is None else torch.from_numpy(prior.copy()))
        if self.weight < 1:
            self.mean = float(model._baseline().mean)
            self.register_buffer("item", torch.from_numpy(model._baseline().item.copy()))

    def forward(self, ratings: Tensor) -> Tensor:
        """(n, n_items) to (n, n_items)."""
        stored = ratings != 0
        scores: Tensor = self.own(ratings)
        if self.weight < 1:
            from recae.recommender.biases import USER_L2

            n, over = stored.sum(1, keepdim=True), torch.where(stored, ratings - self.mean - self.item, 0.0)
            baseline = self.mean + over.sum(1, keepdim=True) / (n + USER_L2) + self.item
            scores = baseline + self.weight * (scores - baseline)
        if self.prior is not None:
            scores = scores + self.prior
        empty = ~stored.any(1, keepdim=True)
        equal = (scores == scores[:, :1]).all(1, keepdim=True)
        return torch.where(empty | equal, self.counts, scores)


def _packages() -> tuple[Any, Any]:
    try:
        import onnx
        import onnxruntime
    except ImportError:
        raise MissingExtraError("ONNX needs onnx and onnxruntime: pip install 'recae[onnx]'") from None
    return onnx, onnxruntime


def _compare(runtime: Any, content: bytes, model: Recommender) -> None:
    """Compare scores of some rows: of known users, and one that is empty; in a lean file, of every item alone."""
    ratings, n = model.ratings_, model.ratings_.n_items
    rows = ratings.user_rows[: ROWS - 1].toarray()
    if not len(rows):
        rows = np.eye(n, dtype=np.float32)[: ROWS - 1] * ratings.scale[1]
    dense = np.concatenate([rows, np.zeros((1, n), np.float32)]).astype(np.float32)
    row, column = np.nonzero(dense)
    starts = np.searchsorted(row, np.arange(len(dense) + 1)).astype(np.int64)
    said = model.ranking_scores_new(make_csr(dense[row, column], column.astype(np.int32), starts, dense.shape))
    found = runtime.InferenceSession(content, providers=["CPUExecutionProvider"]).run(None, {"ratings": dense})[0]
    apart = np.abs(found - said).max(1) / np.maximum(1, np.abs(said).max(1))
    if not (apart <= TOLERANCE).all():
        raise ModelFileError(f"the graph differs from the model by {apart.max():.1g}, and is not written")
