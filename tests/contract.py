"""One suite that every registered model passes; `tests/test_models.py` runs it over `MODELS`.

The ratings have a derivable answer. Two groups of users, each with films of its own: everybody gives 5 or 4 stars
to the own group's films but for two that are hidden, and 1 star to a single film of the other group. Whatever
learns tastes must list the two hidden films first. Users and films differ in number, one user and one film have
no ratings at all, and ids are texts that a careless file would break.

A new model is in the suite as soon as it is registered. If its defaults are too slow for 31 x 18 ratings, its
`SMALL` settings go here; if it cannot tell tastes apart, or treats unseen users otherwise than known ones with the
same ratings, it is named below.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from recae.models import MODELS, Recommender, make_model
from recae.ratings import RatingMatrix
from recae.recommender.params import declared

# Settings by the name of the hyper-parameter, for every model that declares it; then by model.
SMALL: dict[str, Any] = {
    "hidden": 8, "epochs": 80, "lr": 0.02, "batch_size": 16, "device": "cpu", "schedule": "cosine", "rng": 0,
    "factors": 2, "values": "ratings",  # 1 star is no liking
    "popularity": 0.0,  # lists by the scores that the suite compares them with
}  # fmt: skip
SMALL_FOR: dict[str, dict[str, Any]] = {
    "cfn": {"l2": 2.0, "beta": 1.0, "hide_rows": 0.0}, "wide-deep": {"l2": 2.0, "vector_l2": 300.0, "hide_rows": 0.0},
    "auto": {"task": "rankings"},
    "session-rnn": {"hidden": 16, "hierarchy": "none", "reads_times": False, "gap": 10_000.0, "dropout": 0.6,
                    "l2": 0.03, "epochs": 60}, "session-rnn-ratings": {"epochs": 20},
    "markov": {"decay": 1.0, "gap": 10_000.0}, "v-sknn": {"decay": 1.0},
    "deep-rec": {"hidden": (8, 8, 8), "code_dropout": 0.1, "optimizer": "adam"},
    "i-autorec": {"l2": 2.0}, "u-autorec": {"l2": 2.0}, "elsa": {"batch_size": 8},
    "glocal-k": {"l2": 2.0, "dot_scale": 0.1, "epochs": 10, "tune_epochs": 10, "order": "singular"},
    "dual-autorec": {"l2": 2.0}, "sparse-fc": {"l2": 2.0, "lr": 1.0, "epochs": 10}, "linear-ae": {"hidden": 2},
    "mult-dae": {"dropout": 0.2}, "mult-vae": {"dropout": 0.2, "latent": 4},
    "rec-vae": {"dropout": 0.2, "latent": 4, "epochs": 20}, "cdae": {"dropout": 0.2},
    "blend": {"members": tuple({"model": f"{by}-autorec", "hidden": 8, "epochs": 80, "lr": 0.02, "batch_size": 16,
                                "l2": 2.0, "device": "cpu"} for by in "iu"), "seeds": 2, "l2": 10.0},
    "recency": {"base": {"model": "ease", "l2": 100.0}, "power": 0.2},
    "ranking-blend": {"members": ("item-knn", {"model": "ease", "l2": 100.0})},
    **{name: {"base": {"model": "i-autorec", "hidden": 8, "epochs": 80, "lr": 0.02, "batch_size": 16, "l2": 2.0,
                       "device": "cpu"}} for name in ("dated", "hybrid")},
    **{name: {"l2": 100.0} for name in ("ease", "edlae", "dlae", "rlae", "dan", "sparse-ease")},
}  # fmt: skip

# The same list for everybody, but for what each has seen; of so few users `auto` takes popularity.
IMPERSONAL = {"auto", "bias", "global-mean", "popularity"}
# Known users have parameters of their own: an unseen user with the same ratings gets nearly, not exactly, the same.
SOLVED_FOR = {
    "i-autorec",
    "dual-autorec",
    "cfn",
    "wide-deep",
    "glocal-k",
    "sparse-fc",
    "blend",
    "dated",
    "hybrid",
    "bias",
    "bpr",
    "cdae",
}

# It counts what comes straight after what, of which 30 short orders say too little to find both hidden films.
COUNTS_FOLLOWERS = {"markov"}
# It learns from how users' ratings go on, of which 30 short orders say too little (tests/test_session_rnn.py has more).
NEEDS_MORE_USERS = {"session-rnn-ratings"}

N_A, N_B, FILMS_A, FILMS_B = 16, 14, 9, 8  # users and films of each group
USERS = [f"{group}·{u:02d} ü" for group, n in (("a", N_A), ("b", N_B)) for u in range(n)]
FILMS = [f"{group}{i}, 00{i}" for group, n in (("A", FILMS_A), ("B", FILMS_B)) for i in range(n)]
N = len(FILMS) + 1  # of films, the cold one included
COLD_USER, COLD_FILM = "nobody 人", "Zzz (unseen)"


def own_films(user: int) -> range:
    """Films of the user's group."""
    return range(FILMS_A) if user < N_A else range(FILMS_A, FILMS_A + FILMS_B)


def hidden_films(user: int) -> set[int]:
    """The two films of the own group that the user has not rated: the answer."""
    own = own_films(user)
    return {own[user % len(own)], own[(user + 3) % len(own)]}


def stars(user: int) -> dict[int, float]:
    """What a user gave: film to stars."""
    other = range(FILMS_A, FILMS_A + FILMS_B) if user < N_A else range(FILMS_A)
    given = {film: 5.0 - ((user + film) % 3 == 0) for film in own_films(user) if film not in hidden_films(user)}
    return {**given, other[user % len(other)]: 1.0}


def moments(user: int) -> list[int]:
    """When a user gave these stars, film by film: in an order of the user's own, on two days, ten minutes apart."""
    n = len(stars(user))
    order = np.random.default_rng(user).permutation(n)
    return [10**9 + 10**6 * user + 600 * int(place) + 86_400 * int(place >= n // 2) for place in order]


def ratings() -> RatingMatrix:
    """31 users x 18 films; the last user (by id) and the last film have no ratings."""
    rows = [(USERS[u], FILMS[film], r) for u in range(len(USERS)) for film, r in stars(u).items()]
    frame = pd.DataFrame([*rows, (COLD_USER, COLD_FILM, 3.0)], columns=["user", "item", "rating"])
    frame["timestamp"] = [
        *(moment for u in range(len(USERS)) for moment in moments(u)),
        0,
    ]  # for models that read dates
    titles = pd.DataFrame({"item": [*FILMS, COLD_FILM], "title": [f"The {film}" for film in [*FILMS, COLD_FILM]]})
    matrix = RatingMatrix.from_frame(
        frame, timestamp="timestamp", scale=(1.0, 5.0), item_table=titles, name="two groups"
    )
    users, items, _ = matrix.pairs()
    cold = matrix.user_index([COLD_USER])[0], matrix.item_index([COLD_FILM])[0]
    return matrix.select(~((users == cold[0]) & (items == cold[1])))


def frame_of(user: int, name: str = "new one") -> pd.DataFrame:
    """The ratings of a user under another name, as a stranger would bring them."""
    given = stars(user)
    films = [FILMS[film] for film in given]
    return pd.DataFrame({"user": name, "item": films, "rating": list(given.values()), "timestamp": moments(user)})


def small(name: str, **more: Any) -> Recommender:
    """The model called `name` with settings that learn the ratings above in a second."""
    params = {p.name for p in declared(MODELS[name].model_class)}
    settings = {key: value for key, value in SMALL.items() if key in params}
    return make_model(name, **{**settings, **SMALL_FOR.get(name, {}), **more})


BY_LBFGS = {"glocal-k", "sparse-fc"}  # an epoch is up to twenty iterations, each of several evaluations


def brief(name: str, epochs: int) -> Recommender:
    """That model, and its members, with so few epochs wherever it trains: where what is learnt does not matter."""
    epochs = min(epochs, 2) if name in BY_LBFGS else epochs

    def shorter(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: epochs if key in ("epochs", "tune_epochs") else shorter(one) for key, one in value.items()}
        return tuple(map(shorter, value)) if isinstance(value, tuple) else value

    model = small(name)
    return model.set_params(**shorter(model.get_params()))


_FITTED: dict[str, Recommender] = {}


def fitted(name: str) -> Recommender:
    """That model, fitted once."""
    if name not in _FITTED:
        _FITTED[name] = small(name).fit(ratings())
    return _FITTED[name]


def frames_agree(a: pd.DataFrame, b: pd.DataFrame, tolerance: float = 0.0) -> None:
    """Two lists name the same films in the same order with the same scores."""
    assert a["item"].tolist() == b["item"].tolist()
    np.testing.assert_allclose(a["score"], b["score"], rtol=tolerance, atol=tolerance)
