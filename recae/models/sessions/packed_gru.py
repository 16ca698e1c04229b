"""A GRU over packed sequences whose backward pass computes the weights' gradient once, and not at every step."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from recae.models.sessions.session_packing import Level


def packed_gru(gru: nn.GRU, inputs: Tensor, start: Tensor, level: Level) -> Tensor:
    """States after each event, (n, k); what `torch.nn.GRU` gives for the same packed sequence.

    PyTorch's own backward pass adds to the gradient of the weights at each step, which for sessions of hundreds of
    events is most of its time. Here a step computes what the step before it needs; the rest is a product at the end.

    Args:
        gru: of one layer, whose weights are used.
        inputs: of each event, in the packed order of `level`, (n, k).
        start: state of each session before its first event, (n_sessions, k).
    """
    weights: Any = gru
    gates = functional.linear(inputs, weights.weight_ih_l0, weights.bias_ih_l0)
    inner = weights.weight_hh_l0, weights.bias_hh_l0
    out: Tensor = _PackedGRU.apply(gates, start, *inner, level.sizes.tolist(), level.previous)  # type: ignore[no-untyped-call]
    return out


class _PackedGRU(torch.autograd.Function):
    """r, z = sigma(g + W h + b), n = tanh(g_n + r (W_n h + b_n)), h' = n + z (h - n); g is given for all events."""

    @staticmethod
    def forward(
        ctx: Any, gates: Tensor, start: Tensor, weight: Tensor, bias: Tensor, sizes: list[int], previous: Tensor
    ) -> Tensor:
        k = start.shape[1]
        out, new, gated = (torch.empty_like(gates[:, :k]) for _ in range(3))
        open_ = torch.empty_like(gates[:, : 2 * k])
        state, first, transposed = start, 0, weight.t()
        for size in sizes:
            state, rows = state[:size], slice(first, first + size)
            inner = torch.addmm(bias, state, transposed)
            both = torch.sigmoid(torch.add(gates[rows, : 2 * k], inner[:, : 2 * k], out=open_[rows]), out=open_[rows])
            gated[rows] = inner[:, 2 * k :]
            fresh = torch.tanh(torch.addcmul(gates[rows, 2 * k :], both[:, :k], inner[:, 2 * k :]), out=new[rows])
            state = torch.lerp(fresh, state, both[:, k:], out=out[rows])
            first += size
        ctx.sizes = sizes
        ctx.save_for_backward(out, new, gated, open_, start, weight, previous)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> Any:
        out, new, gated, open_, start, weight, previous = ctx.saved_tensors
        k = start.shape[1]
        reset, update = open_[:, :k], open_[:, k:]
        before = torch.cat([start, out])[previous]
        of_new = (1 - update) * (1 - new * new)
        of_reset = of_new * gated * reset * (1 - reset)
        of_update = (before - new) * update * (1 - update)
        factors = torch.stack([of_reset, of_update, of_new * reset], 1)  # of each of W h + b, per unit of the state's
        passed = torch.zeros_like(start)
        inner = torch.empty_like(factors)
        states = torch.empty_like(out)
        stop = len(out)
        for size in reversed(ctx.sizes):
            rows = slice(stop - size, stop)
            state = torch.add(passed[:size], grads[0][rows], out=states[rows])
            step = torch.mul(state[:, None], factors[rows], out=inner[rows])
            passed[:size] = torch.addmm(state * update[rows], step.view(size, 3 * k), weight)
            stop -= size
        inner = inner.view(-1, 3 * k)
        gates = torch.cat([inner[:, : 2 * k], states * of_new], 1)
        return gates, passed, inner.t() @ before, inner.sum(0), None, None
