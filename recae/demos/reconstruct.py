"""Plain, sparse and deep autoencoders, an RBM and PCA: what goes in, what comes out, and how training went."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from recae import plots
from recae.demos.measures import pca, reconstructed, reconstruction_error, rounded
from recae.demos.recipes import Trained, plain, sparse
from recae.demos.stage import Figures, Stage
from recae.demos.words import compared, percent, row
from recae.nn import Autoencoder, KLSparse
from recae.training import Batch, Reconstruction, RowBatches

RBM_SWEEPS = (3, 20)  # over MNIST's train images, over the small digits
SATURATED = 0.01  # a sigmoid unit nearer than this to 0 or 1


def look(figures: Figures) -> str:
    """What is to be seen."""
    rows = figures["networks"]
    usual, rest = row(rows, "plain"), row(rows, "sparse")
    wide, wide_rest = row(rows, "plain, N(0, 1) start"), row(rows, "sparse, N(0, 1) start")
    deep, pca_row = row(rows, "deep"), row(rows, "PCA")
    first = (
        f"Begun with weights from N(0, 1), {percent(wide['saturated'])} of the plain network's units stand at 0 or 1 "
        f"and its error is {wide['test_mse']:.4f}, the sparse one's {wide_rest['test_mse']:.4f}; with Glorot's start "
        f"{usual['test_mse']:.4f} and {rest['test_mse']:.4f}"
    )
    return (
        f"Some tutorials report that a sparse network reconstructs better than a plain one. {first}: "
        f"{_claim(wide['test_mse'] > wide_rest['test_mse'], usual['test_mse'] > rest['test_mse'])}. "
        f"The mean activation of the sparse units is {rest['mean_activation']:.2f}, "
        f"that of the plain ones {usual['mean_activation']:.2f}. At {deep['code']} numbers a code the deep network's "
        f"error is {compared(deep['test_mse'], pca_row['test_mse'])} PCA's ({deep['test_mse']:.4f} and "
        f"{pca_row['test_mse']:.4f}). The RBM was never asked to reconstruct: it learns a distribution of images."
    )


def _claim(wide: bool, usual: bool) -> str:
    """Whether sparse is better than plain, from the wide start and from the usual one."""
    if wide and usual:
        return "the claim holds from both starts"
    if wide:
        return "the claim is about the start, and from the usual one it is the other way round"
    return "here the claim holds with Glorot's start alone" if usual else "here it does not hold from either start"


class Shown(NamedTuple):
    """Reconstructions of the test images, (n, pixels), and a row of the table."""

    images: Tensor
    row: Figures


def run(stage: Stage) -> Figures:
    digits = stage.digits
    networks = {
        "plain": plain(stage), "plain, N(0, 1) start": plain(stage, wide=True), "sparse": sparse(stage),
        "sparse, N(0, 1) start": sparse(stage, wide=True), "deep": _deep(stage),
        "two layers, Adam at 1e-4": _slow(stage),
    }  # fmt: skip
    shown = {name: _shown(stage, name, trained) for name, trained in networks.items()}
    width = digits.sizes("784-128-64-32")[-1]
    shown[f"PCA, {width}"] = _pca(stage, width)
    shown["RBM"] = _rbm(stage)
    rows = [one.row for one in shown.values()]
    stage.table(rows)
    index = digits.one_of_each()
    pictures = {"original": digits.test[index].numpy()}
    pictures |= {name: one.images[index].numpy() for name, one in shown.items()}
    title = f"Reconstructions of {digits.noun} test images"
    stage.save(plots.image_rows(pictures, digits.shape, title=title), "reconstruct-images")
    histories = {name: trained.history for name, trained in networks.items() if name != "two layers, Adam at 1e-4"}
    title = "Training (the sparse networks' train loss includes the penalty)"
    stage.save(plots.loss_curves(histories, ylabel="squared error a pixel", title=title), "reconstruct-loss")
    return {"data": digits.source, "networks": rows}


def _deep(stage: Stage) -> Trained:
    model = stage.network(stage.digits.sizes("784-128-64-32"), activations="relu", output="sigmoid")
    return Trained(model, stage.train("deep", model, (10, 40), lr=2e-3))


def _slow(stage: Stage) -> Trained:
    """784-256-128 at a constant rate of 1e-4, as one often sees it."""
    digits = stage.digits
    model = stage.network(digits.sizes("784-256-128"), activations="relu", output="sigmoid")
    trainer = stage.trainer("two layers", (10, 40)[digits.small], lr=1e-4, schedule="constant")
    objective = Reconstruction()
    batches = RowBatches(digits.train, batch_size=32 if digits.small else 128)
    history = trainer.fit(model, batches, objective, objective.on(digits.validation))
    return Trained(model.cpu(), history)


def _shown(stage: Stage, name: str, trained: Trained) -> Shown:
    model, history = trained
    sparse_code = isinstance(model.code, KLSparse)
    active = model.encode(stage.digits.test).detach()
    sigmoid = name.startswith(("plain", "sparse"))
    found = _row(name, _sizes(trained), trained.parameters, reconstruction_error(model, stage.digits.test)) | {
        "penalty": rounded(_penalty(stage, model), 6) if sparse_code else 0.0,
        "mean_activation": rounded(active.mean(), 4) if sigmoid else None,
        "saturated": rounded(((active < SATURATED) | (active > 1 - SATURATED)).float().mean(), 3) if sigmoid else None,
        "epochs": len(history),
    }  # fmt: skip
    return Shown(reconstructed(model, stage.digits.test), found)


def _row(name: str, sizes: str, parameters: int, error: float) -> Figures:
    return {
        "network": name, "sizes": sizes, "code": int(sizes.split("-")[-1]), "parameters": parameters,
        "test_mse": rounded(error, 6), "penalty": 0.0, "mean_activation": None, "saturated": None, "epochs": None,
    }  # fmt: skip


def _pca(stage: Stage, width: int) -> Shown:
    digits = stage.digits
    fitted = pca(digits.train, width, stage.seed)
    images = torch.from_numpy(fitted.inverse_transform(fitted.transform(digits.test.numpy()))).float()
    error = float((images - digits.test).square().mean())
    return Shown(images, _row(f"PCA, {width}", f"{digits.pixels}-{width}", (width + 1) * digits.pixels, error))


def _rbm(stage: Stage) -> Shown:
    """scikit-learn's restricted Boltzmann machine (persistent contrastive divergence), as wide as the plain network."""
    from sklearn.neural_network import BernoulliRBM

    digits = stage.digits
    width = digits.sizes("784-256")[-1]
    sweeps = stage.epochs or RBM_SWEEPS[digits.small]
    machine: Any = BernoulliRBM(width, learning_rate=0.05, batch_size=100, n_iter=sweeps, random_state=stage.seed)
    hidden = machine.fit(digits.train.numpy()).transform(digits.test.numpy())
    images = torch.sigmoid(torch.from_numpy(hidden @ machine.components_ + machine.intercept_visible_)).float()
    numbers = machine.components_.size + digits.pixels + width
    error = float((images - digits.test).square().mean())
    found = _row("RBM", f"{digits.pixels}-{width}", numbers, error)
    return Shown(images, found | {"mean_activation": rounded(float(np.mean(hidden)), 4), "epochs": sweeps})


@torch.no_grad()
def _penalty(stage: Stage, model: Autoencoder) -> float:
    """What the code costs on the test images, beside their squared error."""
    return float(Reconstruction().terms(model, Batch(stage.digits.test, stage.digits.test))[1])


def _sizes(trained: Trained) -> str:
    widths = [layer.weight.shape for layer in trained.model.encoder.layers]  # type: ignore[union-attr]
    return "-".join(str(w) for w in [widths[0][0], *(shape[1] for shape in widths)])
