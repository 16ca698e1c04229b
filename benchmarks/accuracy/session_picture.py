"""The picture of one user's history, with what attention weighs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.common.paths import DOCS
from recae.demos.films import titles
from recae.demos.sessions import a_readable_user, weighed
from recae.models.sessions.session_rnn import SessionRNN
from recae.plots import attention, save

EARLIER, LAST = (3, 8), (6, 16)  # sessions before the last one, and events of the last one, of the user who is drawn


def draw(ratings: Any, epochs: int) -> Path:
    """Fit a network with attention, and draw the history of the first user that fits on a page."""
    model = SessionRNN(attention=True, epochs=epochs, rng=0).fit(ratings, progress=False)
    events = model.sessions_
    user = a_readable_user(events, EARLIER, LAST)
    sessions, of_last = weighed(model, events, user, titles(ratings))
    title = f"User {ratings.user_ids[user]} of {ratings.name}: what comes next is asked"
    return save(attention(sessions, of_last, title=title), DOCS / "figures" / "sessions-attention.png")
