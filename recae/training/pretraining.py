"""Greedy layer-wise pretraining of a deep autoencoder (Bengio et al., 2007; Vincent et al., 2010)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from recae.errors import ParameterError
from recae.nn import Autoencoder, Decoder, Encoder
from recae.nn.layers import Rows
from recae.training.batches import RowBatches
from recae.training.objectives import Reconstruction
from recae.training.reporting import History
from recae.training.trainer import Objective, Trainer


def pretrain(
    model: Autoencoder,
    batches: RowBatches,
    objective: Objective,
    trainer: Trainer,
    *,
    epochs: int,
    noise: nn.Module | None = None,
) -> list[History]:
    """Train each encoder layer with the decoder layer that mirrors it, outermost first, in place.

    The outermost pair learns the rows under `objective`; each inner pair learns the codes of the pair before
    it, under squared error summed over units. The pairs' weights are the deep model's own, so fine-tuning
    starts where this ends.

    Args:
        model: an autoencoder of an `Encoder` and a `Decoder` with equally many layers.
        batches: the rows.
        objective: for the outermost pair.
        trainer: settings to train with; its checkpoint and its second objective are not used here.
        epochs: for each pair.
        noise: corrupts each pair's input (stacked denoising); by default the model's own noise for the first pair.

    Raises:
        ParameterError: the model is not a mirrored stack.
    """
    encoder, decoder = model.encoder, model.decoder
    if not (
        isinstance(encoder, Encoder) and isinstance(decoder, Decoder) and len(encoder.layers) == len(decoder.layers)
    ):
        raise ParameterError("layer-wise pretraining needs an Encoder and a Decoder with equally many layers")
    rows: Rows = batches.rows
    histories = []
    for depth in range(len(encoder.layers)):
        pair = _pair(model, encoder, decoder, depth, noise)
        settings = replace(
            trainer, epochs=epochs, patience=None, checkpoint=None, resume=False, seed=trainer.seed + 1 + depth,
            second=None, label=f"pretraining layer {depth + 1}",  # a second objective is of the whole model
        )  # fmt: skip
        inner = objective if depth == 0 else _code_objective
        histories.append(settings.fit(pair, RowBatches(rows, batch_size=batches.batch_size), inner))
        rows = _codes(pair, rows)
    return histories


def _pair(model: Autoencoder, encoder: Encoder, decoder: Decoder, depth: int, noise: nn.Module | None) -> Autoencoder:
    """A shallow autoencoder around the deep one's own layers."""
    outer = Encoder.of([encoder.layers[depth]], [encoder.activations[depth]], encoder.dropout.p)
    inner = Decoder.of([decoder.layers[-1 - depth]], [], 0.0)
    pair = Autoencoder(outer, inner, noise=noise if noise is not None or depth else model.noise)
    pair.output = model.output if depth == 0 else decoder.activations[-depth]
    return pair


_code_objective = Reconstruction("summed-squared-error")


@torch.no_grad()
def _codes(pair: Autoencoder, rows: Any) -> Tensor:
    """Codes of all rows, a block at a time."""
    device = next(pair.parameters()).device
    blocks = torch.split(torch.arange(len(rows)), 4096)
    return torch.cat([pair.encode(rows[block].to(device)) for block in blocks])
