"""What a search found: the settings, how good they were, and every trial on the way."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from recae.atomic import write_text
from recae.errors import ParameterError
from recae.models import Recommender
from recae.recommender.registry import name_of
from recae.settings import write_settings
from recae.tuning.trial import with_settings


@dataclass(frozen=True, eq=False, repr=False)
class Tuning:
    """What `recae.tune` found.

    Attributes:
        settings: hyper-parameters of the best trial, by name: those that were searched.
        value: its figure on the validation part; optimistic, for it is the best of many: look at a test part once.
        metric: the figure's name.
        trials: one mapping a trial, in order: number, state (complete, pruned), value, settings, seconds, curve
            (pairs of tenths of the training and figure), reason (of a trial that failed).
        about: how it was searched: data, sizes, space, budget, seed.
    """

    settings: dict[str, Any]
    value: float
    metric: str
    trials: list[dict[str, Any]]
    about: dict[str, Any]
    base: Recommender

    def model(self) -> Recommender:
        """A model with the settings that were found, and nothing learnt.

        Where epochs were searched it learns for so many, as the trials did (`own_part=0`).
        """
        return with_settings(self.base, self.settings)

    def save(self, path: str | Path) -> Path:
        """Write the settings as TOML to `path`, and the log as JSON beside it (same name, `.json`).

        Raises:
            ParameterError: `path` ends with .json, and the log would replace the settings.
        """
        if Path(path).suffix == ".json":
            raise ParameterError(
                "the log of the search has this name",
                name="path",
                value=str(path),
                expected="a name such as tuned.toml",
            )
        name, params = name_of(self.model())
        params = {**params, **self.settings}  # also where the best is the default: that was chosen, too
        found = {
            "by": "recae.tune", "metric": self.metric, "value": self.value, "trials": len(self.trials),
            **{key: self.about[key] for key in ("data", "n_train", "n_validation", "seed")},
        }  # fmt: skip
        path = write_settings(path, name, params, found)
        write_text(path.with_suffix(".json"), json.dumps(self.to_dict(), indent=1) + "\n")
        return path

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        name, _ = name_of(self.base)
        return {
            "model": name, "metric": self.metric, "value": self.value, "settings": self.settings,
            **self.about, "trials": self.trials,
        }  # fmt: skip

    def to_frame(self) -> pd.DataFrame:
        """One row a trial, the best first: value, state, seconds, and each hyper-parameter."""
        rows = [{**{k: t[k] for k in ("number", "value", "state", "seconds")}, **t["settings"]} for t in self.trials]
        down = self.about["direction"] == "minimize"
        frame = pd.DataFrame(rows).sort_values("value", ascending=down, kind="stable", na_position="last")
        return frame.set_index("number")

    def __repr__(self) -> str:
        return (
            f"Tuning({type(self.base).__name__}: {self.metric} {self.value:.4f} on validation after "
            f"{len(self.trials)} trials, {self.settings})"
        )
