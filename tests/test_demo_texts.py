"""Texts under the demos' pictures are true of the run that they are of, whatever it found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from demo_claims import module_text, strange_numbers, turned, wrong_claims

from recae import demos

RECORDED = Path(__file__).parents[1] / "benchmarks" / "results" / "demos.json"


@pytest.fixture(scope="module")
def recorded() -> dict[str, Any]:
    """Figures by demo of the run, with all defaults and on full data, that docs/demos.md shows."""
    return {name: one["figures"] for name, one in json.loads(RECORDED.read_text())["demos"].items()}


@pytest.mark.parametrize("name", demos.DEMOS)
def test_each_claim_of_the_page_is_what_its_run_found(name: str, recorded: dict[str, Any]) -> None:
    """Of the run on full data: what the text says is so, and each of its decimals is a figure of the run."""
    text = module_text(name, recorded[name])
    assert wrong_claims(name, text, recorded[name]) == []
    assert strange_numbers(text, recorded[name]) == []


@pytest.mark.parametrize("name", demos.DEMOS)
def test_a_run_that_came_out_the_other_way_is_told_so(name: str, recorded: dict[str, Any]) -> None:
    """With each table of figures turned upside down the texts still say what the figures say."""
    other = turned(recorded[name])
    text = module_text(name, other)
    assert wrong_claims(name, text, other) == []
    assert strange_numbers(text, other) == []


def test_a_text_of_another_run_is_found_out(recorded: dict[str, Any]) -> None:
    """The two checks can fail: texts of the turned figures, beside the figures as they are, have wrong claims and
    foreign numbers."""
    texts = {name: module_text(name, turned(recorded[name])) for name in demos.DEMOS}
    wrong = [phrase for name in demos.DEMOS for phrase in wrong_claims(name, texts[name], recorded[name])]
    assert len(wrong) >= 12
    pixels, *codes = recorded["manifold"]["ways"]
    text = module_text("manifold", {**recorded["manifold"], "ways": [{**pixels, "distance": 9.876}, *codes]})
    assert strange_numbers(text, recorded["manifold"]) == ["9.88"]


def test_pca_says_where_errors_lie_on_pcas() -> None:
    """Errors and angles of the text are those of the figures, near PCA's or far from them."""
    near = {"dimensions": 2, "excess_percent": 0.1, "largest_angle_rad": 0.001}
    far = {"dimensions": 64, "excess_percent": 163.2, "largest_angle_rad": 1.57}
    good = module_text("pca", {"by_dimension": [near], "angle_of_the_planes_rad": 0.001})
    assert "errors lie on PCA's at k = 2" in good
    assert "it has not yet found" not in good
    bad = module_text("pca", {"by_dimension": [far], "angle_of_the_planes_rad": 0.5})
    assert "lie on PCA's" not in bad
    assert "163.2 %" in bad
    assert "1.57 rad" in bad
    assert "the two planes is not small" in bad


@pytest.mark.parametrize(("plain", "sparse", "words"), [
    (0.0014, 0.0032, "0.0014 and 0.0032: the claim is about the start"), (0.0232, 0.0061, "holds from both starts"),
])  # fmt: skip
def test_the_claim_of_plain_and_sparse_is_said_as_it_came_out(plain: float, sparse: float, words: str) -> None:
    """Which network reconstructs better from which start is read off the figures."""
    rows = [
        {"network": name, "test_mse": error, "saturated": 0.6, "mean_activation": 0.1, "code": 32}
        for name, error in (
            ("plain", plain), ("plain, N(0, 1) start", 0.02), ("sparse", sparse), ("sparse, N(0, 1) start", 0.01),
            ("deep", 0.008), ("PCA, 32", 0.017),
        )
    ]  # fmt: skip
    text = module_text("reconstruct", {"networks": rows})
    assert words in text
    assert "error is 0.0200, the sparse one's 0.0100" in text
    assert "is below PCA's" in text


def test_transfer_claims_a_lead_only_where_the_draws_show_one() -> None:
    """An interval that holds 0 is no lead; one that does not is one, of whichever encoder it is."""
    from recae.demos.transfer import lead

    certain = {"labels": 100, **lead([(0.8, 0.7), (0.81, 0.7), (0.8, 0.69)])}
    unsure = {"labels": 1000, **lead([(0.8, 0.7), (0.7, 0.8), (0.8, 0.79)])}
    behind = {"labels": 200, **lead([(0.7, 0.8), (0.7, 0.81), (0.69, 0.8)])}
    single = {"labels": 5000, **lead([(0.98, 0.97)])}
    text = module_text("transfer", {"leads": [certain, unsure, behind, single]})
    assert "With 100 labels the pretrained encoder leads by 10.7 points" in text
    assert "With 1,000 labels no lead is certain" in text
    assert "With 200 labels the untrained encoder leads" in text
    assert "With 5,000 labels the difference is +1.0 points (one training each" in text


def test_the_interval_of_a_lead_is_students() -> None:
    """Against scipy's interval of paired differences."""
    from scipy.stats import ttest_rel

    from recae.demos.transfer import lead

    one, other = np.array([0.8, 0.82, 0.79, 0.85]), np.array([0.7, 0.75, 0.78, 0.77])
    found = lead(list(zip(one.tolist(), other.tolist())))
    low, high = ttest_rel(one, other).confidence_interval()
    assert (found["low"], found["high"]) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))


def test_ways_and_anomalies_are_said_as_they_came_out() -> None:
    """A way is called nearer only if it is; a digit that cannot be told from the others is named."""
    ways = [{"way": "in pixels", "distance": 4.8}, {"way": "in the plain code, 2 units", "distance": 4.1}]
    assert "nearest are the images on the way in the plain code, 2 units (4.10" in module_text(
        "manifold", {"ways": ways, "pairs": 20}
    )
    ways[1]["distance"] = 5.0
    assert "no way through a code is nearer" in module_text("manifold", {"ways": ways, "pairs": 20})
    rows = [{"unseen": d, "auc": 0.8 - 0.04 * d, "auc_unnormalised": 0.39 + 0.05 * abs(d - 1)} for d in range(10)]
    text = module_text("anomaly", {"by_digit": rows, "mean_auc": 0.62, "mean_auc_unnormalised": 0.6})
    assert "a 1 is below chance (AUC 0.39): an image with little ink" in text
    assert "Not found even so: 8 and 9." in text
