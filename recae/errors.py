"""The errors that recae raises on purpose.

An error has fields: the parameter it is about, the value that was met, what was expected, and the remedies.
`str(error)` writes them as a caller of the API writes parameters (`restart=True`). The command line writes the same
fields as its options (see `recae.cli.wording`). An error that is not about a parameter is a plain message.

Everything derives from `RecaeError`, so a caller can catch one class; each also derives from the built-in class that a
Python reader would expect (`ValueError`, `KeyError`, ...).
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any

LONGEST = 80  # characters of a value that a message shows


def shown(value: Any) -> str:
    """A value of a file as a message shows it: as Python writes it, its end left out where it is long."""
    if isinstance(value, int) and abs(value) >= 10**LONGEST:  # Python refuses to write very long ones
        return f"a whole number of more than {LONGEST} digits"
    text = repr(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 20]}... ({len(text):,} characters)"


class Phrase(str):
    """Words of a remedy that each interface says in its own way: these are the API's, as in
    `Remedy("{save} writes one", save=Phrase("model.save(path)"))`. Another interface looks its own up by the name."""

    __slots__ = ()


class Remedy:
    """One thing to do about an error; the parameters that it names are fields.

    Args:
        text: a sentence part, with `{name}` for each parameter or phrase.
        named: for each name, the value to give it, `...` for one that the reader chooses, or a `Phrase`.

    Example:
        >>> str(Remedy("add {restart} to begin afresh", restart=True))
        'add restart=True to begin afresh'
    """

    def __init__(self, text: str, /, **named: Any) -> None:
        self.text = text
        self.named = named

    def worded(self, wording: Wording) -> str | None:
        """The remedy in the words of an interface; None if it names what that interface does not have."""
        words = {name: wording.setting(name, value) for name, value in self.named.items()}
        return None if None in words.values() else self.text.format_map(words)

    def __str__(self) -> str:
        return str(self.worded(PYTHON))

    def __repr__(self) -> str:
        return f"Remedy({self.text!r}{''.join(f', {name}={value!r}' for name, value in self.named.items())})"


class Wording:
    """How an interface writes parameters and values. This class writes them as Python does."""

    def setting(self, name: str, value: Any) -> str | None:
        """A parameter at a value, or a phrase; None if the interface does not have it."""
        if isinstance(value, Phrase):
            return str(value)
        return f"{name}=..." if value is ... else f"{name}={value!r}"

    def subject(self, name: str, value: Any) -> str:
        """The parameter that an error is about; unlike `setting`, always some words."""
        return str(self.setting(name, value))

    def value(self, value: Any) -> str:
        """A value by itself, as a list of choices has it."""
        return repr(value)


PYTHON = Wording()


class RecaeError(Exception):
    """Base class of every error that recae raises on purpose.

    Args:
        message: what is wrong.
        name: the parameter that it is about, by its name in the API.
        value: the value of that parameter; left out, the error is about the parameter whatever its value.
        expected: what the value may be: a text that follows the word "expected", or a sequence of choices.
        remedy: what to do, one thing or alternatives.

    Example:
        >>> str(ParameterError(name="n", value=0, expected="a number from 1 to 50"))
        'n=0: expected a number from 1 to 50'
    """

    def __init__(
        self,
        message: str = "",
        *,
        name: str | None = None,
        value: Any = ...,
        expected: str | Sequence[Any] = "",
        remedy: str | Remedy | Sequence[str | Remedy] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.name = name
        self.value = value
        self.expected = expected
        self.remedies = (remedy,) if isinstance(remedy, str | Remedy) else tuple(remedy)

    def worded(self, wording: Wording) -> str:
        """The whole message in the words of an interface; remedies that the interface does not have are left out."""
        expectation = self.expected and (
            f"expected {self.expected}"
            if isinstance(self.expected, str)
            else choose(self.value, self.expected, wording)
        )
        text = "; ".join(part for part in (self.message, expectation) if part)
        if self.name is not None:
            text = f"{wording.subject(self.name, self.value)}: {text}"
        remedies = [one if isinstance(one, str) else one.worded(wording) for one in self.remedies]
        possible = [one for one in remedies if one is not None]
        return text + (f"; {', or '.join(possible)}" if possible else "")

    def __str__(self) -> str:  # KeyError would print its message in quotes
        return self.worded(PYTHON)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"


class DataError(RecaeError, ValueError):
    """Ratings, images or documents that cannot be used as they are."""


class DataWarning(UserWarning):
    """Something in the data was merged, corrected or decided, which the caller may want to know."""


class ParameterError(RecaeError, ValueError):
    """A hyper-parameter or an option outside what it may be."""


class UnknownIdError(RecaeError, KeyError):
    """A user or an item that the model or the ratings do not know."""


class NotFittedError(RecaeError, AttributeError, ValueError):
    """A model was asked for something before `fit`."""


class MissingExtraError(RecaeError, ImportError):
    """A feature needs a package that is not installed."""


class DatasetNotFoundError(RecaeError, FileNotFoundError):
    """A named data set or file is not on this machine, and cannot be downloaded."""


class DownloadError(RecaeError, OSError):
    """A download failed, or the file that came is not the expected one."""


class ModelFileError(RecaeError, OSError):
    """A model file is foreign, truncated, tampered with, or from a newer version."""


class TrainingInterrupted(KeyboardInterrupt):
    """A signal stopped training between two steps.

    It is an interruption, not an error: neither `except Exception` nor `except RecaeError` catches it.

    Attributes:
        checkpoint: the file from which training can resume; None if there is none.
        signal: the number of the signal: that of SIGINT (Ctrl-C), SIGTERM or SIGHUP.
    """

    def __init__(self, message: str = "", checkpoint: str | None = None, signal: int = 2) -> None:
        super().__init__(message)
        self.checkpoint, self.signal = checkpoint, signal


class DivergenceError(RecaeError, ArithmeticError):
    """The loss or the scores became infinite or not a number."""


class ProcessLostError(RecaeError, ConnectionError):
    """A model is fitted by several processes, and one of them is gone."""


def class_of(name: str) -> type[RecaeError]:
    """The error class of that name, as one process tells another; `RecaeError` for a name that is not here."""
    found = globals().get(name)
    return found if isinstance(found, type) and issubclass(found, RecaeError) else RecaeError


def choose(value: Any, choices: Sequence[Any], wording: Wording = PYTHON) -> str:
    """What to say of a value that is none of the choices: all of them, and the nearest one."""
    *first, last = map(wording.value, choices)
    text = f"choose {', '.join(first)} or {last}" if first else f"choose {last}"
    close = difflib.get_close_matches(value, map(str, choices), 1, 0.6) if isinstance(value, str) else []
    return text + "".join(f"; did you mean {wording.value(one)}?" for one in close)
