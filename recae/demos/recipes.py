"""Networks that several demos show. Each is trained once a stage; its settings were chosen on validation images.

Epochs are given for MNIST and for the small digits, of which there are forty times fewer.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from recae.demos.stage import Stage
from recae.nn import Autoencoder, GaussianCode, KLSparse, negative_bound
from recae.training import History

PLAIN_EPOCHS, DEEP_EPOCHS, VAE_EPOCHS = (20, 80), (30, 100), (15, 100)
DEEP = "784-392-28-10-2"


class Trained(NamedTuple):
    """A network and how its training went."""

    model: Autoencoder
    history: History

    @property
    def parameters(self) -> int:
        """Numbers learned."""
        return sum(p.numel() for p in self.model.parameters())


def plain(stage: Stage) -> Trained:
    """784-256-784 with sigmoid units, under squared error."""

    def make() -> Trained:
        model = stage.network(stage.digits.sizes("784-256"), output="sigmoid")
        return Trained(model, stage.train("plain", model, PLAIN_EPOCHS, lr=4e-3))

    return stage.once("plain", make)


def sparse(stage: Stage) -> Trained:
    """784-256-784 whose units are asked to be active one time in ten: KL penalty with rho 0.1, weight 0.001.

    Squared error is a mean over pixels. With a twelfth of the units the sum over units is smaller, so the weight of
    the small digits' network is larger.
    """

    def make() -> Trained:
        weight = 5e-3 if stage.digits.small else 1e-3
        model = stage.network(stage.digits.sizes("784-256"), output="sigmoid", code=KLSparse(0.1, weight))
        return Trained(model, stage.train("sparse", model, PLAIN_EPOCHS, lr=4e-3))

    return stage.once("sparse", make)


def squeezed(stage: Stage, text: str) -> Trained:
    """A mirrored stack with a narrow linear code, such as 784-392-28-10-2, under cross-entropy.

    ELU instead of ReLU, and a little decay, keep digits of the validation images further apart in the code.
    """

    def make() -> Trained:
        sizes = stage.digits.sizes(text)
        names = ["elu"] * (len(sizes) - 2) + ["identity"]
        model = stage.network(sizes, activations=names, output="sigmoid")
        return Trained(model, stage.train(text, model, DEEP_EPOCHS, loss="cross-entropy", lr=5e-3, decay=1e-4))

    return stage.once(text, make)


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
