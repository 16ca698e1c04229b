"""Ratings in: a data set's name, a file or a table to a `RatingMatrix`."""

from __future__ import annotations

from recae.loaders.sample import SampleTruth, sample, sample_truth, sample_with_truth

__all__ = ["SampleTruth", "sample", "sample_truth", "sample_with_truth"]
