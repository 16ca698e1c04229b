"""What a model learns from beside ratings: figures of different leagues are not compared."""

from __future__ import annotations

from recae.models.ensemble.blend import Blend
from recae.models.ensemble.ranking_blend import RankingBlend
from recae.recommender.base import Recommender

LEAGUES = {
    "ratings": "ratings only",
    "side": "ratings and side information",
    "dates": "ratings and dates",
    "order": "ratings and their order",
    "blends": "blends",
}


def league_of(model: Recommender) -> str:
    """A key of `LEAGUES`: "blends" for several models, or several fits of one; else what the model says.

    A model that reads more than ratings has an attribute or a property `league`, which may depend on its settings; one
    that uses dates belongs to "dates" whatever else it uses. A fitted `auto` belongs where the model does that it took.
    """
    model = getattr(model, "model_", model)
    if isinstance(model, Blend | RankingBlend):
        return "blends"
    league = str(getattr(model, "league", "ratings"))
    assert league in LEAGUES, league
    return league
