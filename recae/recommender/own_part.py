"""Rankers that choose on ratings they put aside, and then learn from all of them: how long, which settings, a prior."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from recae._types import DoubleArray, IntArray
from recae.distributed.ranks import current
from recae.ratings import RatingMatrix
from recae.recommender.epochs import TrainedInBatches
from recae.recommender.fitting import FitOptions
from recae.recommender.held_out_lists import MeanOverHidings
from recae.recommender.params import hyperparameters, param
from recae.recommender.popularity import POPULAR, DrawnToPopularity
from recae.splitting.masks import per_user_part
from recae.splitting.parts import take

FEWEST = 50  # entries to put aside: fewer would choose by chance
MOST_USERS = 10_000  # whose entries are put aside: more would cost time, and tell little
SMALL_USERS, SMALL_ITEMS = 5_000, 20_000  # of the ratings on which settings are chosen
SOLVED_ITEMS = 2_000  # of those on which models choose whose work grows with the cube of the items
HIDDEN = 0.2  # of each user's entries there
AGAIN, MOST_AGAIN = 4, 100_000  # further hidings where one leaves it open, and entries up to which there are such


@hyperparameters
class StopsByOwnPart(DrawnToPopularity, TrainedInBatches):
    """Base of rankers that a fit without a validation part stops where their lists are best, not after all epochs.

    First it puts a share of the entries aside, learns from the rest and stops by that share, as `fit` with a validation
    part does. Then it learns from everything, for as many epochs as were best, with the learning rates of `epochs`
    epochs. The first part costs one fit at most, so both together cost less than two. The weight of popularity is
    chosen on the same share.

    With a checkpoint, the first part has a file of its own beside it (its name ends in `.own`), so that both resume
    exactly; the second one holds after how many epochs it ends.
    """

    own_part: float = param(
        0.1,
        "without a validation part, share of users' entries that is put aside to find how many epochs are best, before "
        "all entries are learnt from; 0 to learn for all epochs (as with a store on disk)",
        low=0,
        tune=None,
    )

    def _train(self, ratings: RatingMatrix, validation: RatingMatrix | None, options: FitOptions) -> None:
        """Learn from `ratings` and stop by `validation`, or after `options.stop_after` epochs."""
        raise NotImplementedError

    def _fit(self, ratings: RatingMatrix, validation: RatingMatrix | None, options: FitOptions) -> None:
        weight, alone = self.popularity or 0.0, validation is None and self.epochs > 0
        parts = own_part(ratings, self.own_part, self.rng, start=options.start) if alone else None
        with finding_epochs(self, parts, options) as (model, options):
            if parts is not None:
                model._set_ratings(parts[0])
                weight, _ = model._choose_popularity(parts[1])
                self._record_open(popularity=weight)
            self._train(ratings, validation, options)
            self._draw(ratings, weight)


@hyperparameters
class ChoosesOnOwnPart(DrawnToPopularity):
    """Base of rankers that are fitted at once, and choose what is not said on a part of the ratings.

    The part has at most 5,000 users and 20,000 items, the most rated ones, so that a choice costs little where there
    are many; a fifth of each user's entries is hidden in it. What is best among the most rated items alone is not best
    among all, so that items are left out only where a model's work would not be bounded otherwise. Where one hiding
    leaves it open whether the best candidate's lists are better than popularity's, other fifths of few entries are
    hidden, too, and means over all of them decide.
    """

    _items_to_choose_on: ClassVar[int] = SMALL_ITEMS

    def _learn(self, ratings: RatingMatrix, options: FitOptions, chosen: dict[str, Any]) -> None:
        """Learn from `ratings`; `chosen` holds settings by name, for those that are None."""
        raise NotImplementedError

    def _candidates(self, ratings: RatingMatrix) -> list[dict[str, Any]]:
        """Settings to choose among, for what is None: the first is taken where there is nothing to choose on."""
        return [{}]

    def _trials(
        self, ratings: RatingMatrix, candidates: list[dict[str, Any]]
    ) -> Iterator[tuple[dict[str, Any], DrawnToPopularity]]:
        """Each candidate with a model that is fitted with it."""
        for candidate in candidates:
            model = self.clone()
            model._learn(ratings, FitOptions(progress=False), candidate)
            model._set_ratings(ratings)
            yield candidate, model

    def _fit(self, ratings: RatingMatrix, validation: RatingMatrix | None, options: FitOptions) -> None:
        weight, chosen = self._settings(ratings)
        self._record_open(**chosen, popularity=weight)
        self._learn(ratings, options, chosen)
        self._draw(ratings, weight)

    def settled(self, ratings: RatingMatrix) -> Self:
        """A copy, not fitted, with the settings that a fit on `ratings` chooses."""
        weight, chosen = self._settings(ratings)
        return self.clone().set_params(**chosen, popularity=weight)

    def _settings(self, ratings: RatingMatrix) -> tuple[float, dict[str, Any]]:
        """The weight of popularity and the settings for `ratings`: what is given, else what is chosen."""
        candidates = self._candidates(ratings)
        weight, chosen = self.popularity or 0.0, candidates[0]
        if len(candidates) > 1 or self.popularity is None:
            weight, chosen = self._choose(densest(ratings, self._items_to_choose_on), candidates) or (weight, chosen)
        return weight, chosen

    def _choose(self, ratings: RatingMatrix, candidates: list[dict[str, Any]]) -> tuple[float, dict[str, Any]] | None:
        """The weight of popularity and the settings that rank best what is hidden; None where too little can be."""
        parts = own_part(ratings, HIDDEN, 0)
        if parts is None:
            return None
        tried = [(*model._values_by_weight(parts[1]), settings)
                 for settings, model in self._trials(parts[0], candidates)]  # fmt: skip
        found = [(*self._best_weight(values), settings) for _, values, settings in tried]
        weight, _, chosen = max(found, key=lambda one: one[1])
        if self.popularity is None and weight == POPULAR and parts[0].n_ratings <= MOST_AGAIN:
            users, values, settings = max(tried, key=lambda one: float(one[1].mean(1).max()))
            if values[:-1].mean(1).max() > values[-1].mean():
                weight, chosen = self._hidden_again(ratings, settings, users, values), settings
        return weight, chosen

    def _hidden_again(
        self, ratings: RatingMatrix, settings: dict[str, Any], users: IntArray, values: DoubleArray
    ) -> float:
        """The weight of popularity by further hidings: one hiding of few entries does not tell a small gain from none.

        Args:
            ratings: to hide entries of.
            settings: the best ones by the first hiding.
            users: with entries that it hid, (n,).
            values: of their lists under each weight, (n_weights, n).
        """
        mean = MeanOverHidings(len(values), ratings.n_users)
        mean.add(users, values)
        for seed in range(1, AGAIN + 1):
            if (parts := own_part(ratings, HIDDEN, seed)) is not None:
                ((_, model),) = self._trials(parts[0], [settings])
                mean.add(*model._values_by_weight(parts[1]))
        return self._best_weight(mean.values())[0]


def own_part(
    ratings: RatingMatrix, share: float, seed: int, most_users: int = MOST_USERS, start: Any = None
) -> tuple[RatingMatrix, RatingMatrix] | None:
    """What is left of `ratings`, and a share of the entries of each user, of at most `most_users` of them.

    None where `share` is 0 or fewer than 50 entries can be put aside, and for a store: it would be copied into memory.
    What `start` has learnt from is not put aside: it would tell nothing.
    """
    if share <= 0 or ratings.is_mapped:
        return None
    rng = np.random.default_rng((seed, 1))
    chosen = per_user_part(ratings, share, rng)
    if start is not None:
        from recae.recommender.warm_start import seen_before

        chosen &= ~seen_before(ratings, start)
    if np.count_nonzero(chosen) < FEWEST:
        return None
    if ratings.n_users > most_users:
        kept = np.zeros(ratings.n_users, bool)
        kept[rng.permutation(ratings.n_users)[:most_users]] = True
        chosen &= np.repeat(kept, ratings.counts("user"))
    return ratings.select(~chosen), ratings.select(chosen)


def densest(ratings: RatingMatrix, most_items: int = SMALL_ITEMS) -> RatingMatrix:
    """`ratings`, or of more than 5,000 users and `most_items` items so many: users at random, items the most rated."""
    users, items = (np.arange(n) for n in ratings.shape)
    if len(users) > SMALL_USERS:
        users = np.sort(np.random.default_rng(0).permutation(users)[:SMALL_USERS])
    if len(items) > most_items:
        items = np.sort(np.argsort(-ratings.counts("item"), kind="stable")[:most_items])
    return ratings if (len(users), len(items)) == ratings.shape else take(ratings, users, items)


@contextmanager
def finding_epochs(
    model: Any, parts: tuple[RatingMatrix, RatingMatrix] | None, options: FitOptions
) -> Iterator[tuple[Any, FitOptions]]:
    """Train a copy of `model` on the first of `parts`, and stop it by the second one.

    Within, the model learns from everything. The copy's checkpoint has a file of its own beside that of `options` (its
    name ends in `.own`), which goes when all is learnt.

    Args:
        model: has `_train(ratings, validation, options)`.
        parts: to learn from, and to stop by; None to find nothing.
        options: of the fit.

    Yields:
        The copy, and options to learn from everything for as many epochs as were best; without parts, the model itself
        and `options`.
    """
    own_file = None
    if options.checkpoint is not None:
        own_file = Path(options.checkpoint).with_name(f"{Path(options.checkpoint).name}.own")
    copy, found = model, options
    if parts is not None:
        copy = model.clone()
        copy._train(*parts, replace(options, checkpoint=own_file, label="finding epochs"))
        found = replace(options, stop_after=copy.history_.best_epoch)
        model._record(epochs=copy.history_.best_epoch)
    yield copy, found
    if own_file is not None and current().is_first:
        own_file.unlink(missing_ok=True)
