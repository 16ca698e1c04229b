"""Losses of the next item: pure functions of scores; each is a mean over events."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from recae.models.sessions.session_network import NextItemNetwork

Loss = Literal["softmax", "top1", "bpr"]
FULL = 50_000  # items, below which a softmax is over all of them
CELLS = 1 << 22  # scores that are kept for the backward pass at once; more are computed again


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
    """-log softmax(scores)[target], a mean over events; of many events some at a time, scores being computed twice."""

    def summed(part: Tensor, wanted: Tensor) -> Tensor:
        return functional.cross_entropy(network.logits(part), wanted, reduction="sum")

    size = max(1, CELLS // len(network.bias))
    if len(states) <= size:
        return summed(states, targets) / max(1, len(targets))
    total = states.new_zeros(())
    for part, wanted in zip(torch.split(states, size), torch.split(targets, size)):
        total = total + checkpoint(summed, part, wanted, use_reentrant=False, preserve_rng_state=False)
    return total / len(targets)


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
