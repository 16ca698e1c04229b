"""Few labels, many images: an encoder that has seen them all without labels, against one that has not."""

from __future__ import annotations

import copy
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from recae import plots
from recae.demos.measures import rounded
from recae.demos.stage import Figures, Stage
from recae.nn import Autoencoder, Gaussian
from recae.training import Batch, RowBatches

LABELS = (100, 1000, None)  # None: all of them
DRAWS = 10  # of the labelled images, where they are few
STEPS = 400  # of training with labels, at least


def look(figures: Figures) -> str:
    """What is to be seen."""
    said = [_said(one) for one in figures["leads"]]
    return (
        "Both classifiers have the same layers and the same labelled images; one encoder has looked at all images "
        f"before, without a label. {' '.join(said)} Whiskers: one standard deviation over the draws of labelled images."
    )


def _said(lead: Figures) -> str:
    """Whether the pretrained encoder leads with so many labels, as far as the draws can tell."""
    labels, points = f"With {lead['labels']:,} labels", 100 * lead["lead"]
    if lead["draws"] < 2:
        return f"{labels} the difference is {points:+.1f} points (one training each: it says little)."
    if lead["low"] <= 0 <= lead["high"]:
        return f"{labels} no lead is certain ({points:+.1f} points, {_interval(lead)})."
    side = "pretrained encoder" if points > 0 else "untrained encoder"
    return f"{labels} the {side} leads by {abs(points):.1f} points ({_interval(lead)}, {lead['draws']} draws)."


def _interval(lead: Figures) -> str:
    return f"95 % interval {100 * lead['low']:.1f} to {100 * lead['high']:.1f}"


def run(stage: Stage) -> Figures:
    digits = stage.digits
    rows: list[Figures] = []
    leads = []
    counts = dict.fromkeys(min(wanted or len(digits.train), len(digits.train)) for wanted in LABELS)
    for count in counts:
        scores = stage.once(f"transfer {count}", partial(_draws, stage, count))
        leads.append({"labels": count, **lead(scores)})
        for name, column in zip(("pretrained", "from scratch"), zip(*scores)):
            rows.append(
                {
                    "labels": count, "encoder": name, "test_accuracy": rounded(float(np.mean(column)), 4),
                    "spread": rounded(float(np.std(column)), 4), "draws": len(column),
                }
            )  # fmt: skip
    stage.table(rows)
    groups = [f"{row['labels']:,} labels" for row in rows[::2]]
    series = {name: [row["test_accuracy"] for row in rows if row["encoder"] == name] for name in _names(rows)}
    spread = {name: [row["spread"] for row in rows if row["encoder"] == name] for name in _names(rows)}
    figure = plots.bars(
        groups, series, spread=spread, ylabel="test accuracy", digits=3, title=f"Classifying {digits.noun}"
    )
    stage.save(figure, "transfer-accuracy")
    return {"data": digits.source, "accuracy": rows, "leads": leads}


def lead(scores: list[tuple[float, float]]) -> Figures:
    """Mean of the first less the second of each pair, with its 95 % interval (Student's t over pairs)."""
    from scipy.stats import t

    gaps = np.array([one - other for one, other in scores])
    found: Figures = {"lead": rounded(gaps.mean(), 4), "draws": len(gaps), "low": None, "high": None}
    if len(gaps) > 1:
        half = t.ppf(0.975, len(gaps) - 1) * gaps.std(ddof=1) / np.sqrt(len(gaps))
        found |= {"low": rounded(gaps.mean() - half, 4), "high": rounded(gaps.mean() + half, 4)}
    return found


class Classifier(nn.Module):
    """An encoder and a linear layer to ten classes."""

    def __init__(self, model: Autoencoder, width: int) -> None:
        super().__init__()
        self.encoder, self.head = copy.deepcopy(model.encoder), nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.head(self.encoder(x))
        return scores


def _pretrained(stage: Stage) -> Autoencoder:
    model = _untrained(stage)
    stage.train("pretraining", model, (5, 60), loss="cross-entropy")
    return model


def _untrained(stage: Stage) -> Autoencoder:
    return stage.network(
        stage.digits.sizes("784-500-250"), activations="relu", output="sigmoid", noise=Gaussian(0.5, 0.0, 1.0)
    )


def _draws(stage: Stage, count: int) -> list[tuple[float, float]]:
    """Test accuracies of both, for each draw of `count` labelled images; all of them are drawn once."""
    pretrained = stage.once("transfer", lambda: _pretrained(stage))
    return [_both(stage, pretrained, count, draw) for draw in range(DRAWS if count < len(stage.digits.train) else 1)]


def _both(stage: Stage, pretrained: Autoencoder, count: int, draw: int) -> tuple[float, float]:
    """Test accuracy with the pretrained encoder, and with an untrained one, on the same labelled images."""
    chosen = _draw(stage, count, draw)
    return _classify(stage, pretrained, chosen), _classify(stage, _untrained(stage), chosen)


def _draw(stage: Stage, count: int, draw: int) -> Tensor:
    """Places of `count` train images, equally many of each digit where possible."""
    labels = stage.digits.train_labels
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(1000 * stage.seed + draw))
    if count == len(labels):
        return order
    each = [order[labels[order] == digit][: count // 10] for digit in range(10)]
    return torch.cat(each)


def _classify(stage: Stage, model: Autoencoder, chosen: Tensor) -> float:
    digits = stage.digits
    rows, labels = digits.train[chosen], digits.train_labels[chosen]
    network = stage.seeded(lambda: Classifier(model, digits.sizes("784-500-250")[-1]))
    batch_size = 20 if len(chosen) <= 2000 else 128
    batches = RowBatches(rows, functional.one_hot(labels, 10).float(), batch_size=batch_size)
    epochs = max(4, STEPS * batch_size // len(chosen))
    trainer = stage.trainer(f"{len(chosen):,} labels", epochs, lr=1e-3)
    trainer.fit(network, batches, _objective)
    network.cpu()
    with torch.no_grad():
        return float((network(digits.test).argmax(1) == digits.test_labels).float().mean())


def _objective(model: nn.Module, batch: Batch) -> Tensor:
    return functional.cross_entropy(model(batch.input), batch.target)


def _names(rows: list[Figures]) -> list[str]:
    return list(dict.fromkeys(row["encoder"] for row in rows))
