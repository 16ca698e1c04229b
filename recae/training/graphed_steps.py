"""Training steps that are recorded once, as a CUDA graph: objective, gradients and optimiser are one launch a step.

A step of small kernels waits for the host, which takes longer to launch them than a GPU to run them. A graph holds the
addresses and shapes that it was recorded with. So each batch is copied to one place, in which entries have room for the
longest batch; what lies behind a batch's own entries is read by no kernel.

What was recorded is trusted only once it has done what a launched step does: both are taken from the same state, random
numbers included, and compared.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from recae.distributed.ranks import current
from recae.sparse import SparseRows
from recae.sparse.resources import triton_is_here
from recae.training.batches import Batch, Batches, RowBatches, iterate_batches, shares_pattern
from recae.training.checkpoint import random_state, restore_random_state
from recae.training.fused_steps import WARM, most_entries
from recae.training.own_steps import MakeOwnSteps, OwnSteps
from recae.training.trainer_settings import Objective, TrainerSettings

MATRICES = 8  # of (batch, n_cols) numbers, and copies of the weights, that there has to be room for


class GraphedSteps:
    """The steps of a training with Adam at one rate, on batches of sparse rows whose target has their pattern.

    The last batch of an epoch, where it is smaller, goes the usual way.

    Args:
        model, batches, optimizer: on the training device.
        objective: (model, batch) to a scalar loss.
        graph: record a step's launches, and replay them.
    """

    def __init__(
        self, model: nn.Module, batches: RowBatches, objective: Objective, optimizer: torch.optim.Optimizer, *,
        graph: bool,
    ) -> None:  # fmt: skip
        assert isinstance(batches.rows, SparseRows)
        self.model, self.batches, self.objective, self.optimizer = model, batches, objective, optimizer
        self.held = _room(batches.rows, batches.batch_size)
        self.upcoming: Iterator[Batch] = iter(())
        self.graph: torch.cuda.CUDAGraph | None = None
        self.loss: Tensor | None = None
        self.waits = WARM if graph else -1  # steps until the graph is recorded; below 0, none will be

    def begin(self, order: Tensor, rates: Sequence[float], first: int) -> None:
        """See `OwnSteps`."""
        assert len(set(rates)) == 1  # it is recorded
        self.upcoming = iterate_batches(self.batches, torch.split(order, self.batches.batch_size)[first:])

    def step(self, number: int) -> Tensor:  # noqa: ARG002  # steps come in order
        """See `OwnSteps`."""
        batch = next(self.upcoming)
        if len(batch.target) < len(self.held.target):
            return self._run(batch)
        for kept, new in zip(_tensors(self.held), _tensors(batch)):
            kept[: len(new)].copy_(new)
        if self.waits < 0 and self.graph is None:
            return self._run(self.held)
        with torch.cuda.device(self.held.target.device):  # streams and graphs are the current device's
            return self._launch()

    def _launch(self) -> Tensor:
        """A step on the held batch, by the graph if it is recorded."""
        if self.graph is not None:
            assert self.loss is not None
            self.graph.replay()
            return self.loss
        loss = self._run_aside()
        self.waits -= 1
        if self.waits == 0:
            self.waits = -1
            self._record()
        return loss

    def _run(self, batch: Batch) -> Tensor:
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.objective(self.model, batch)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return loss.detach()

    def _run_aside(self) -> Tensor:
        """On another stream, as what is recorded later: autograd would wait for the stream that it ran on first."""
        stream, usual = torch.cuda.Stream(), torch.cuda.current_stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(usual)
        with torch.cuda.stream(stream):
            loss = self._run(self.held)
        usual.wait_stream(stream)
        return loss

    def _record(self) -> None:
        """Record a step, and keep the graph if it does what a launched step does."""
        try:
            graph = self._captured()
            said = None if self._repeats(graph) else "what was recorded is not what is launched"
        except RuntimeError as error:
            said = str(error)
        if said is None:
            self.graph = graph
        else:
            warnings.warn(f"steps are slower than they could be, as no CUDA graph was made: {said}", stacklevel=2)

    def _captured(self) -> torch.cuda.CUDAGraph:
        """A step as a graph; capturing runs nothing."""
        graph, groups = torch.cuda.CUDAGraph(), self.optimizer.param_groups
        for group in groups:
            group["capturable"] = True
        try:
            with torch.cuda.graph(graph):
                self.loss = self._run(self.held)
        finally:
            for group in groups:
                group["capturable"] = False
        return graph

    def _repeats(self, graph: torch.cuda.CUDAGraph) -> bool:
        """Whether `graph` ends where a launched step from the same state does; the state is left as it was."""
        device = self.held.target.device
        before, numbers = self._copies(), random_state(device)
        self._run_aside()
        launched = self._copies()
        self._put_back(before)
        restore_random_state(numbers, device)
        graph.replay()
        replayed = self._copies()
        self._put_back(before)
        restore_random_state(numbers, device)
        return all(_agree(*three) for three in zip(before, launched, replayed))

    def _changed(self) -> list[Tensor]:
        """The tensors that a step changes."""
        states = self.optimizer.state.values()
        moments = [value for state in states for value in state.values() if isinstance(value, Tensor)]
        return [*self.model.parameters(), *self.model.buffers(), *moments]

    def _copies(self) -> list[Tensor]:
        return [tensor.detach().clone() for tensor in self._changed()]

    @torch.no_grad()
    def _put_back(self, copies: list[Tensor]) -> None:
        for tensor, copied in zip(self._changed(), copies):
            tensor.copy_(copied)


def _agree(before: Tensor, launched: Tensor, replayed: Tensor) -> bool:
    """Whether two ways changed a tensor alike: sums may have another order, which changes their last digits."""
    if not launched.is_floating_point():
        return torch.equal(launched, replayed)
    step, apart = (launched - before).norm(), (launched - replayed).norm()
    return bool(apart <= 1e-3 * step + 1e-6 * launched.norm())


def _room(rows: SparseRows, size: int) -> Batch:
    """A batch of `size` rows, with room for as many entries as they can have."""
    device, n = rows.device, most_entries(rows, size)
    indptr, t_indptr = (torch.zeros(m + 1, dtype=torch.int64, device=device) for m in (size, rows.n_cols))
    indices, t_row = (torch.zeros(n, dtype=rows.indices.dtype, device=device) for _ in range(2))
    values, wanted = (torch.zeros(n, dtype=rows.values.dtype, device=device) for _ in range(2))
    t_position = torch.zeros(n, dtype=torch.int64, device=device)
    held = SparseRows(indptr, indices, values, rows.n_cols, [(t_indptr, t_row, t_position)])
    return Batch(held, held.with_values(wanted))


def _tensors(batch: Batch) -> tuple[Tensor, ...]:
    rows, target = batch
    return rows.indptr, rows.indices, rows.values, target.values, *rows.transposed()


def graphed_steps(objective: Objective) -> MakeOwnSteps:
    """What makes the steps of `objective`, in which nothing but tensors changes from step to step, where they apply."""

    def make(
        model: nn.Module, batches: Batches, optimizer: torch.optim.Optimizer, settings: TrainerSettings
    ) -> OwnSteps | None:
        usual = settings.optimizer == "adam" and settings.schedule == "constant" and settings.second is None
        if not (usual and settings.precision != "bf16" and current().size == 1 and _are_held(batches)):
            return None
        assert isinstance(batches, RowBatches)
        return GraphedSteps(model, batches, objective, optimizer, graph=True) if _has_room(model, batches) else None

    return make


def _are_held(batches: Batches) -> bool:
    """Sparse rows on a GPU whose target has their pattern, and more steps than one."""
    rows, target = getattr(batches, "rows", None), getattr(batches, "target", None)
    on_gpu = (
        torch.version.cuda is not None
        and triton_is_here()
        and isinstance(rows, SparseRows)
        and rows.device.type == "cuda"
    )
    shared = shares_pattern(rows, target) and type(batches) is RowBatches
    return on_gpu and shared and batches.batch_size < batches.n_examples


def _has_room(model: nn.Module, batches: RowBatches) -> bool:
    assert isinstance(batches.rows, SparseRows)
    free, _ = torch.cuda.mem_get_info(batches.rows.device)
    weights = sum(p.numel() for p in model.parameters())
    return 4 * MATRICES * (batches.batch_size * batches.rows.n_cols + weights) < free
