"""Losses of the next item: pure functions of scores; each is a mean over events."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from recae.models.sessions.session_network import NextItemNetwork

Loss = Literal["softmax", "top1", "bpr"]
FULL = 50_000  # items, below which a softmax is over all of them
CELLS = 1 << 22  # scores of the full softmax that are made at once


def next_item_loss(network: NextItemNetwork, states: Tensor, targets: Tensor, loss: Loss, negatives: int) -> Tensor:
    """The loss at each event, a mean over events.

    Args:
        states: before each event, (n, k).
        targets: the item that came, int64 (n,).
        loss: "softmax": the cross-entropy over all items, over drawn ones from 50,000 items on; "top1" and "bpr": as
            GRU4Rec has them, against items that other events of the batch are of.
        negatives: items that are drawn for a step.
    """
    n_items = len(network.bias)
    if loss == "softmax" and n_items < FULL:
        return full_softmax(network, states, targets)
    own = network.logits_at(states, targets)
    if loss == "softmax":
        drawn = torch.randint(n_items, (min(negatives, n_items),), device=targets.device)
    else:
        drawn = targets[torch.randint(len(targets), (min(negatives, len(targets)),), device=targets.device)]
    others = network.logits(states, drawn)
    same = drawn == targets[:, None]
    if loss == "softmax":
        return sampled_softmax(own, others, same)
    return top1(own, others, same) if loss == "top1" else bpr(own, others, same)


def full_softmax(network: NextItemNetwork, states: Tensor, targets: Tensor) -> Tensor:
    """-log softmax(scores)[target], a mean over events; scores are made of some events at a time, and not kept."""
    loss: Tensor = _FullSoftmax.apply(states, network.vectors(), network.bias, targets)  # type: ignore[no-untyped-call]
    return loss


class _FullSoftmax(torch.autograd.Function):
    """The cross-entropy of states (n, k), vectors (m, k) and biases (m,), whose gradient is made on the way there.

    The gradient of a score is softmax - 1[target], so that nothing of n x m has to be kept, or made again.
    """

    @staticmethod
    def forward(ctx: Any, states: Tensor, vectors: Tensor, bias: Tensor, targets: Tensor) -> Tensor:
        n, size = len(states), max(1, CELLS // len(bias))
        of_states, of_vectors, of_bias = (torch.zeros_like(each) for each in (states, vectors, bias))
        total = states.new_zeros(())
        for start in range(0, n, size):
            part, wanted = states[start : start + size], targets[start : start + size, None]
            scores = torch.addmm(bias, part, vectors.T)
            scores -= scores.max(1, keepdim=True).values
            total -= scores.gather(1, wanted).sum()
            sums = scores.exp_().sum(1, keepdim=True)
            total += sums.log().sum()
            scores /= sums * n
            scores.scatter_add_(1, wanted, scores.new_full((1, 1), -1 / n).expand_as(wanted))
            torch.mm(scores, vectors, out=of_states[start : start + size])
            of_vectors.addmm_(scores.T, part)
            of_bias += scores.sum(0)
        ctx.save_for_backward(of_states, of_vectors, of_bias)
        return total / max(1, n)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> Any:
        return (*(grads[0] * each for each in ctx.saved_tensors), None)


def sampled_softmax(own: Tensor, others: Tensor, same: Tensor) -> Tensor:
    """The cross-entropy of the target's score, (n,), against those of drawn items, (n, m), `same` where they are it."""
    scores = torch.cat([own[:, None], others.masked_fill(same, -torch.inf)], 1)
    return (scores.logsumexp(1) - own).mean()


def top1(own: Tensor, others: Tensor, same: Tensor) -> Tensor:
    """Mean over other items of sigma(s_j - s_i) + sigma(s_j^2) (Hidasi et al., ICLR 2016), a mean over events."""
    value = torch.sigmoid(others - own[:, None]) + torch.sigmoid(others.square())
    return _mean_of_others(value, same)


def bpr(own: Tensor, others: Tensor, same: Tensor) -> Tensor:
    """Mean over other items of -log sigma(s_i - s_j) (Rendle et al., UAI 2009), a mean over events."""
    return _mean_of_others(-functional.logsigmoid(own[:, None] - others), same)


def _mean_of_others(value: Tensor, same: Tensor) -> Tensor:
    other = ~same
    of_event = (value * other).sum(1) / other.sum(1).clamp(min=1)
    return of_event.mean()
