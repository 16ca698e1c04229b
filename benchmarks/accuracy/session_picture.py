"""The picture of one user's history, with what attention weighs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common.paths import DOCS
from recae.events.sessions import Sessions
from recae.models.sessions.session_rnn import SessionRNN
from recae.plots import attention, save

EARLIER, LAST = (3, 8), (6, 16)  # sessions before the last one, and events of the last one, of the user who is drawn


def draw(ratings: Any, epochs: int) -> Path:
    """Fit a network with attention, and draw the history of the first user that fits on a page."""
    model = SessionRNN(attention=True, epochs=epochs, rng=0).fit(ratings, progress=False)
    events = model.sessions_
    user = a_readable_user(events)
    found = model.attention_of(events, user)
    first, last = events.user_starts[user], events.user_starts[user + 1] - 1
    offset = events.event_starts[user]
    sessions = []
    for number, session in enumerate(range(first, last), 1):
        start, stop = events.session_starts[session : session + 2]
        label = f"{number}: {stop - start} ratings, the last of {name_of(ratings, events.items[stop - 1])}"
        sessions.append((label, float(found["session_attention"][start - offset])))
    at = np.arange(events.session_starts[last], events.session_starts[last + 1])
    of_last = [(name_of(ratings, events.items[k]), float(found["event_attention"][k - offset])) for k in at]
    title = f"User {ratings.user_ids[user]} of {ratings.name}: what comes next is asked"
    return save(attention(sessions, of_last, title=title), DOCS / "figures" / "sessions-attention.png")


def a_readable_user(events: Sessions) -> int:
    """The first user whose numbers of sessions and of events of the last one are as `EARLIER` and `LAST` say.

    Raises:
        ValueError: there is none.
    """
    lengths = np.diff(events.session_starts)
    for user in range(events.n_users):
        first, stop = events.user_starts[user : user + 2]
        if EARLIER[0] <= stop - first - 1 <= EARLIER[1] and LAST[0] <= lengths[stop - 1] <= LAST[1]:
            return user
    raise ValueError("no user's history fits on a page")


def name_of(ratings: Any, item: int) -> str:
    """A title, or the id where there is none."""
    identity = ratings.item_ids[item]
    table = ratings.item_table
    return str(identity) if table is None or "title" not in table else str(table["title"].get(identity, identity))
