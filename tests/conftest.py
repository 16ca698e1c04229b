"""What several test modules share."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings
from property_examples import THOROUGH

# What a push is tested with is the same every time. Examples that nobody has seen are looked for by `make properties`.
settings.register_profile("the-same", derandomize=True)
settings.register_profile("thorough", max_examples=THOROUGH)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "the-same"))


# nohup ignores SIGHUP, and a shell that starts a command with & ignores SIGINT; processes of the tests inherit that.
for name, usual in (("SIGHUP", signal.SIG_DFL), ("SIGINT", signal.default_int_handler)):
    number = getattr(signal, name, None)
    if number is not None and signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, usual)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real data sets; tests that use it are skipped, visibly, where there is none."""
    folder = os.environ.get("RECAE_DATA_DIR")
    if not folder or not Path(folder).is_dir():
        pytest.skip("RECAE_DATA_DIR is not set to a folder of real data sets")
    return Path(folder)
