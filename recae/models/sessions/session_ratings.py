"""SessionRatingRNN: the rating that a user is going to give, from the user's sessions so far."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from recae._types import Csr, DoubleArray, FloatArray, IntArray, Mask, Scores
from recae.events.session_events import Sessions
from recae.models.outputs.ordinal import CumulativeLogit
from recae.models.sessions.recurrent import RecurrentModel, scores_of
from recae.models.sessions.session_model import sessions_of_new, undated_strangers
from recae.models.sessions.session_network import RatingNetwork
from recae.ratings import RatingMatrix
from recae.ratings.any_frame import as_pandas
from recae.ratings.ids import as_id_array
from recae.recommender import frames
from recae.recommender.at_moments import PredictsAtMoments, moments
from recae.recommender.base import UnknownPairs
from recae.recommender.biases import USER_L2
from recae.recommender.params import default, hyperparameters, param
from recae.recommender.registry import register
from recae.training import Batch

CELLS = 1 << 19  # pairs of a state and an item that are computed at once


@register("session-rnn-ratings", "hierarchical recurrent network over sessions, for ratings in time")
@hyperparameters
class SessionRatingRNN(PredictsAtMoments, RecurrentModel):
    """The rating of a user, an item and a moment, from what the user did before that moment.

    The prediction is mu + b_i + b_u + d_i + MLP([s, e_i, s * e_i]). s is the state before the moment, of the two GRUs
    of `SessionRNN`; mu and b_i are the biases of the ratings learnt from; b_u is the sum of what the user's earlier
    ratings leave over of mu + b_i, divided by their number + 5; d_i and e_i are learnt. Nothing after the moment is
    read. The loss is the mean squared error over ratings, each predicted from those before it (of one moment, in an
    order drawn); with `output="ordinal"`, minus the log-likelihood of ordered levels, the score of mu + b_i + b_u being
    moved by what the network gives. A validation part stops training by RMSE, each of its ratings being predicted from
    earlier moments.

    `predict(users, items, timestamps=...)` asks at moments; without them, and in lists, after all known ratings.
    """

    output: Literal["identity", "ordinal"] = param(
        "identity", "squared error of ratings, or the likelihood of ordered levels, whose mean is predicted",
        choices=("identity", "ordinal"),
    )  # fmt: skip
    l2: float = default(1e-5)
    lr: float = default(2e-3)

    # ---------------------------------------------------------------- training

    def _network(self, ratings: RatingMatrix) -> RatingNetwork:
        head = None
        if self.output == "ordinal":
            levels, counts = map(torch.from_numpy, np.unique(ratings.user_rows.data, return_counts=True))
            head = CumulativeLogit(levels, counts)
        return RatingNetwork(ratings.n_items, self.hidden, self.hierarchy, head=head, **self._parts(ratings))

    def _facts(self, events: Sessions) -> tuple[FloatArray, FloatArray]:
        of_item = self._of_items(events)
        total, count = _before(events.values - of_item, events)
        base = (of_item + total / (count + USER_L2)).astype(np.float32)
        return base, np.asarray((events.values - base) / self._unit.factor, np.float32)

    def _of_items(self, events: Sessions) -> DoubleArray:
        """mu + b_i of each event, (n_events,)."""
        biases = self._baseline()
        return biases.mean + np.asarray(biases.item, np.float64)[events.items]

    def _objective(self, model: nn.Module, batch: Batch) -> Tensor:
        assert isinstance(model, RatingNetwork)
        packed = batch.input
        left = model.left_over(model.dropout(model(packed).before), packed.items)
        if model.head is not None:
            ratings = packed.base + self._unit.factor * packed.left
            return -model.head.log_likelihood(model.score(packed.base, left), ratings).mean()
        loss: Tensor = (left - packed.left).square().mean()
        return loss

    def _figure(self, events: Sessions, held_out: Mask) -> float:
        known = np.bincount(events.items[~held_out], minlength=events.ratings.n_items) > 0
        error = self._predicted(events, known)[held_out] - events.values[held_out].astype(np.float64)
        return float(np.sqrt(np.square(error).mean()))

    # ---------------------------------------------------------------- asking

    def predict_events(self, events: Sessions) -> Scores:
        """The rating of each event, (n_events,), predicted from the user's earlier events, within the scale.

        Events of the same moment are not earlier ones.

        Args:
            events: in the item columns of the ratings that the model was fitted on, of any users.
        """
        return self._predicted(events, self._fitted().counts("item") > 0)

    def _predicted(self, events: Sessions, known: Mask) -> Scores:
        """As `predict_events`; items that are not `known`, (n_items,), are predicted by the biases."""
        parts = [np.empty(0, np.float32)]
        for _, some, packed, states in self._asked(events, np.flatnonzero(np.diff(events.user_starts))):
            of_item, first = self._of_items(some), some.moment_starts()
            place, base = np.empty(some.n_events, np.int64), np.empty(some.n_events, np.float32)
            place[packed.order], base[packed.order] = np.arange(some.n_events), packed.base.cpu().numpy()
            out = np.asarray(of_item + (base - of_item)[first], np.float32)
            before = states.before[torch.from_numpy(place[first[packed.order]]).to(states.before.device)]
            with torch.no_grad():
                left = self.network_.left_over(before, packed.items)
            base = out[packed.order]
            out[packed.order] = np.where(known[some.items[packed.order]], self._rated(base, left), base)
            parts.append(out)
        return np.clip(np.concatenate(parts), *events.ratings.scale)

    def predict_new(self, new_ratings: Any, pairs: pd.DataFrame, *, unknown: UnknownPairs = "error") -> Scores:
        """As of any model. A column `timestamp` of `new_ratings` gives the order of a user's events.

        Where `pairs` has one, too, each is asked at that moment, from the user's events before it.
        """
        self._fitted()
        frames.check_choice("unknown", unknown, get_args(UnknownPairs))
        new = frames.new_users(new_ratings, self, unknown=unknown)
        table = as_pandas(pairs)
        frames.require(table, ("user", "item"), "pairs")
        users, items = frames.find_pairs(new, table["user"], table["item"], unknown)
        times = None
        if "timestamp" in table.columns and new.timestamps is not None:
            times = moments(as_id_array(table["timestamp"]), len(users))
        return frames.without_unknown(self._rated_of_new(new, users, items, times), users, items, unknown)

    def _rated_of_new(
        self, new: RatingMatrix, row_index: IntArray, item_index: IntArray, times: DoubleArray | None = None
    ) -> Scores:
        if new.timestamps is None and not self._user_columns:
            return super()._rated_of_new(new, row_index, item_index)
        events = sessions_of_new(new, 60 * self.gap)
        out = self._baseline().at(np.full(len(item_index), -1), item_index)
        served = self._serves("item", item_index) & (row_index >= 0)
        if not served.all():
            whole = super().predict_pairs_new(new.user_rows, row_index, item_index)
            out = np.where(served, out, whole)
        at = None if times is None or new.timestamps is None else times[served]
        out[served] = self._from(events, row_index[served], item_index[served], at)
        return np.clip(out, *self.ratings_.scale)

    def _at(self, user_index: IntArray, item_index: IntArray, times: DoubleArray) -> Scores:
        return self._from(self.sessions_, user_index, item_index, times)

    def _from(self, events: Sessions, users: IntArray, items: IntArray, times: DoubleArray | None) -> Scores:
        """Ratings of pairs at moments, (n,), unclipped; at the end of the users' events where no moments are said."""
        distinct, users = np.unique(users, return_inverse=True)
        events = events.of_users(distinct)
        (starts, stops), fresh = events.spans(users), None
        if times is not None:
            stops = _stops(events, users, times)
            last = np.append(events.times, 0)[np.maximum(stops - 1, 0)]
            fresh = (stops == starts) | (times - last > 60 * self.gap)
        states = self._states_before(events, users, stops, fresh)
        level = self._level(events, users, stops) + np.asarray(self._baseline().item)[items]
        pairs = torch.from_numpy(np.asarray(items, np.int64)).to(states.device)
        with torch.no_grad():
            parts = [self.network_.left_over(*part)
                     for part in zip(torch.split(states, CELLS), torch.split(pairs, CELLS))]  # fmt: skip
        return self._rated(np.asarray(level, np.float32), torch.cat([states.new_empty(0), *parts]))

    def _rated(self, base: FloatArray, left: Tensor) -> Scores:
        """Ratings from mu + b_i + b_u, and what the network leaves over of them, shape of both; unclipped."""
        if self.network_.head is None:
            return np.asarray(base + self._unit.factor * left.cpu().numpy(), np.float32)
        with torch.no_grad():
            mean: Tensor = self.network_.head.mean(self.network_.score(torch.from_numpy(base).to(left.device), left))
        return np.asarray(mean.cpu().numpy(), np.float32)

    def _level(self, events: Sessions, users: IntArray, stops: IntArray) -> FloatArray:
        """mu + b_u from the events before the positions `stops` of users, (n,)."""
        distinct, own = np.unique(users, return_inverse=True)
        some = events.of_users(distinct)
        through = np.concatenate([[0.0], _running(some.values - self._of_items(some), some)])
        known = stops - events.spans(users)[0]
        total = np.where(known > 0, through[some.spans(own)[0] + known], 0.0)
        return np.asarray(self._baseline().mean + total / (known + USER_L2), np.float32)

    # ---------------------------------------------------------------- lists

    def scores_before(self, events: Sessions, users: IntArray, stops: IntArray) -> Scores:
        return self.item_scores_before(events, users, stops, np.arange(self.ratings_.n_items))

    def item_scores_before(self, events: Sessions, users: IntArray, stops: IntArray, items: IntArray) -> Scores:
        states, m = self._states_before(events, users, stops), len(items)
        every = torch.from_numpy(np.asarray(items, np.int64)).to(states.device)

        def score(part: Tensor) -> Tensor:
            left: Tensor = self.network_.left_over(part.repeat_interleave(m, 0), every.repeat(len(part)))
            return left.view(len(part), m)

        left = torch.from_numpy(scores_of(states, score, m, CELLS)).to(states.device)
        base = self._level(events, users, stops)[:, None] + np.asarray(self._baseline().item)[items]
        return self._rated(np.asarray(base, np.float32), left)

    def _pairs(self, user_index: IntArray, item_index: IntArray) -> Scores:
        return self._from(self.sessions_, user_index, item_index, None)

    def _pairs_new(self, user_rows: Csr, row_index: IntArray, item_index: IntArray) -> Scores:
        return self._from(undated_strangers(self.ratings_, user_rows), row_index, item_index, None)


def _stops(events: Sessions, users: IntArray, times: DoubleArray) -> IntArray:
    """The user's first event that is not before the moment, of each pair, (n,)."""
    out = np.empty(len(users), np.int64)
    starts = events.event_starts
    order = np.argsort(users, kind="stable")
    distinct, first = np.unique(users[order], return_index=True)
    for user, part in zip(distinct, np.split(order, first[1:])):
        out[part] = starts[user] + np.searchsorted(events.times[starts[user] : starts[user + 1]], times[part])
    return out


def _running(values: DoubleArray, events: Sessions) -> DoubleArray:
    """Sums up to each event of its user, that event included, (n_events,): each user's by itself."""
    sums = pd.Series(values).groupby(events.users).cumsum().to_numpy()
    return np.asarray(sums, np.float64)


def _before(values: DoubleArray, events: Sessions) -> tuple[DoubleArray, IntArray]:
    """Sums of the values of a user's earlier events, and how many there are, (n_events,) each."""
    count = np.arange(events.n_events) - np.repeat(events.event_starts[:-1], np.diff(events.event_starts))
    sums = np.concatenate([[0.0], _running(values, events)])[:-1]
    return np.where(count > 0, sums, 0.0), count
