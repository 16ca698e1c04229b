"""Examples of property tests: few, and the same ones, in `make test`; 1,000 random ones in `make properties`."""

from __future__ import annotations

from hypothesis import settings

THOROUGH = 1000


def examples(few: int) -> int:
    """`few`, or as many as the profile "thorough" says."""
    return max(few, settings.default.max_examples) if settings.default.max_examples >= THOROUGH else few
