"""Models as hyper-parameters of other models: by name, by settings, or as they are."""

from __future__ import annotations

from typing import Any

from recae.errors import ParameterError
from recae.recommender.base import Recommender
from recae.recommender.params import check
from recae.recommender.registry import make_model, name_of


def member_of(member: Any) -> Recommender:
    """A model that predicts ratings, from its name, its settings, or itself (then a clone).

    Raises:
        ParameterError: it is none of these, or predicts no ratings.
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
    if not model.predicts_ratings:
        raise ParameterError(f"{type(model).__name__} ranks items; a model that predicts ratings is needed here")
    return model


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
