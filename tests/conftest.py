"""What several test modules share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("thorough", max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real data sets; tests that use it are skipped, visibly, where there is none."""
    folder = os.environ.get("RECAE_DATA_DIR")
    if not folder or not Path(folder).is_dir():
        pytest.skip("RECAE_DATA_DIR is not set to a folder of real data sets")
    return Path(folder)
