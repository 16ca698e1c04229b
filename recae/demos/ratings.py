"""Ratings in pictures: what units respond to, a map of films, films in two units, a user's row, users made up."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from recae import plots
from recae._types import Array, IntArray
from recae.demos.films import (
    SHOWN_GENRES,
    clearest_genre,
    cosine,
    held_together,
    telling_genres,
    titles,
)
from recae.demos.measures import by_rank, rounded
from recae.demos.stage import Figures, Stage
from recae.demos.words import percent, row
from recae.models import EASE, AutoRec, MultVAE
from recae.plots import Codes
from recae.ratings import RatingMatrix
from recae.splitting import split

WIDTH, EPOCHS, VAE_EPOCHS = 32, 30, 60
LEAST = 20  # ratings of a film that is shown
TOP, UNITS = 10, 6  # films that a unit is judged by; units that are listed
ON_MAP = 70  # films of the map, the most rated ones
SAMPLED, LISTED = 200, 4  # users made up; those of them that are listed
SHOWN_RATINGS = 12  # of the user, from each part


def look(figures: Figures) -> str:
    """What is to be seen."""
    units, chance = figures["genre_share"], figures["genre_share_by_chance"]
    maps, person, drawn = figures["maps"], figures["person"], figures["sampled"]
    ours, by_pca, spread = row(maps, "autoencoder"), row(maps, "PCA"), row(maps, "t-SNE")
    held = drawn["similarity_within"] > drawn["similarity_across"]
    together = f"{drawn['similarity_within']:.2f} and {drawn['similarity_across']:.2f}"
    return (
        f"Of the {TOP} films that a unit of AutoRec responds to most, {percent(units)} have the genre that stands out "
        f"among them; of {TOP} films drawn by chance {percent(chance)}. The map joins films by EASE's weights: next to "
        f"a film stand those that speak for it. In two numbers a film, its {TOP} nearest have its telling genre "
        f"{ours['agreement']:.2f} of the time by the autoencoder, {by_pca['agreement']:.2f} by PCA, "
        f"{spread['agreement']:.2f} by t-SNE, {maps[0]['chance']:.2f} by chance; nobody told them of genres. A film's "
        "telling genre is the rarest of its genres; colours show it. Of one "
        f"user's row, ratings that the network read come back with an error of {person['rmse_read']:.2f} stars, hidden "
        f"ones with {person['rmse_hidden']:.2f}. Codes drawn from N(0, 1) decode to users that do not exist: films of "
        f"one made-up user have {'more' if held else 'no more'} raters in common than films of two (cosine {together})."
    )


def run(stage: Stage) -> Figures:
    ratings = stage.ratings
    seen = np.flatnonzero(ratings.counts("item") >= LEAST)
    parts = split(ratings, "random", test=0.1, rng=stage.seed)
    model: Any = AutoRec(by="item", hidden=WIDTH, epochs=stage.epochs or EPOCHS, rng=stage.seed, device="cpu")
    model.fit(parts.train, progress=False)
    found: Figures = {"data": ratings.name, **_units(stage, ratings, model.item_vectors(), seen)}
    _map(stage, ratings)
    found["maps"] = _two_numbers(stage, ratings, seen)
    found["person"] = _person(stage, parts.train, parts.test, model)
    found["sampled"] = _made_up(stage, ratings)
    return found


def _units(stage: Stage, ratings: RatingMatrix, codes: Array, seen: IntArray) -> Figures:
    """Each unit's films, those with the highest standardised activation, and the genre that stands out in them."""
    names, draw = titles(ratings), np.random.default_rng(stage.seed)
    active = codes[seen]
    active = (active - active.mean(axis=0)) / np.maximum(active.std(axis=0), 1e-6)
    rows: list[Figures] = []
    for unit in range(active.shape[1]):
        films = seen[np.argsort(-active[:, unit], kind="stable")[:TOP]]
        genre, here, there = clearest_genre(ratings, films, seen)
        rows.append({"unit": unit, "genre": genre, "share": rounded(here, 2), "of_all_films": rounded(there, 2),
                     "films": "; ".join(names[film] for film in films[:6])})  # fmt: skip
    random = [clearest_genre(ratings, draw.choice(seen, TOP, replace=False), seen)[1] for _ in range(200)]
    clear = sorted(rows, key=lambda one: one["of_all_films"] - one["share"])[:UNITS]
    stage.table(clear)
    share = rounded(float(np.mean([one["share"] for one in rows])), 3)
    return {"units": clear, "genre_share": share, "genre_share_by_chance": rounded(float(np.mean(random)), 3)}


def _map(stage: Stage, ratings: RatingMatrix) -> None:
    """The most rated films, laid out so that films with large weights in EASE's B stand together."""
    from sklearn.manifold import TSNE

    model: Any = EASE().fit(ratings)
    films = np.sort(np.argsort(-ratings.counts("item"), kind="stable")[:ON_MAP])
    weights = np.asarray(model.weights_)[np.ix_(films, films)].astype(np.float64)
    tie = np.maximum((weights + weights.T) / 2, 0)
    distance = 1 - np.sqrt(tie / tie.max())
    np.fill_diagonal(distance, 0)
    layout = TSNE(metric="precomputed", init="random", perplexity=8, random_state=stage.seed).fit_transform(distance)
    nearest = [(i, int(weights[:, i].argmax())) for i in range(len(films))]
    kinds, names = telling_genres(ratings, films)
    labels = [titles(ratings)[film] for film in films]
    title = f"EASE's weights between the {ON_MAP} most rated films: each is joined to the film that speaks most for it"
    figure = plots.word_map(np.asarray(layout), labels, kinds, names, nearest, title=title)
    stage.save(figure, "ratings-map")


def _two_numbers(stage: Stage, ratings: RatingMatrix, seen: IntArray) -> list[Figures]:
    """Films in two numbers, from who rated them: by an autoencoder, by PCA and by t-SNE."""
    from sklearn.decomposition import PCA, TruncatedSVD
    from sklearn.manifold import TSNE
    from sklearn.preprocessing import normalize

    from recae.nn import AutoencoderTransformer

    rows = ratings.rows("item")[seen].copy()
    rows.data = np.ones_like(rows.data)
    rows = normalize(rows)
    network = AutoencoderTransformer(
        hidden=(64, 2), activation=("tanh", "identity"), loss="multinomial", epochs=stage.epochs or 100, lr=5e-3,
        dropout=0.0, random_state=stage.seed, device="cpu",
    )  # fmt: skip
    reduced = TruncatedSVD(50, random_state=stage.seed).fit_transform(rows)
    codes = {
        "autoencoder, 2 units": network.fit_transform(rows), "PCA": PCA(2).fit_transform(rows.toarray()),
        "t-SNE": np.asarray(TSNE(random_state=stage.seed, init="pca").fit_transform(reduced)),
    }  # fmt: skip
    kinds, names = telling_genres(ratings, seen)
    known = kinds >= 0
    panels = [Codes(by_rank(code[known]), kinds[known], name, "rank in axis") for name, code in codes.items()]
    stage.save(plots.scatter(panels, names, title="Films by who rated them, coloured by genre"), "ratings-films")
    share = np.bincount(kinds[known], minlength=SHOWN_GENRES) / known.sum()
    found = [{"space": name, "agreement": rounded(_agreement(code[known], kinds[known]), 3),
              "chance": rounded(float((share**2).sum()), 3)} for name, code in codes.items()]  # fmt: skip
    stage.table(found)
    return found


def _agreement(codes: Array, kinds: IntArray) -> float:
    """Share of the nearest films (by rank in both axes) that have the same genre."""
    from sklearn.neighbors import NearestNeighbors

    at = by_rank(codes)
    near = NearestNeighbors(n_neighbors=TOP + 1).fit(at).kneighbors(at, return_distance=False)[:, 1:]
    return float((kinds[near] == kinds[:, None]).mean())


def _person(stage: Stage, train: RatingMatrix, test: RatingMatrix, model: Any) -> Figures:
    """One user's ratings beside what the network makes of them: those it read, and those that were hidden."""
    hidden, read = np.diff(test.user_rows.indptr), np.diff(train.user_rows.indptr)
    fitting = np.flatnonzero((hidden >= SHOWN_RATINGS) & (read >= 3 * SHOWN_RATINGS))
    user = int(fitting[0] if len(fitting) else hidden.argmax())
    names, shown, errors = titles(train), {}, {}
    for part, ratings in (("read", train), ("hidden", test)):
        row_ = ratings.user_rows[[user]]
        films, stars = row_.indices, row_.data
        theirs = model.predict_pairs(np.full(len(films), user), films)
        errors[f"rmse_{part}"] = rounded(float(np.sqrt(np.mean((theirs - stars) ** 2))), 3)
        spread = np.linspace(0, len(stars) - 1, min(SHOWN_RATINGS, len(stars))).astype(int)
        order = np.argsort(-stars, kind="stable")[spread]
        shown[part] = [(names[films[i]], float(stars[i]), float(theirs[i])) for i in order]
    figure = plots.beside(
        {"read by the network": shown["read"], "hidden from the network": shown["hidden"]},
        names=("rating", "network"), xlabel="stars",
        title=f"User {train.user_ids[user]}: ratings and what the network says",
    )  # fmt: skip
    stage.save(figure, "ratings-person")
    return {"user": str(train.user_ids[user]), "ratings_read": int(read[user]), **errors}


def _made_up(stage: Stage, ratings: RatingMatrix) -> Figures:
    """Users drawn from the prior of a variational autoencoder, with their films."""
    model: Any = MultVAE(hidden=200, latent=WIDTH, epochs=stage.epochs or VAE_EPOCHS, rng=stage.seed, device="cpu")
    network = model.fit(ratings, progress=False).network_
    draw = torch.Generator().manual_seed(stage.seed)
    with torch.no_grad():
        scores = network.decode(torch.randn(SAMPLED, WIDTH, generator=draw)).numpy()
    lists = np.argsort(-scores, axis=1, kind="stable")[:, :TOP]
    within, across = held_together(lists, cosine(ratings))
    names = titles(ratings)
    users = []
    for films in lists[:LISTED]:
        genre, share, _ = clearest_genre(ratings, films, np.arange(ratings.n_items))
        listed = "; ".join(names[film] for film in films[:6])
        users.append({"genre": genre, "share": rounded(share, 2), "films": listed})
    stage.table(users)
    return {
        "users": users, "different_films": len(np.unique(lists)), "similarity_within": rounded(within, 3),
        "similarity_across": rounded(across, 3),
    }  # fmt: skip
