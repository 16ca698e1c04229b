"""`RecurrentModel`: how a network over sessions is trained, asked and stored; the two heads derive from it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from recae._types import FloatArray, IntArray, Mask, Scores
from recae.distributed.ranks import choose_device
from recae.events.cutting import joined_sessions
from recae.events.session_events import Sessions
from recae.models.autorec.feature_tables import Column, checksum_of_read, encode_rows, encode_table, learn_columns
from recae.models.sessions.session_model import SessionModel
from recae.models.sessions.session_network import SessionNetwork, States
from recae.models.sessions.session_packing import Packed, pack
from recae.models.sessions.user_batches import UserBatches, longest_sessions
from recae.ratings import RatingMatrix
from recae.recommender.epochs import TrainedInBatches, load_network, network_arrays
from recae.recommender.fingerprints import scales
from recae.recommender.fitting import FitOptions
from recae.recommender.learned import LearnedArrays
from recae.recommender.params import default, hyperparameters, learned, param
from recae.training import Batch

Hierarchy = Literal["none", "init", "all"]
EVENTS = 1 << 15  # of users that are asked at once


@hyperparameters
class RecurrentModel(SessionModel, TrainedInBatches):
    """Base of `SessionRNN` and `SessionRatingRNN`.

    A step takes all events of some users. The d-th sessions of all of them are computed together, as packed sequences,
    so that its cost follows the number of events, and not users x sessions x longest session. Unseen users need no
    table: they are served from their events.
    """

    shares_rows: ClassVar[bool] = True

    hierarchy: Hierarchy = param(
        "init", 'what a session knows of those before: "none"; its start ("init"); or each of its steps ("all")',
        choices=("none", "init", "all"),
    )  # fmt: skip
    hidden: int = param(64, "width of embeddings and states", low=1, tune=(32, 256, "log"))
    attention: bool = param(False, "weigh the session's events and the user's sessions; `explain` shows the weights")
    reads_ratings: bool = param(True, "ratings are inputs")
    reads_times: bool = param(True, "the time since the event before is an input")
    features: Literal["both", "user", "item", "none"] = param(
        "none", "whose tables are read, where there are any", choices=("both", "user", "item", "none")
    )
    dropout: float = param(0.2, "share of entries of inputs and states that training hides", low=0, high=0.95,
                           tune=(0.0, 0.5))  # fmt: skip
    l2: float = param(0.0, "L2 weight on the weights, against the loss of a mean event", low=0)
    lr: float = default(3e-3, tune=(5e-4, 1e-2, "log"))
    schedule: str = default("constant")
    epochs: int = default(20)
    patience: int | None = default(5, help="epochs without a better validation figure before stopping")
    batch_size: int | None = default(
        None, help="users a step; none for an eighth of them, at most 8 (next item) or 32 (ratings)", low=1
    )

    network_: Any = learned()
    _user_columns: list[Column] = learned()  # that are read of the user table
    _told: tuple[RatingMatrix, FloatArray | None] = learned()  # whose table they are learnt from; what it says of users

    _largest_batch = 32

    # ---------------------------------------------------------------- what a model writes

    @abstractmethod
    def _network(self, ratings: RatingMatrix) -> SessionNetwork:
        """An untrained network."""

    @abstractmethod
    def _objective(self, model: nn.Module, batch: Batch) -> Tensor:
        """What is minimised, a mean over the events of a batch."""

    @abstractmethod
    def _figure(self, events: Sessions, held_out: Mask) -> float:
        """How far the network is from the events `held_out`, (n_events,), asked before they happen; small is good."""

    def _facts(self, events: Sessions) -> tuple[FloatArray | None, FloatArray | None]:
        """What each event's rating is compared with, and what it leaves over, (n_events,) each; None for none."""
        return None, None

    def _prepared(self, network: SessionNetwork, ratings: RatingMatrix, events: Sessions) -> SessionNetwork:
        """The network as training starts with it, from ratings and their `events`."""
        return network

    # ---------------------------------------------------------------- fitting

    def _fit(self, ratings: RatingMatrix, validation: RatingMatrix | None, options: FitOptions) -> None:
        self._train(ratings, validation, options)

    def _train(self, ratings: RatingMatrix, validation: RatingMatrix | None, options: FitOptions) -> None:
        """Learn from `ratings` and stop by `validation`, or after `options.stop_after` epochs."""
        events, device = self.cut(ratings), choose_device(self.device)
        busy = np.flatnonzero(np.diff(events.user_starts))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.rng)
            self.network_ = self._prepared(self._network(ratings), ratings, events).to(device)
        known = self._known(events)

        def make(index: Tensor, device: torch.device) -> Batch:
            packed = self._packed(events, busy[index.numpy()], device, known)
            return Batch(packed, packed.items)

        size = self._rows_a_step(len(busy))
        batches = UserBatches(len(busy), make, size, len(busy), lengths=longest_sessions(events, busy))
        trainer = self._trainer(ratings, validation, options, decay=self.l2, mean_over="ratings")
        validate = None if validation is None else self._validator(ratings, validation)
        self.history_ = trainer.fit(self.network_, batches, self._objective, validate)

    def _validator(self, ratings: RatingMatrix, validation: RatingMatrix) -> Any:
        """Held-out events stand among the others, in the order of time; each is asked from those before it."""
        events, part = joined_sessions([ratings, validation], 60 * self.gap)

        def validate(network: nn.Module) -> float:
            training = network.training
            network.eval()
            figure = self._figure(events, part == 1)
            network.train(training)
            return figure

        return validate

    # ---------------------------------------------------------------- asking the network

    def _known(self, events: Sessions) -> dict[str, FloatArray | None]:
        """What is known of all events and users, as `pack` takes it."""
        base, left = self._facts(events)
        return {"base": base, "left": left, "about": self._told_of(events)}

    def _packed(
        self, events: Sessions, users: IntArray, device: torch.device, known: dict[str, FloatArray | None] | None = None
    ) -> Packed:
        known = self._known(events) if known is None else known
        return pack(events, users, by_depth=self.hierarchy != "none", device=device, **known)

    def _packed_of(self, events: Sessions, users: IntArray) -> tuple[Sessions, Packed]:
        """The events of `users`, (n,), alone, and packed: the work follows theirs, and not those of everybody."""
        some = events.of_users(users)
        device = next(self.network_.parameters()).device
        return some, self._packed(some, np.arange(len(users)), device)

    def _asked(self, events: Sessions, users: IntArray) -> Iterator[tuple[IntArray, Sessions, Packed, States]]:
        """Blocks of distinct `users` (positions in it), their events alone and packed, and the network's states."""
        starts, stops = events.spans(users)
        block = np.cumsum(stops - starts) // EVENTS
        for k in np.unique(block):
            chosen = np.flatnonzero(block == k)
            some, packed = self._packed_of(events, users[chosen])
            with torch.no_grad():
                yield chosen, some, packed, self.network_(packed)

    def _states_before(self, events: Sessions, users: IntArray, stops: IntArray, fresh: Mask | None = None) -> Tensor:
        """States from which what comes at the positions `stops` of `users` is predicted, (n, k), on the device.

        Args:
            fresh: whether a new session begins there, (n,). None where events say it: before an event, its session;
                after all events of a user, the last one goes on.
        """
        out = torch.empty(len(users), self.hidden, device=next(self.network_.parameters()).device)
        distinct, where = np.unique(users, return_inverse=True)
        known = stops - events.spans(users)[0]  # events of the user that are before it
        for chosen, some, packed, states in self._asked(events, distinct):
            asked = np.flatnonzero((where >= chosen[0]) & (where <= chosen[-1]))
            last, at = np.zeros(some.n_events + 1, bool), np.full(some.n_events + 1, -1)
            last[some.session_starts[1:] - 1] = True
            at[packed.order] = np.arange(len(packed.order))
            first, after = some.spans(where[asked] - chosen[0])
            stop = first + known[asked]
            end = stop >= after
            anew = (stop <= first) | (False if fresh is None else fresh[asked])
            inside = ~end if fresh is None else ~end & (anew | ~last[np.maximum(stop - 1, 0)])
            begins = end & anew
            rest = ~inside & ~begins
            for kind, found, index in (
                (inside, states.before, at[stop]), (begins, states.start, where[asked] - chosen[0]),
                (rest, states.after, at[np.maximum(stop - 1, 0)]),
            ):  # fmt: skip
                if kind.any():
                    out[torch.from_numpy(asked[kind])] = found[torch.from_numpy(index[kind]).to(found.device)]
        return out

    def attention_of(self, events: Sessions, user: int) -> dict[str, FloatArray]:
        if not self.attention:
            return {}
        own, packed = self._packed_of(events, np.array([user]))
        with torch.no_grad():
            of_events, of_sessions = (each.double().cpu().numpy() for each in self.network_.attended(packed))
        weight, session = np.empty(own.n_events), own.session_of
        weight[packed.order] = of_events
        now = session == own.n_sessions - 1
        found = {"event_attention": np.where(now, weight / weight[now].sum(), np.nan)}
        if self.hierarchy != "none" and own.n_sessions > 1:
            share = of_sessions / of_sessions[:-1].sum()
            found["session_attention"] = np.where(now, np.nan, share[session])
        return found

    # ---------------------------------------------------------------- files

    def item_vectors(self) -> npt.NDArray[np.float32]:
        """The items' vectors, (n_items, k): embeddings, and what features add to them."""
        vectors: npt.NDArray[np.float32] = self.network_.vectors().detach().cpu().numpy()
        return vectors

    def _tables(self, ratings: RatingMatrix) -> tuple[Any, Any]:
        """The tables of users and of items that are read; None for none."""
        users = ratings.user_table if self.features in ("both", "user") else None
        return users, ratings.item_table if self.features in ("both", "item") else None

    def _reads_beside(self, ratings: RatingMatrix, held_out: Sequence[RatingMatrix]) -> dict[str, str]:
        users, items = self._tables(ratings)
        tables = f"{checksum_of_read(users, ratings.user_ids)} {checksum_of_read(items, ratings.item_ids)}"
        beside = super()._reads_beside(ratings, held_out)
        return {**beside, "scale": scales([ratings, *held_out]), "tables": tables}

    def _parts(self, ratings: RatingMatrix) -> dict[str, Any]:
        """What the network is made with; features as `encode_table` gives them, where there are any."""
        users, items = self._tables(ratings)
        described = encode_table(items, ratings.item_ids).matrix
        columns = learn_columns(users, ratings.user_ids)
        self._user_columns, self._told = [column for column in columns if column.n_features], (ratings, None)
        return {
            "features": torch.from_numpy(described) if described.shape[1] else None,
            "n_about": sum(column.n_features for column in self._user_columns), "attention": self.attention,
            "reads_ratings": self.reads_ratings, "reads_times": self.reads_times, "dropout": self.dropout,
        }  # fmt: skip

    def _told_of(self, events: Sessions, users: IntArray | None = None) -> FloatArray | None:
        """What is known of `users` of `events`, or of all, (n, n_features), 0 for nothing; None if no table is read.

        The users learnt from are kept. Others are read for the request alone: nothing of it stays here.
        """
        if not self._user_columns:
            return None
        index = np.arange(events.n_users) if users is None else users
        index = index if events.known_as is None else events.known_as[index]
        ratings = events.ratings
        if ratings is self._told[0]:
            found = self._told_at_fit()[index]
        else:
            found = encode_rows(ratings.user_table, ratings.user_ids[index], self._user_columns).matrix
        return np.where(index[:, None] >= 0, found, np.float32(0))

    def _told_at_fit(self) -> FloatArray:
        """What is known of the users learnt from, (n_users, n_features); made once."""
        ratings, found = self._told
        if found is None:
            found = encode_rows(ratings.user_table, ratings.user_ids, self._user_columns).matrix
            self._told = ratings, found
        return found

    def _tells(self, events: Sessions, users: IntArray) -> Mask:
        about, told = self._told_of(events, users), super()._tells(events, users)
        return told if about is None else told | (about != 0).any(axis=1)

    def _serves(self, by: Literal["user", "item"], index: IntArray) -> Mask:
        """A user without ratings is served where the user table, which is read, says something of them."""
        served = super()._serves(by, index)
        if by == "item" or not self._user_columns:
            return served
        known = index >= 0
        served[known] |= self._tells(self.sessions_, index[known])
        return served

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        return network_arrays(self.network_)

    def _restore(self, arrays: LearnedArrays) -> None:
        self.network_ = load_network(lambda: self._network(self.ratings_), arrays, self.device)


def scores_of(states: Tensor, score: Any, n_items: int, cells: int) -> Scores:
    """Scores of all items for each state, (n, n_items), so many states at a time that `cells` numbers are made."""
    size = max(1, cells // max(1, n_items))
    with torch.no_grad():
        parts = [score(part).cpu().numpy() for part in torch.split(states, size)] if len(states) else []
    return np.concatenate([np.empty((0, n_items), np.float32), *parts])
