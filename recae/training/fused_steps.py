"""Training steps of an autoencoder over sparse rows, fused: what `recae.sparse.cuda_step` is launched with.

Of every step only what lies between the outermost two weights goes through PyTorch, whatever is there. On a GPU the
launches of a step are recorded once, as a CUDA graph: afterwards the host launches one thing a step.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from recae.sparse import SparseRows
from recae.sparse.epoch_order import in_order

WARM = 3  # steps before the graph is recorded, which compile the kernels
BYTES_AN_ENTRY = 100  # of the device, for the rows of an epoch and while they are put in order


class FusedNetwork(Protocol):
    """What a fused step is told of a network: V, W and b; what lies between; and how it reads rows."""

    encoder: nn.Parameter  # V, (n_cols, k)
    decoder: nn.Parameter  # W, (n_cols, width)
    bias: nn.Parameter  # b, (n_cols,)
    others: list[nn.Parameter]

    def hidden(self, product: Tensor) -> Tensor:
        """What W is multiplied by, (batch, width), from rows times V, (batch, k)."""
        ...

    def read(self, rows: SparseRows) -> tuple[Tensor, Tensor]:
        """Input and target of each entry of `rows`, (nnz,) each, noise included."""
        ...


class FusedSteps:
    """The steps of a training with Adam on the summed squared error of stored entries, a mean over rows.

    Args:
        network: on the training device.
        rows: on the same device.
        batch_size: rows a step.
        optimizer: `torch.optim.Adam`, whose settings are read and whose state is kept up.
        seed: of the noise, which each epoch draws anew.
        graph: record a step's launches, and replay them.
    """

    def __init__(
        self, network: FusedNetwork, rows: SparseRows, batch_size: int, optimizer: torch.optim.Optimizer, *,
        seed: int, graph: bool,
    ) -> None:  # fmt: skip
        from recae.sparse import cuda_step

        self.kernels, self.network, self.rows, self.seed = cuda_step, network, rows, seed
        self.size, self.device = min(batch_size, len(rows)), rows.device
        self.n_batches = -(-len(rows) // self.size)
        self.count = torch.zeros((), device=self.device)  # steps so far, as the optimiser has it for each weight
        moments = [self._moments(w, optimizer) for w in (network.encoder, network.decoder, network.bias)]
        self.v, self.w, self.b = moments
        self.others = [self._moments(weight, optimizer) for weight in network.others]
        group = optimizer.param_groups[0]
        rates = torch.zeros(self.n_batches, 2, device=self.device)
        beta1, beta2 = group["betas"]
        self.adam = cuda_step.Adam(rates, beta1, beta2, group["eps"])
        self.epoch: Any = None
        self.graph: torch.cuda.CUDAGraph | None = None
        self.waits = WARM if graph else -1  # steps until the graph is recorded
        self._make_room()

    def _moments(self, weight: nn.Parameter, optimizer: torch.optim.Optimizer) -> Any:
        """The weight with its part of the optimiser's state, which is made where there is none."""
        state = optimizer.state[weight]
        if state:
            self.count.copy_(state["step"])
        else:
            state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(weight), torch.zeros_like(weight)
        state["step"] = self.count
        decay = next(g["weight_decay"] for g in optimizer.param_groups if any(p is weight for p in g["params"]))
        return self.kernels.Moments(weight.detach(), state["exp_avg"], state["exp_avg_sq"], decay)

    def _make_room(self) -> None:
        """Memory that all steps write to."""
        k, width = self.v.weight.shape[1], self.w.weight.shape[1]
        slots = self.kernels.slots(most_entries(self.rows, self.size), self.size)
        part = torch.empty(slots * max(k, width), device=self.device)
        self.part_v, self.part_w = part[: slots * k].view(slots, k), part[: slots * width].view(slots, width)
        self.losses, self.loss = torch.empty(slots, device=self.device), torch.empty((), device=self.device)
        self.product = torch.empty(self.size, k, device=self.device)
        self.d_hidden = torch.empty(self.size, width, device=self.device)

    # ---------------------------------------------------------------- an epoch

    def begin(self, order: Tensor, rates: Sequence[float], first: int) -> None:
        """See `OwnSteps`. The rows are put in the epoch's order, with noise, and each batch's pattern is transposed."""
        done = int(self.count) - first
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            key = np.random.SeedSequence([self.seed % 2**64, done]).generate_state(1, np.uint64)
            torch.manual_seed(int(key[0]))
            made = self._in_order(order)
        self.adam.rates.copy_(self._rates(rates, done))
        if self.epoch is None:
            self.epoch = made
        else:  # at the same addresses, which the graph has
            for kept, new in zip(self.epoch, made):
                kept.copy_(new)

    def _rates(self, rates: Sequence[float], done: int) -> Tensor:
        """What Adam multiplies by in each step, (batches, 2); see `recae.sparse.cuda_step.Adam`."""
        t = done + 1.0 + np.arange(self.n_batches)
        pair = np.stack([np.asarray(rates) / (1 - self.adam.beta1**t), 1 / np.sqrt(1 - self.adam.beta2**t)], axis=1)
        return torch.from_numpy(pair.astype(np.float32))

    def _in_order(self, order: Tensor) -> Any:
        rows, t_indptr, t_row, t_position = in_order(self.rows, torch.split(order, self.size))
        inputs, targets = self.network.read(rows)
        batch = torch.zeros(1, dtype=torch.int64, device=self.device)
        return self.kernels.EpochRows(
            rows.indptr,
            rows.indices,
            inputs,
            targets,
            torch.empty_like(targets),
            t_indptr,
            t_row,
            t_position,
            batch,
        )

    # ---------------------------------------------------------------- a step

    def step(self, number: int) -> Tensor:
        """See `OwnSteps`."""
        self.epoch.batch.fill_(number)
        if self.graph is not None:
            self.graph.replay()
            return self.loss
        self._run()
        self.waits -= 1
        if self.waits == 0:
            self.graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.graph):  # which records, and runs nothing
                self._run()
        return self.loss

    @torch.no_grad()
    def _run(self) -> None:
        rows, kernels = self.epoch, self.kernels
        kernels.encode(rows, self.size, self.v.weight, self.part_v, self.product)
        with torch.enable_grad():
            product = self.product.detach().requires_grad_()
            output = self.network.hidden(product)
        hidden = output.detach().contiguous()
        kernels.decode(
            rows, self.size, hidden, self.w.weight, self.b.weight, self.part_w, self.losses, self.d_hidden
        )  # fmt: skip
        before, *gradients = torch.autograd.grad(output, [product, *self.network.others], self.d_hidden)
        kernels.update(rows, self.adam, hidden, before.contiguous(), self.v, self.w, self.b)
        for moments, gradient in zip(self.others, gradients, strict=True):
            kernels.adam_step(rows, self.adam, moments, gradient)
        torch.sum(self.losses, dim=0, out=self.loss)
        self.count += 1


def most_entries(rows: SparseRows, size: int) -> int:
    """The most entries that a batch of `size` rows can have."""
    lengths = rows.lengths_on_host()
    return int(lengths.topk(min(size, len(lengths))).values.sum())


def bytes_needed(rows: SparseRows, size: int, width: int) -> int:
    """Bytes of the device that fused steps take besides the rows, the weights and their moments."""
    from recae.sparse import cuda_step

    size = min(size, len(rows))
    batches = -(-len(rows) // size)
    parts = 4 * width * (cuda_step.slots(most_entries(rows, size), size) + 2 * size)
    return BYTES_AN_ENTRY * rows.nnz + 16 * batches * rows.n_cols + parts
