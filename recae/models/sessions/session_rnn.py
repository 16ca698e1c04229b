"""SessionRNN: the next item, from a user's sessions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from recae._types import IntArray, Mask, Scores
from recae.errors import DataError
from recae.events.next_ranks import ranked_events
from recae.events.session_events import Sessions
from recae.events.session_splits import split_sessions
from recae.models.sessions.near_items import near_items
from recae.models.sessions.next_item_losses import Loss, next_item_loss
from recae.models.sessions.recurrent import RecurrentModel, scores_of
from recae.models.sessions.session_network import NextItemNetwork, SessionNetwork
from recae.ratings import RatingMatrix
from recae.recommender.fitting import FitOptions
from recae.recommender.own_part import FEWEST, finding_epochs
from recae.recommender.params import hyperparameters, param
from recae.recommender.registry import register
from recae.training import Batch

VALIDATION_EVENTS = 4000  # that a validation figure is of, at most
LENGTH = 2.0  # of items' vectors as training starts, where they are not random
CELLS = 1 << 24  # scores that are made at once


@register("session-rnn", "hierarchical recurrent network over sessions, for the next item")
@hyperparameters
class SessionRNN(RecurrentModel):
    """The next item from a GRU over the events of a session, started by a GRU over the user's sessions.

    HRNN (Quadrana, Karatzoglou, Hidasi and Cremonesi, RecSys 2017): s = GRU(x, s) at each event, c = GRU(s_last, c) at
    the end of each session, and the next session starts from tanh(W c + b). With `hierarchy="none"` it is GRU4Rec
    (Hidasi et al., ICLR 2016). Scores are s · e_j + b_j, e_j being the embedding that is also read. The loss is a mean
    over events. A validation part stops training by 1 - NDCG@20 of its events, each asked before it happens. Without
    one, users' last sessions are such a part for a first training; then everything is learnt from for as many epochs.
    """

    loss: Loss = param(
        "softmax", "softmax over all items (over drawn ones from 50,000 items on), top1 or bpr",
        choices=("softmax", "top1", "bpr"),
    )  # fmt: skip
    embeddings: Literal["near", "random"] = param(
        "near", "where items' vectors start: near those of items that they share sessions with, or at random",
        choices=("near", "random"),
    )  # fmt: skip
    negatives: int = param(2048, "items drawn for a step, for all losses but the full softmax", low=1)
    own_part: bool = param(
        True,
        "without a validation part, put each user's last session aside to find how many epochs are best, before all "
        "sessions are learnt from (not with a store on disk)",
    )

    _largest_batch = 8  # larger ones cost less an epoch, and need more epochs than that saves

    @property
    def logarithmic(self) -> bool:  # type: ignore[override]
        """Whether scores are logarithms of chances, but for a constant."""
        return self.loss == "softmax"

    # ---------------------------------------------------------------- fitting

    def _fit(self, ratings: RatingMatrix, validation: RatingMatrix | None, options: FitOptions) -> None:
        parts = self._last_sessions(ratings) if self.own_part and validation is None and self.epochs > 0 else None
        with finding_epochs(self, parts, options) as (_, found):
            self._train(ratings, validation, found)

    def _last_sessions(self, ratings: RatingMatrix) -> tuple[RatingMatrix, RatingMatrix] | None:
        """The ratings before the last session of each user who has two, and those of it; None where they say little."""
        if ratings.is_mapped:
            return None
        try:
            split = split_sessions(self.cut(ratings), validation=False)
        except DataError:  # no user has two
            return None
        return None if split.test.n_ratings < FEWEST else (split.train, split.test)

    def _network(self, ratings: RatingMatrix) -> NextItemNetwork:
        return NextItemNetwork(ratings.n_items, self.hidden, self.hierarchy, **self._parts(ratings))

    def _prepared(self, network: SessionNetwork, ratings: RatingMatrix, events: Sessions) -> SessionNetwork:
        """Biases start from the log of the items' shares, which is the best list for everybody.

        Vectors start from `near_items`: rare items have too few events to find a place of their own.
        """
        assert isinstance(network, NextItemNetwork)
        share = (ratings.counts("item") + 0.5) / (ratings.n_ratings + 0.5 * ratings.n_items)
        with torch.no_grad():
            network.bias.copy_(torch.from_numpy(np.log(share).astype(np.float32)))
            if self.embeddings == "near":
                vectors = torch.from_numpy(LENGTH * near_items(events, self.hidden, self.rng))
                network.items.weight.copy_(torch.where(vectors != 0, vectors, network.items.weight))
        return network

    def _objective(self, model: nn.Module, batch: Batch) -> Tensor:
        assert isinstance(model, NextItemNetwork)
        before = model.dropout(model(batch.input).before)
        return next_item_loss(model, before, batch.target, self.loss, self.negatives)

    def _figure(self, events: Sessions, held_out: Mask) -> float:
        chosen = np.flatnonzero(held_out)
        if len(chosen) > VALIDATION_EVENTS:
            chosen = np.sort(np.random.default_rng(0).permutation(chosen)[:VALIDATION_EVENTS])
        score = self.scores_at(events, events.users[chosen], chosen)
        repeated = events.ratings.repeats is not None
        ranks = ranked_events(events, chosen, score, leave_out_seen=not repeated)
        ranks = ranks[ranks > 0]
        return 1 - float(np.where(ranks <= 20, 1 / np.log2(1 + ranks), 0.0).sum()) / max(1, len(ranks))

    def _scores(self, states: Tensor) -> Scores:
        return scores_of(states, self.network_.logits, len(self.network_.bias), CELLS)

    def scores_at(self, events: Sessions, users: IntArray, stops: IntArray) -> Callable[[IntArray, IntArray], Scores]:
        """`scores_before` of any of these users and stops, whose states are made once, in one pass over each user.

        Args:
            users, stops: as in `scores_before`, (n,); stops in rising order, and each once.
        """
        states = self._states_before(events, users, stops)
        return lambda _users, some: self._scores(states[torch.from_numpy(np.searchsorted(stops, some))])

    def scores_before(self, events: Sessions, users: IntArray, stops: IntArray) -> Scores:
        return self._scores(self._states_before(events, users, stops))

    def item_scores_before(self, events: Sessions, users: IntArray, stops: IntArray, items: IntArray) -> Scores:
        states = self._states_before(events, users, stops)
        with torch.no_grad():
            logits: Tensor = self.network_.logits(states, torch.from_numpy(items).to(states.device))
        return logits.cpu().numpy()
