"""The errors that recae raises on purpose.

A message names the value that was met, what was expected, and the remedy. Everything derives from
`RecaeError`, so a caller can catch one class; each also derives from the built-in class that a
Python reader would expect (`ValueError`, `KeyError`, ...).
"""

from __future__ import annotations


class RecaeError(Exception):
    """Base class of every error that recae raises on purpose."""

    def __str__(self) -> str:  # KeyError would print its message in quotes
        return str(self.args[0]) if self.args else ""


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
    """What was asked for needs a package that is not installed."""


class DatasetNotFoundError(RecaeError, FileNotFoundError):
    """A named data set or file is neither here nor to be had."""


class DownloadError(RecaeError, OSError):
    """A download failed, or what came is not what was expected."""


class ModelFileError(RecaeError, OSError):
    """A model file is foreign, truncated, tampered with, or from a newer version."""


class TrainingInterrupted(KeyboardInterrupt):
    """A signal stopped training between two steps.

    It is an interruption, not an error: neither `except Exception` nor `except RecaeError` catches it.

    Attributes:
        checkpoint: the file from which training can resume; None if there is none.
        signal: the number of the signal: that of SIGINT (Ctrl-C), SIGTERM or SIGHUP.
    """

    def __init__(self, message: str, checkpoint: str | None = None, signal: int = 2) -> None:
        super().__init__(message)
        self.checkpoint, self.signal = checkpoint, signal


class DivergenceError(RecaeError, ArithmeticError):
    """The loss became infinite or not a number."""


class ProcessLostError(RecaeError, ConnectionError):
    """A model is fitted by several processes, and one of them is gone."""
