"""Where things are: the checkout, the results, the settings and the pages."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
BENCHMARKS = ROOT / "benchmarks"
RESULTS = BENCHMARKS / "results"
CONFIGS = BENCHMARKS / "configs"
DOCS = ROOT / "docs"
BUILD = ROOT / "build"  # what may be made again: environments, data, predictions; not in git
