"""The next film: models that read the order of ratings beside the best list there is, and a history with attention."""

from __future__ import annotations

from typing import Any

import numpy as np

from recae import plots
from recae._types import IntArray, Scores
from recae.datasets.sample import SampleTruth, sample_with_truth
from recae.demos.films import titles
from recae.demos.measures import rounded
from recae.demos.stage import Figures, Stage
from recae.demos.words import compared, percent, row
from recae.evaluation.next_items import asked_events, evaluate_next_items, next_item_figures
from recae.events.cutting import sessions
from recae.events.session_events import Sessions
from recae.events.session_splits import SessionSplit, split_sessions
from recae.models import VSKNN, Markov, Popularity, SessionRNN
from recae.ratings import RatingMatrix

SIZES = (300, 200, 12_000)  # users, films and ratings of the sample that is drawn
# The rate and the start are chosen on the sessions before the last: what comes next is not what is near.
SETTINGS: dict[str, Any] = {"hidden": 32, "batch_size": 16, "lr": 0.01, "embeddings": "random"}
EPOCHS = 6
SHOWN = {"ndcg@20": "NDCG@20", "recall@20": "recall@20"}
EARLIER, LAST = (2, 8), (5, 14)  # sessions before the last one, and films in the last one, of the user who is drawn
BEST = "the best list there is"


def look(figures: Figures) -> str:
    """What is to be seen."""
    rows, user = figures["models"], figures["history"]
    best, popular, none, init = (row(rows, name) for name in (BEST, "popularity", "network, none", "network, init"))
    ahead = max(rows[:-1], key=lambda one: one["ndcg@20"])
    share = ahead["ndcg@20"] / best["ndcg@20"]
    told = compared(init["ndcg@20"], none["ndcg@20"])
    return (
        f"In the sample, taste drifts from genre to genre within a session, as is written down, so that the best list "
        f"is known: it has an NDCG@20 of {best['ndcg@20']:.3f}. The most popular films reach {popular['ndcg@20']:.3f}; "
        f"the best of the models is {ahead['model']} with {ahead['ndcg@20']:.3f}, {percent(share)} of what is to be "
        f"had. The network that knows the sessions before (init) is {told} the one that does not (none), with "
        f"{init['ndcg@20']:.3f} and {none['ndcg@20']:.3f}. In the sample a session begins with any film, whatever was "
        f"before. Drawn is one user's history: of the {user['films']} films of the last session, the latest one has "
        f"{percent(user['weight_of_latest'])} of attention's weight; {percent(user['equal_weight'])} if all weighed "
        f"alike."
    )


def run(stage: Stage) -> Figures:
    ratings, truth = sample_with_truth(*SIZES, rng=stage.seed)
    split = split_sessions(sessions(ratings), validation=False)
    stage.say(f"ratings: {split.sessions!r}")
    settings = {**SETTINGS, "epochs": stage.epochs or EPOCHS, "rng": stage.seed, "device": "cpu"}
    attentive = SessionRNN(attention=True, **settings)
    models = {
        "popularity": Popularity(), "markov": Markov(), "v-sknn": VSKNN(), "network, none":
        SessionRNN(hierarchy="none", **settings), "network, init": SessionRNN(**settings),
        "network, init, attention": attentive,
    }  # fmt: skip
    rows = []
    for name, model in models.items():
        model.fit(split.train, progress=False)
        found = evaluate_next_items(model, split)
        rows.append({"model": name, **{metric: rounded(found[metric], 4) for metric in ("recall@5", *SHOWN)}})
    rows.append({"model": BEST, **best_figures(split, truth)})
    stage.table(rows)
    _draw(stage, rows)
    counts = split.sessions.statistics()
    events = {"sessions": counts["n_sessions"], "films_of_a_session": rounded(counts["events_per_session"]["mean"], 2),
              "test_events": int(found["n_events"])}  # fmt: skip
    history = _history(stage, attentive, ratings)
    return {"data": f"sample of {len(ratings.user_ids):,} users and {len(ratings.item_ids):,} films", "models": rows,
            "events": events, "history": history}  # fmt: skip


def best_figures(split: SessionSplit, truth: SampleTruth) -> Figures:
    """The figures of the list that the generator's own probabilities give."""
    events, chosen = asked_events(split)
    ratings = events.ratings

    def score(users: IntArray, stops: IntArray) -> Scores:
        before = ratings.item_ids[events.items[stops - 1]]
        return np.asarray(truth.next_scores(ratings.user_ids[users], before), np.float32)

    found = next_item_figures(events, chosen, score, leave_out_seen=True)
    return {metric: rounded(found[metric], 4) for metric in ("recall@5", *SHOWN)}


def _draw(stage: Stage, rows: list[Figures]) -> None:
    series = {label: [one[metric] for one in rows] for metric, label in SHOWN.items()}
    names = [one["model"].replace(", ", ",\n").replace("list", "list\n") for one in rows]
    level = (rows[-1]["ndcg@20"], f"NDCG@20 of {BEST}")
    figure = plots.bars(names, series, ylabel="NDCG@20, recall@20", level=level, title="The next film of the sample")
    stage.save(figure, "sessions-models")


def _history(stage: Stage, model: SessionRNN, ratings: RatingMatrix) -> Figures:
    """Draw what attention weighs in one user's history."""
    events = model.sessions_
    user = a_readable_user(events, EARLIER, LAST)
    earlier, last = weighed(model, events, user, titles(ratings))
    title = f"User {ratings.user_ids[user]} of the sample: what comes next is asked"
    stage.save(plots.attention(earlier, last, title=title), "sessions-attention-sample")
    return {"films": len(last), "weight_of_latest": rounded(last[-1][1], 3), "equal_weight": rounded(1 / len(last), 3)}


def weighed(
    model: SessionRNN, events: Sessions, user: int, names: list[str]
) -> tuple[list[tuple[str, float]], list[tuple[str, float]]]:
    """What attention weighs in a user's history: sessions before the last one, and the last one's events, by name."""
    found, offset = model.attention_of(events, user), events.event_starts[user]
    first, last = events.user_starts[user], events.user_starts[user + 1] - 1
    earlier = []
    for number, session in enumerate(range(first, last), 1):
        start, stop = events.session_starts[session : session + 2]
        label = f"{number}: {stop - start} ratings, the last one: {names[events.items[stop - 1]]}"
        earlier.append((label, float(found["session_attention"][start - offset])))
    at = np.arange(events.session_starts[last], events.session_starts[last + 1])
    return earlier, [(names[events.items[k]], float(found["event_attention"][k - offset])) for k in at]


def a_readable_user(events: Sessions, earlier: tuple[int, int], last: tuple[int, int]) -> int:
    """The first user whose numbers of sessions before the last one, and of events of the last one, lie in the ranges.

    Raises:
        ValueError: there is none.
    """
    lengths = np.diff(events.session_starts)
    for user in range(events.n_users):
        first, stop = events.user_starts[user : user + 2]
        if earlier[0] <= stop - first - 1 <= earlier[1] and last[0] <= lengths[stop - 1] <= last[1]:
            return user
    raise ValueError("no user's history fits on a page")
