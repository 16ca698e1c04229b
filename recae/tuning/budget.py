"""The budget of a search: a number of trials, or a duration."""

from __future__ import annotations

import re
from dataclasses import dataclass

from recae.errors import ParameterError

_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True)
class Budget:
    """Trials in all, or seconds of this run; one of them is None."""

    trials: int | None = None
    seconds: float | None = None

    @classmethod
    def read(cls, given: int | str) -> Budget:
        """40 or "40" for trials; "90s", "20m" or "1.5h" for time.

        Raises:
            ParameterError: it is neither, or not positive.
        """
        text = str(given).strip().lower()
        found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text)
        if found is not None and float(found[1]) > 0 and not isinstance(given, bool):
            if found[2]:
                return cls(seconds=float(found[1]) * _SECONDS[found[2]])
            if found[1].isdecimal():
                return cls(trials=int(found[1]))
        raise ParameterError(
            name="budget", value=given, expected="a number of trials such as 40, or a time such as 90s, 20m or 2h"
        )

    def allows(self, trials: int, seconds: float) -> bool:
        """Whether another trial may begin."""
        if self.trials is not None:
            return trials < self.trials
        assert self.seconds is not None
        return trials == 0 or seconds < self.seconds
