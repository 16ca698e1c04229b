"""Settings and names that a command line or a settings file chooses."""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Iterable, Sequence
from typing import Any

import click

from benchmarks.common.paths import CONFIGS


def read_config(name: str) -> dict[str, dict[str, Any]]:
    """The tables of `configs/<name>.toml` by name."""
    return tomllib.loads((CONFIGS / f"{name}.toml").read_text(encoding="utf-8"))


def grid(**values: Sequence[Any]) -> list[dict[str, Any]]:
    """All combinations of the values of each setting."""
    return [dict(zip(values, combination)) for combination in itertools.product(*values.values())]


def choose_names(names: Iterable[str], wanted: str, option: str = "--only") -> list[str]:
    """The names of a comma-separated list, all of `names` where it is empty.

    Raises:
        click.BadParameter: one of them is not in `names`.
    """
    known = list(names)
    found = [name.strip() for name in wanted.split(",")] if wanted else known
    for name in found:
        if name not in known:
            raise click.BadParameter(f"{name!r}: choose some of {', '.join(known)}", param_hint=option)
    return found
