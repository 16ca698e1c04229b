"""Which networks of ratings train by fused steps on a GPU (`recae.training.fused_steps`), and what these are told."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from recae.distributed.ranks import current
from recae.models.autorec.rating_network import RatingNetwork
from recae.sparse import SparseRows
from recae.sparse.resources import triton_is_here
from recae.training import RowBatches
from recae.training.batches import Batches
from recae.training.fused_steps import FusedSteps, bytes_needed
from recae.training.own_steps import OwnSteps
from recae.training.trainer_settings import TrainerSettings

WIDEST = 2048  # hidden units of the outermost layers, at most, which a program of the kernels holds at once


class FusedRatingNetwork:
    """A `RatingNetwork` whose output is the rating itself, as `FusedSteps` sees it."""

    def __init__(self, network: RatingNetwork) -> None:
        self.network = network
        self.encoder: nn.Parameter = network.core.encoder.layers[0].weight  # type: ignore[index,union-attr]
        self.decoder, self.bias = network.last.weight, network.last.bias
        outermost = {id(self.encoder), id(self.decoder), id(self.bias)}
        self.others = [p for p in network.parameters() if id(p) not in outermost]

    def hidden(self, product: Tensor) -> Tensor:
        """Output of the last hidden layer, (batch, width), from centred rows times V, (batch, k)."""
        core: Any = self.network.core
        hidden: Tensor = core.decoder.hidden(self.network.code_dropout(core.encoder.from_product(product)))
        return hidden

    def read(self, rows: SparseRows) -> tuple[Tensor, Tensor]:
        """What the network is given of each rating, and what its output is compared with there, in the model's unit."""
        given = self.network.core.noise.given(rows)  # type: ignore[operator]
        target = self.network.head.unit.inside(rows.values)
        level = given.level
        return given.rows.values, target if level is None else target - rows.spread(level)


def fused_steps(
    network: nn.Module, batches: Batches, optimizer: torch.optim.Optimizer, settings: TrainerSettings
) -> OwnSteps | None:
    """Fused steps, where they compute what the objective, its gradient and the optimiser would; else None."""
    if not (isinstance(network, RatingNetwork) and _applies(network, batches, settings)):
        return None
    assert isinstance(batches, RowBatches)
    assert isinstance(batches.rows, SparseRows)
    fused = FusedRatingNetwork(network)
    width = max(fused.encoder.shape[1], fused.decoder.shape[1])
    free, _ = torch.cuda.mem_get_info(batches.rows.device)
    if width > WIDEST or bytes_needed(batches.rows, batches.batch_size, width) > free:
        return None
    return FusedSteps(fused, batches.rows, batches.batch_size, optimizer, seed=settings.seed, graph=_is_fixed(network))


def _applies(network: RatingNetwork, batches: Batches, settings: TrainerSettings) -> bool:
    rows = getattr(batches, "rows", None)
    on_gpu = isinstance(rows, SparseRows) and rows.device.type == "cuda" and getattr(batches, "target", None) is None
    kernels = torch.version.cuda is not None and triton_is_here() and not network.dense
    usual = settings.optimizer == "adam" and settings.precision != "bf16" and settings.second is None
    return network.is_plain and on_gpu and kernels and usual and current().size == 1


def _is_fixed(network: nn.Module) -> bool:
    """No layer draws random numbers: a step's launches are always the same."""
    return all(module.p == 0 for module in network.modules() if isinstance(module, nn.Dropout))
