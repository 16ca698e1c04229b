"""Plain, sparse and deep autoencoders: what goes in, what comes out, and how training went."""

from __future__ import annotations

import torch

from recae import plots
from recae.demos.measures import reconstructed, reconstruction_error, rounded
from recae.demos.recipes import Trained, plain, sparse
from recae.demos.stage import Figures, Stage
from recae.nn import Autoencoder, KLSparse
from recae.training import Batch, Reconstruction

LOOK = (
    "To be seen: the plain network gives digits back almost unchanged. The sparse one, whose units are asked to "
    "rest nine times in ten, does so with few units speaking at a time; its penalty stands beside its error. The "
    "deep one has an eighth of the numbers for a code and blurs fine strokes. Train and validation curves run "
    "together: these networks have not learnt their images by heart."
)


def run(stage: Stage) -> Figures:
    digits = stage.digits
    networks = {"plain": plain(stage), "sparse": sparse(stage), "deep": _deep(stage)}
    rows = [_row(stage, name, trained) for name, trained in networks.items()]
    stage.table(rows)
    shown = digits.test[digits.one_of_each()]
    pictures = {"original": shown.numpy()}
    pictures |= {name: reconstructed(t.model, shown).numpy() for name, t in networks.items()}
    title = f"Reconstructions of {digits.noun} test images"
    stage.save(plots.image_rows(pictures, digits.shape, title=title), "reconstruct-images")
    _curves(stage, networks)
    return {"data": digits.source, "networks": rows}


def _deep(stage: Stage) -> Trained:
    model = stage.network(stage.digits.sizes("784-128-64-32"), activations="relu", output="sigmoid")
    return Trained(model, stage.train("deep", model, (20, 60), lr=2e-3))


def _row(stage: Stage, name: str, trained: Trained) -> Figures:
    model, history = trained
    code = model.code
    penalty = _penalty(stage, model) if isinstance(code, KLSparse) else 0.0
    active = model.mean_activation(stage.digits.test)
    bounded = float(active.max()) <= 1  # a share of its time only for a sigmoid unit
    return {
        "network": name, "sizes": _sizes(trained), "parameters": trained.parameters,
        "test_mse": rounded(reconstruction_error(model, stage.digits.test), 6), "penalty": rounded(penalty, 6),
        "mean_activation": rounded(active.mean(), 4) if bounded else None, "epochs": len(history),
        "seconds": rounded(history.seconds, 1),
    }  # fmt: skip


@torch.no_grad()
def _penalty(stage: Stage, model: Autoencoder) -> float:
    """What the code costs on the test images, beside their squared error."""
    return float(Reconstruction().terms(model, Batch(stage.digits.test, stage.digits.test))[1])


def _sizes(trained: Trained) -> str:
    widths = [layer.weight.shape for layer in trained.model.encoder.layers]  # type: ignore[union-attr]
    return "-".join(str(w) for w in [widths[0][0], *(shape[1] for shape in widths)])


def _curves(stage: Stage, networks: dict[str, Trained]) -> None:
    histories = {name: trained.history for name, trained in networks.items()}
    title = "Training (the sparse network's train loss includes its penalty)"
    stage.save(plots.loss_curves(histories, ylabel="squared error a pixel", title=title), "reconstruct-loss")
