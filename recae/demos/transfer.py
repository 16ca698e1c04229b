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
DRAWS = 3  # of the labelled images, where they are few
STEPS = 1000  # of training with labels, at least
LOOK = (
    "To be seen: both classifiers have the same layers and the same labelled images. With a hundred labels the "
    "encoder that has looked at all images, without a label, is ahead; with all labels there is nothing left to "
    "gain. Whiskers: one standard deviation over three draws of the labelled images."
)


def run(stage: Stage) -> Figures:
    digits = stage.digits
    rows: list[Figures] = []
    for wanted in LABELS:
        count = min(wanted or len(digits.train), len(digits.train))
        scores = stage.once(f"transfer {count}", partial(_draws, stage, count))
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
    return {"data": digits.source, "accuracy": rows}


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
    stage.train("pretraining", model, (10, 100), loss="cross-entropy")
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
    epochs = max(5, STEPS * batch_size // len(chosen))
    trainer = stage.trainer(f"{len(chosen):,} labels", epochs, lr=1e-3)
    trainer.fit(network, batches, _objective)
    network.cpu()
    with torch.no_grad():
        return float((network(digits.test).argmax(1) == digits.test_labels).float().mean())


def _objective(model: nn.Module, batch: Batch) -> Tensor:
    return functional.cross_entropy(model(batch.input), batch.target)


def _names(rows: list[Figures]) -> list[str]:
    return list(dict.fromkeys(row["encoder"] for row in rows))
