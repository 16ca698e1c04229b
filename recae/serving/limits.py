"""What one request may ask for. Everything is bounded: bytes, entries, and time."""

from __future__ import annotations

from dataclasses import dataclass

from recae.errors import ParameterError


@dataclass(frozen=True)
class Limits:
    """Bounds of a request, and of all of them together.

    Attributes:
        body_bytes: of a request's body.
        body_seconds: until a body has arrived.
        events: ratings of a live user, at most.
        users: lists in one request, at most.
        items: items of one request (candidates, excluded, predicted), at most.
        n: length of a list, at most.
        explained: ratings that are left out one by one to explain a model that is not linear.
        seconds: for one answer; then the client is told to come back.
        waiting: requests that wait for a thread, at most; the next one is told to come back.
    """

    body_bytes: int = 512 * 1024  # ten thousand ids as long as UUIDs
    body_seconds: float = 10.0
    events: int = 1000
    users: int = 100
    items: int = 10_000
    n: int = 1000
    explained: int = 200
    seconds: float = 10.0
    waiting: int = 64

    def check(self, name: str, value: int, most: int) -> None:
        """Refuse more of something than a request may have.

        Raises:
            ParameterError: says how many there are, and may be.
        """
        if value > most:
            raise ParameterError(f"{value:,} {name} are given; one request may have {most:,}")
