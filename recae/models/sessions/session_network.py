"""Two levels of recurrence: events within a session, and sessions within a user's history."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

from recae.models.outputs.ordinal import CumulativeLogit
from recae.models.sessions.packed_gru import packed_gru
from recae.models.sessions.session_packing import RATING_LEVELS, TIME_LEVELS, Level, Packed


class States(NamedTuple):
    """What the network knows; k is the width.

    Attributes:
        before: before each event, in the packed order, (n_events, k): what the event is predicted from.
        after: after each event, (n_events, k).
        start: where a next session of each user would start, (n_users, k).
    """

    before: Tensor
    after: Tensor
    start: Tensor


class Users(NamedTuple):
    """What is known of the users of a batch after some of their sessions, (n_users, k) each.

    Attributes:
        state: of the GRU over sessions; zeros before the first one.
        mean_sum, weights: of attention over the states so far: the weighted sum, and the sum of weights, (n_users, 1).
        told: what the user table adds to starts and inputs; None for nothing.
    """

    state: Tensor
    mean_sum: Tensor
    weights: Tensor
    told: Tensor | None = None

    def of(self, rows: Tensor) -> Users:
        """Those of some users, int64 (m,)."""
        return Users(*(None if each is None else each[rows] for each in self))  # type: ignore[arg-type]


class Attention(nn.Module):
    """alpha = softmax(tanh(W h + b) · q) over what came so far; gives sum alpha h (Yang et al., NAACL 2016)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner = nn.Linear(width, width)
        self.query = nn.Parameter(torch.empty(width))
        self.outer = nn.Linear(width, width, bias=False)
        nn.init.normal_(self.query, std=1 / math.sqrt(width))

    def weight(self, states: Tensor) -> Tensor:
        """exp(tanh(W h + b) · q) of states (..., k), (..., 1); the scores are bounded, so none overflows."""
        return (torch.tanh(self.inner(states)) * self.query).sum(-1, keepdim=True).clamp(-30, 30).exp()

    def over_steps(self, states: Tensor, level: Level) -> Tensor:
        """The sum over the events of each session so far, mapped by a matrix, in packed order, (n, k)."""
        padded, _ = pad_packed_sequence(PackedSequence(states, level.sizes))  # within one level: the only padding
        weight = self.weight(padded)
        mean = (weight * padded).cumsum(0) / weight.cumsum(0)
        mapped: Tensor = self.outer(mean[level.steps, level.sessions])
        return mapped


class SessionNetwork(nn.Module):
    """A GRU over the events of a session, and one over a user's sessions (HRNN: Quadrana et al., RecSys 2017).

    An event is the sum of the embeddings of its item, its rating and the time since the user's event before. At the end
    of a session the user's state takes a step; a session starts from tanh(W c + b), and with "all" c is an input of
    every step too.

    Args:
        n_items: items.
        width: of all embeddings and states.
        hierarchy: "none" (a session knows nothing of those before), "init" or "all".
        attention: states get what attention gives over the events of the session so far; a session's start, over the
            states of the user so far.
        reads_ratings, reads_times: whether these are inputs.
        dropout: share of the entries of inputs, of starts and of the states predicted from that are hidden.
        residual: what ratings leave over of their biases is an input.
        features: of items, (n_items, n_features), which a matrix maps to vectors that are added to the embeddings.
        n_about: features of users, which a matrix maps to a vector that is added to each input of the user's events,
            and within the tanh of each start; 0 for none.
    """

    features: Tensor | None

    def __init__(
        self, n_items: int, width: int, hierarchy: str, *, attention: bool, reads_ratings: bool, reads_times: bool,
        dropout: float, residual: bool = False, features: Tensor | None = None, n_about: int = 0,
    ) -> None:  # fmt: skip
        super().__init__()
        self.width, self.hierarchy = width, hierarchy
        self.items = nn.Embedding(n_items, width)
        self.register_buffer("features", features)
        self.described = None if features is None else nn.Linear(features.shape[1], width, bias=False)
        self.ratings = nn.Embedding(RATING_LEVELS, width) if reads_ratings else None
        self.times = nn.Embedding(TIME_LEVELS, width) if reads_times else None
        self.left = nn.Linear(1, width, bias=False) if residual else None
        self.about = nn.Linear(n_about, width, bias=False) if n_about else None
        self.events = nn.GRU(width, width)
        self.dropout = nn.Dropout(dropout)
        self.over_events = Attention(width) if attention else None
        if hierarchy != "none":
            self.user, self.start = nn.GRUCell(width, width), nn.Linear(width, width)
            self.over_sessions = Attention(width) if attention else None
        if hierarchy == "all":
            self.user_input = nn.Linear(width, width, bias=False)
        for table in (self.items, self.ratings, self.times):
            if table is not None:
                nn.init.normal_(table.weight, std=1 / math.sqrt(width))
        for map_ in (self.described, self.about):
            if map_ is not None:
                nn.init.zeros_(map_.weight)

    def vectors(self, items: Tensor | None = None) -> Tensor:
        """Vectors of `items`, or of all: the embedding, and what features add to it, (n, k)."""
        own: Tensor = self.items.weight if items is None else self.items(items)
        if self.described is None or self.features is None:
            return own
        told: Tensor = self.described(self.features if items is None else self.features[items])
        return own + told

    def inputs(self, batch: Packed) -> Tensor:
        """What the session's GRU reads of each event, (n_events, k)."""
        read = self.vectors(batch.items)
        if self.ratings is not None:
            read = read + self.ratings(batch.ratings)
        if self.times is not None:
            read = read + self.times(batch.times)
        if self.left is not None:
            read = read + self.left(batch.left[:, None])
        dropped: Tensor = self.dropout(read)
        return dropped

    def forward(self, batch: Packed) -> States:
        inputs, before, after = self.inputs(batch), list[Tensor](), list[Tensor]()
        users = self._nobody(inputs, batch)
        for level in batch.levels:
            start, states, users = self._level(inputs, users, level)
            out = states if self.over_events is None else states + self.over_events.over_steps(states, level)
            after.append(out)
            before.append(torch.cat([start, out])[level.previous])
        nothing = inputs[:0]
        return States(torch.cat([nothing, *before]), torch.cat([nothing, *after]), self._start(users))

    def attended(self, batch: Packed) -> tuple[Tensor, Tensor]:
        """What attention weighs by, not normalised: each event in packed order, (n_events,), and each session.

        Sessions are in the order of the levels, (n_sessions,); ones where there is no user level.

        Args:
            batch: of a network with attention.
        """
        assert self.over_events is not None
        inputs, of_events, of_sessions = self.inputs(batch), list[Tensor](), list[Tensor]()
        users = self._nobody(inputs, batch)
        for level in batch.levels:
            _, states, users = self._level(inputs, users, level)
            of_events.append(self.over_events.weight(states)[:, 0])
            own = users.state[level.rows]
            of_users = None if self.hierarchy == "none" else self.over_sessions
            of_sessions.append(torch.ones_like(own[:, 0]) if of_users is None else of_users.weight(own)[:, 0])
        return torch.cat(of_events), torch.cat(of_sessions)

    def _nobody(self, inputs: Tensor, batch: Packed) -> Users:
        """Users before their first session."""
        zeros = inputs.new_zeros(batch.n_users, self.width)
        return Users(zeros, zeros, zeros[:, :1], None if self.about is None else self.about(batch.about))

    def _level(self, inputs: Tensor, users: Users, level: Level) -> tuple[Tensor, Tensor, Users]:
        """The starts of a level's sessions, the GRU's states after their events, and the users' states after these."""
        rows = level.rows
        own = users.of(rows)
        start, read = self._start(own), inputs[level.events]
        if self.hierarchy == "all":
            read = read + self.user_input(own.state)[level.sessions]
        if own.told is not None:
            read = read + own.told[level.sessions]
        states = packed_gru(self.events, read, start, level)
        if self.hierarchy != "none":
            users = self._end(users, rows, states[level.last])
        return start, states, users

    def _start(self, users: Users) -> Tensor:
        """Where sessions of these users start, (n, k)."""
        if self.hierarchy == "none":
            if users.told is None:
                return torch.zeros_like(users.state)
            alone: Tensor = self.dropout(torch.tanh(users.told))
            return alone
        state = users.state
        if self.over_sessions is not None:
            state = state + self.over_sessions.outer(users.mean_sum / users.weights.clamp(min=1e-30))
        mapped = self.start(state)
        started: Tensor = self.dropout(torch.tanh(mapped if users.told is None else mapped + users.told))
        return started

    def _end(self, users: Users, rows: Tensor, last: Tensor) -> Users:
        """The users after a session of each of `rows`, whose last state is `last`."""
        state = self.user(last, users.state[rows])
        after = users._replace(state=users.state.index_copy(0, rows, state))
        if self.over_sessions is None:
            return after
        weight = self.over_sessions.weight(state)
        return after._replace(
            mean_sum=users.mean_sum.index_add(0, rows, weight * state), weights=users.weights.index_add(0, rows, weight)
        )


class NextItemNetwork(SessionNetwork):
    """Scores of the next item: the state times each item's embedding (the one that is read), and a bias."""

    def __init__(self, n_items: int, width: int, hierarchy: str, **parts: bool | float | Tensor | None) -> None:
        super().__init__(n_items, width, hierarchy, **parts)  # type: ignore[arg-type]
        self.bias = nn.Parameter(torch.zeros(n_items))

    def logits(self, states: Tensor, items: Tensor | None = None) -> Tensor:
        """Scores of all items, or of `items`, (m,), from states (n, k): (n, n_items) or (n, m)."""
        if items is None:
            return torch.addmm(self.bias, states, self.vectors().T)
        return torch.addmm(self.bias[items], states, self.vectors(items).T)

    def logits_at(self, states: Tensor, items: Tensor) -> Tensor:
        """Score of one item for each state, (n,)."""
        found: Tensor = (states * self.vectors(items)).sum(1) + self.bias[items]
        return found


class RatingNetwork(SessionNetwork):
    """What a rating leaves over of mu + b_u + b_i: a deviation of the item and an MLP of state, item and product.

    Args:
        head: thresholds between the ratings that can be given; what is left over is then added to the score whose
            expected rating is mu + b_u + b_i. None: it is added to the rating.
    """

    def __init__(
        self, n_items: int, width: int, hierarchy: str, *, head: CumulativeLogit | None = None,
        **parts: bool | float | Tensor | None,
    ) -> None:  # fmt: skip
        super().__init__(n_items, width, hierarchy, residual=True, **parts)  # type: ignore[arg-type]
        self.head = head
        self.deviation = nn.Embedding(n_items, 1)
        self.inner, self.outer = nn.Linear(3 * width, width), nn.Linear(width, 1)
        nn.init.zeros_(self.deviation.weight)
        nn.init.zeros_(self.outer.weight)
        nn.init.zeros_(self.outer.bias)

    def left_over(self, states: Tensor, items: Tensor) -> Tensor:
        """What is left over for each state (n, k) and item (n,): (n,)."""
        vectors = self.vectors(items)
        deep = torch.relu(self.inner(torch.cat([states, vectors, states * vectors], 1)))
        found: Tensor = (self.outer(self.dropout(deep)) + self.deviation(items)).squeeze(1)
        return found

    def score(self, base: Tensor, left: Tensor) -> Tensor:
        """Of the ordinal head: the score whose expected rating is `base`, and what is left over, shape of both."""
        assert self.head is not None
        with torch.no_grad():
            start = self.head.score_of(base)
        return start + left
