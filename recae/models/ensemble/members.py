"""Models as hyper-parameters of other models: by name, by settings, or as they are."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np

from recae._types import DoubleArray
from recae.errors import ParameterError
from recae.ratings import RatingMatrix
from recae.recommender.base import Recommender
from recae.recommender.fitting import FitOptions
from recae.recommender.frames import normalised
from recae.recommender.params import check
from recae.recommender.registry import make_model, name_of

log = logging.getLogger("recae")


def ranker_of(member: Any, rng: int) -> Recommender:
    """A ranker as `member_of` has it, with the seed `rng` where it says none."""
    model = member_of(member, rates=False)
    return model.set_params(rng=rng) if model.get_params().get("rng") == 0 else model


def member_of(member: Any, *, rates: bool = True) -> Recommender:
    """A model that predicts ratings, or a ranker where `rates` is false: from a name, settings, or a model, cloned.

    Raises:
        ParameterError: it is none of these, of the other kind, or a model that is chosen by a fit (`auto`).
    """
    if isinstance(member, Recommender):
        model = member.clone()
    elif isinstance(member, str):
        model = make_model(member)
    elif (
        isinstance(member, dict)
        and isinstance(member.get("model"), str)
        and all(isinstance(key, str) for key in member)
    ):
        settings = {key: tuple(v) if isinstance(v, list) else v for key, v in member.items() if key != "model"}
        model = make_model(member["model"]).set_params(**settings)
    else:
        raise ParameterError(f'{member!r} is no model; a name, a model, or {{"model": name, ...}} is needed')
    check(model)
    if model.chooses_model:
        raise ParameterError(
            f"{type(model).__name__} takes a model as it is fitted, and a model of models names its members before",
            remedy="fit it by itself, and give the model that it took, its model_",
        )
    if rates and not model.predicts_ratings:
        raise ParameterError(f"{type(model).__name__} ranks items; a model that predicts ratings is needed here")
    if not rates and model.predicts_ratings:
        raise ParameterError(f"{type(model).__name__} predicts ratings; a model that ranks items is needed here")
    return model


def base_of(base: Any, rng: int, remedy: str) -> Recommender:
    """A rating model that another one is made of, as `member_of` has it, with the seed `rng` where it says none.

    Raises:
        ParameterError: it reads dates; `remedy` says what to do.
    """
    model = member_of(base)
    if model.reads_dates:
        raise ParameterError("it reads dates", name="base", value=base, remedy=remedy)
    own = model.get_params().get("rng")
    return model if own is None else model.set_params(rng=own or rng)


def fit_member(
    model: Recommender, ratings: RatingMatrix, validation: RatingMatrix | None, options: FitOptions, **more: Any
) -> Recommender:
    """Fit a member with the validation part that its owner was given, unless that is of users whom it cannot meet."""
    shown = options.validation_input
    if shown is not None and not model._can_meet_hidden_users():
        log.info("%s learns without the validation part, which is of hidden users", type(model).__name__)
        validation = shown = None
    return model.fit(ratings, validation, validation_input=shown, progress=options.progress, **more)


def spec_of(member: Any) -> Any:
    """A member in plain values, for a file."""
    if not isinstance(member, Recommender):
        return member
    return {"model": name_of(member)[0], **plain_params(member)}


def plain_params(model: Recommender) -> dict[str, Any]:
    """A model's hyper-parameters with plain values where they are models, for a file."""
    params = model.get_params()
    for name in ("members", "base"):
        if isinstance(params.get(name), tuple):
            params[name] = tuple(spec_of(member) for member in params[name])
        elif name in params:
            params[name] = spec_of(params[name])
    return params


def with_choices(model: Recommender, rng: int) -> dict[str, Any]:
    """A fitted ranker as `ranker_of` takes it: its name, its settings that are not the defaults, and what it chose.

    Args:
        model: fitted.
        rng: the seed that `ranker_of` gives it, which is left out.

    A class that is not registered goes by its own name.
    """
    try:
        name, settings = name_of(model)
    except ParameterError:
        return {"model": type(model).__name__, **model.chosen_}
    plain = plain_params(model)
    seed = {} if plain.get("rng", rng) == rng else {"rng": plain["rng"]}
    return {"model": name, **{one: plain[one] for one in settings}, **seed, **model.chosen_}


def side_by_side(vectors: list[Any], weights: DoubleArray) -> Any:
    """Members' item vectors, dense or sparse, as one, (n_items, the sum of their widths).

    Their cosine is the weighted mean of the members' cosines.
    """
    from scipy import sparse

    parts = [normalised(own) * np.float32(np.sqrt(max(weight, 1e-12))) for weight, own in zip(weights, vectors)]
    if any(sparse.issparse(part) for part in parts):
        return sparse.hstack([sparse.csr_array(part) for part in parts], format="csr")
    return np.concatenate(parts, axis=1)
