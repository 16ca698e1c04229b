"""What the demos' texts claim, said again: a phrase stands in a text where, and only where, its figures say so."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from typing import Any

from recae import demos

Figures = dict[str, Any]
Claim = tuple[str, Callable[[Figures], bool]]


def module_text(name: str, figures: Figures) -> str:
    """What a demo says of these figures, as it stands in one line."""
    return " ".join(str(demos.demo(name).look(figures)).split())


def _of(rows: str, first: str, key: str) -> Callable[[Figures], float]:
    """The value of `key` in the row of `figures[rows]` whose first column is `first`, or begins so."""

    def find(figures: Figures) -> float:
        names = [str(next(iter(one.values()))) for one in figures[rows]]
        place = names.index(first) if first in names else next(i for i, n in enumerate(names) if n.startswith(first))
        return float(figures[rows][place][key])

    return find


def _less(one: Callable[[Figures], float], other: Callable[[Figures], float]) -> Callable[[Figures], bool]:
    return lambda figures: one(figures) < other(figures)


def _near(one: float, other: float) -> bool:
    return abs(one - other) <= 0.05 * abs(other)


_MSE = {name: _of("networks", name, "test_mse") for name in (
    "plain", "sparse", "plain, N(0, 1) start", "sparse, N(0, 1) start", "deep", "PCA", "784-1000-500-250-2",
)}  # fmt: skip
_WIDE = _less(_MSE["sparse, N(0, 1) start"], _MSE["plain, N(0, 1) start"])
_USUAL = _less(_MSE["sparse"], _MSE["plain"])
_KNN = {name: _of("codes", name, "knn_accuracy") for name in ("PCA", "autoencoder, 2")}
_APART = {name: _of("codes", name, "silhouette") for name in ("t-SNE", "autoencoder, 2")}
_WEIGHTS = {name: _of("networks", name, "weight_spread") for name in ("plain", "sparse")}
_CHOOSY = {name: _of("networks", name, "choosiness") for name in ("plain", "sparse")}
_GAIN = {name: _of("networks", name, "psnr_db") for name in ("overcomplete", "overcomplete, KL")}
_NEAREST = {name: _of("spaces", name, "precision_at_10") for name in ("PCA", "autoencoder", "LSA")}
_NDCG = {name: _of("models", name, "ndcg@20") for name in ("network, init", "network, none")}
_RMSE = {name: _of("by_time", name, "rmse") for name in ("autorec", "biases")}


def _nearest_way(figures: Figures) -> str | None:
    pixels, *codes = figures["ways"]
    best = min(codes, key=lambda way: way["distance"])
    return str(best["way"]) if best["distance"] < pixels["distance"] else None


def _angles(figures: Figures) -> list[float]:
    return [row["largest_angle_rad"] for row in figures["by_dimension"]]


def _intervals(figures: Figures) -> list[tuple[float, float]]:
    return [(one["low"], one["high"]) for one in figures["leads"] if one["draws"] > 1]


CLAIMS: dict[str, list[Claim]] = {
    "reconstruct": [
        ("the claim holds from both starts", lambda f: _WIDE(f) and _USUAL(f)),
        ("the claim is about the start", lambda f: _WIDE(f) and not _USUAL(f)),
        ("holds with Glorot's start alone", lambda f: not _WIDE(f) and _USUAL(f)),
        ("does not hold from either start", lambda f: not _WIDE(f) and not _USUAL(f)),
        ("error is about the same as PCA's", lambda f: _near(_MSE["deep"](f), _MSE["PCA"](f))),
        ("error is below PCA's", lambda f: _MSE["deep"](f) < 0.95 * _MSE["PCA"](f)),
        ("error is above PCA's", lambda f: _MSE["deep"](f) > 1.05 * _MSE["PCA"](f)),
    ],
    "pca": [
        ("errors lie on PCA's at k = ", lambda f: any(row["excess_percent"] <= 1 for row in f["by_dimension"])),
        ("not yet PCA's at any k", lambda f: all(row["excess_percent"] > 1 for row in f["by_dimension"])),
        ("it has not yet found PCA's", lambda f: any(angle > 0.2 for angle in _angles(f))),
        ("the two planes is not small", lambda f: f["angle_of_the_planes_rad"] > 0.2),
    ],
    "latent": [
        ("(no better)", lambda f: not _less(_KNN["PCA"], _KNN["autoencoder, 2"])(f)),
        ("lays digits further apart", _less(_APART["autoencoder, 2"], _APART["t-SNE"])),
    ],
    "depth": [
        ("PCA's errors or worse", lambda f: f["networks"][1]["test_mse"] >= _MSE["PCA"](f)),
        ("do not lower them", lambda f: f["deepest"]["test_mse"] >= f["networks"][1]["test_mse"]),
        ("does most of it", lambda f: (
            f["networks"][1]["test_mse"] - f["networks"][2]["test_mse"]
            > (f["networks"][1]["test_mse"] - f["deepest"]["test_mse"]) / 2 > 0
        )),
        ("confuses fewer of them only because", lambda f: (
            f["networks"][1]["four_nine_confused"] < f["deepest"]["four_nine_confused"]
            and f["networks"][1]["knn_accuracy"] < f["deepest"]["knn_accuracy"]
        )),
        ("its error is below that of two", lambda f: f["wide"]["test_mse"] < 0.95 * _MSE["PCA"](f)),
    ],
    "manifold": [("no way through a code is nearer", lambda f: _nearest_way(f) is None)],
    "generate": [
        ("in use", lambda f: f["units_in_use"] > 0),
        ("near mean 0 and variance 1", lambda f: f["units_in_use"] < len(f["kl_by_unit_nats"])),
    ],
    "denoise": [
        ("the KL penalty costs", _less(_GAIN["overcomplete, KL"], _GAIN["overcomplete"])),
        ("network a lower loss", lambda f: f["first_epoch_pretrained"] < f["first_epoch_from_scratch"]),
    ],
    "enlarge": [("no less", lambda f: f["toy"]["error_smaller"] >= f["toy"]["error_zero"])],
    "features": [
        ("weights are larger", _less(_WEIGHTS["sparse"], _WEIGHTS["plain"])),
        ("are the choosier ones", _less(_CHOOSY["plain"], _CHOOSY["sparse"])),
    ],
    "retrieve": [("the code is ahead of PCA", _less(_NEAREST["PCA"], _NEAREST["autoencoder"]))],
    "transfer": [
        ("no lead is certain", lambda f: any(low <= 0 <= high for low, high in _intervals(f))),
        ("the pretrained encoder leads", lambda f: any(low > 0 for low, _ in _intervals(f))),
        ("the untrained encoder leads", lambda f: any(high < 0 for _, high in _intervals(f))),
        ("it says little", lambda f: any(one["draws"] == 1 for one in f["leads"])),
    ],
    "anomaly": [
        ("below chance", lambda f: any(one["auc_unnormalised"] < 0.5 for one in f["by_digit"])),
        ("Not found even so", lambda f: any(one["auc"] <= 0.5 for one in f["by_digit"])),
    ],
    "documents": [
        ("(the code is ahead)", _less(_NEAREST["LSA"], _NEAREST["autoencoder"])),
        ("found by the code alone", lambda f: any(not one["shared"] for one in f["query"]["nearest"])),
    ],
    "ratings": [
        ("have no more raters in common", lambda f: (
            f["sampled"]["similarity_within"] <= f["sampled"]["similarity_across"]
        )),
    ],
    "groups": [
        (", below the biases'", _less(_RMSE["autorec"], _RMSE["biases"])),
        ("intervals are apart", lambda f: any(one["best"]["high"] < one["worst"]["low"] for one in f["groups"])),
        ("intervals meet", lambda f: any(one["best"]["high"] >= one["worst"]["low"] for one in f["groups"])),
    ],
    "sessions": [
        (f"is {words} the one that does not", lambda f, holds=holds: holds(*(_NDCG[name](f) for name in _NDCG)))
        for words, holds in (
            ("about the same as", _near), ("below", lambda one, other: one < 0.95 * other),
            ("above", lambda one, other: one > 1.05 * other),
        )
    ],
    "eightbit": [
        ("without a fault", lambda f: f["answers"][0]["wrong_bits"] == 0),
        ("gives the same answer for its complement", lambda f: f["answers"][0]["answer"] == f["answers"][1]["answer"]),
    ],
}  # fmt: skip


def wrong_claims(name: str, text: str, figures: Figures) -> list[str]:
    """Phrases that stand in a demo's text although the figures deny them, or the other way round."""
    return [phrase for phrase, holds in CLAIMS[name] if (phrase in text) != bool(holds(figures))]


def strange_numbers(text: str, figures: Figures) -> list[str]:
    """Numbers with decimals in a demo's text that are no figure, percentage or difference of two figures of the run."""
    values = set(_numbers(figures))
    values |= {abs(one - other) for one, other in itertools.combinations(sorted(values), 2)}
    values |= {100 * value for value in values}
    found = re.findall(r"(?<![\w.])\d[\d,]*\.\d+(?:e-?\d+)?", text)
    constants = {"0.5"}  # chance of an AUC
    return [one for one in found if one not in constants and not any(_shows(one, value) for value in values)]


def _shows(text: str, value: float) -> bool:
    """Whether `text` is `value`, as far as its digits go."""
    digits = text.replace(",", "")
    return abs(float(digits) - abs(value)) <= (abs(float(digits)) * 0.06 if "e" in digits else 0.51 * _step(digits))


def _step(digits: str) -> float:
    return 10.0 ** -len(digits.partition(".")[2])


def _numbers(found: Any) -> Iterator[float]:
    """All numbers within figures."""
    if isinstance(found, dict | list):
        for one in found.values() if isinstance(found, dict) else found:
            yield from _numbers(one)
    elif isinstance(found, int | float) and not isinstance(found, bool):
        yield float(found)


def turned(found: Any) -> Any:
    """Figures with each table's measured columns turned upside down, while names stay; a lead becomes its contrary."""
    if isinstance(found, dict):
        return {key: turned(one) for key, one in found.items()}
    if not (isinstance(found, list) and found and all(isinstance(one, dict) for one in found)):
        return found
    if "lead" in found[0]:
        return [_behind(one) for one in found]
    names = [key for key in found[0] if all(isinstance(one.get(key), float) for one in found)]
    return [{**one, **{key: other[key] for key in names}} for one, other in zip(found, reversed(found))]


def _behind(lead: Figures) -> Figures:
    """A lead of the other side, as large."""
    ends = {} if lead["low"] is None else {"low": -lead["high"], "high": -lead["low"]}
    return {**lead, "lead": -lead["lead"], **ends}
