"""Networks that several demos show. Each is trained once a stage; its settings were chosen on validation images.

Epochs are given for MNIST and for the small digits, of which there are forty times fewer.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import torch

from recae.demos.stage import Stage
from recae.nn import Autoencoder, GaussianCode, KLSparse, negative_bound
from recae.training import History

PLAIN_EPOCHS, DEEP_EPOCHS, VAE_EPOCHS = (10, 50), (15, 35), (15, 50)
RHO = 0.1  # the mean activation that a sparse unit is asked for
# L2 on the weights so weak that it moves only those that no image moves: of pixels that are never lit.
QUIET = 1e-8
DEEP = "784-392-28-10-2"


class Trained(NamedTuple):
    """A network and how its training went."""

    model: Autoencoder
    history: History

    @property
    def parameters(self) -> int:
        """Numbers learned."""
        return sum(p.numel() for p in self.model.parameters())


def plain(stage: Stage, *, wide: bool = False) -> Trained:
    """784-256-784 with sigmoid units, under squared error; `wide`: begun with weights from N(0, 1)."""

    def make() -> Trained:
        model = stage.network(stage.digits.sizes("784-256"), output="sigmoid")
        return _trained(stage, "plain", model, wide=wide)

    return stage.once(f"plain, {wide}", make)


def sparse(stage: Stage, *, wide: bool = False) -> Trained:
    """784-256-784 whose units are asked for a mean activation of a tenth: KL penalty with rho 0.1, weight 0.001.

    Squared error is a mean over pixels. With a twelfth of the units the sum over units is smaller, so the weight of
    the small digits' network is larger. `wide`: begun with weights from N(0, 1).
    """

    def make() -> Trained:
        weight = 5e-3 if stage.digits.small else 1e-3
        model = stage.network(stage.digits.sizes("784-256"), output="sigmoid", code=KLSparse(RHO, weight))
        return _trained(stage, "sparse", model, wide=wide)

    return stage.once(f"sparse, {wide}", make)


def _trained(stage: Stage, label: str, model: Autoencoder, *, wide: bool) -> Trained:
    if wide:
        stage.seeded(lambda: _start_wide(model))
    return Trained(model, stage.train(label, model, PLAIN_EPOCHS, lr=4e-3, decay=QUIET))


@torch.no_grad()
def _start_wide(model: Autoencoder) -> None:
    """All weights from N(0, 1), ten times as wide as Glorot's here: a common start in tutorials."""
    for layer in (*model.encoder.layers, *model.decoder.layers):  # type: ignore[misc]
        layer.weight.normal_()


def squeezed(
    stage: Stage, text: str, *, bounded: bool = False, draw: int = 0, epochs: tuple[int, int] = DEEP_EPOCHS,
    lr: float = 5e-3,
) -> Trained:  # fmt: skip
    """A mirrored stack with a narrow linear code, such as 784-392-28-10-2, under cross-entropy.

    ELU instead of ReLU, and a little decay, keep digits of the validation images further apart in the code; so does a
    larger rate for sigmoid layers.

    Args:
        stage: where it is trained.
        text: widths, as for 784 pixels.
        bounded: sigmoid layers and a tanh code, the recipe of older tutorials, instead.
        draw: another start and another order of the images.
        epochs, lr: of wide networks, which cost more an epoch and need smaller steps, instead of the usual ones.
    """

    def make() -> Trained:
        sizes = stage.digits.sizes(text)
        inner, code = ("sigmoid", "tanh") if bounded else ("elu", "identity")
        where = replace(stage, seed=stage.seed + 1000 * draw, _digits=stage.digits, say=lambda _: None)
        model = where.network(sizes, activations=[inner] * (len(sizes) - 2) + [code], output="sigmoid")
        rate, decay = (1e-2, 0.0) if bounded else (lr, 1e-4)
        return Trained(model, where.train(text, model, epochs, loss="cross-entropy", lr=rate, decay=decay))

    return stage.once(f"{text}, {bounded}, {draw}, {epochs}, {lr}", make)


def variational(stage: Stage, text: str = "784-500-500-20") -> Trained:
    """A variational autoencoder; its KL term comes in over the first tenth of training."""

    def make() -> Trained:
        digits = stage.digits
        epochs = stage.epochs or VAE_EPOCHS[digits.small]
        steps = epochs * (len(digits.train) // (32 if digits.small else 128)) // 10
        model = stage.network(
            digits.sizes(text), activations="relu", output="sigmoid", code=GaussianCode(anneal_steps=steps)
        )
        watch = Terms(stage)
        history = stage.train(text, model, VAE_EPOCHS, loss="cross-entropy", lr=2e-3, validate=watch)
        stage.once(f"terms of {text}", lambda: watch.seen)
        return Trained(model, history)

    return stage.once(text, make)


class Terms:
    """Validation figure of a variational autoencoder: its bound; both terms are remembered."""

    def __init__(self, stage: Stage) -> None:
        self.rows, self.seed = stage.digits.validation, stage.seed
        self.seen: list[tuple[float, float]] = []

    def __call__(self, model: Any) -> float:
        device = next(model.parameters()).device
        bound = negative_bound(model, self.rows.to(device), rng=self.seed)
        self.seen.append((float(bound.reconstruction.mean()), float(bound.kl.mean())))
        return sum(self.seen[-1])
