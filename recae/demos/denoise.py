"""Denoising autoencoders: dense, stacked with layer-wise pretraining, and convolutional."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from recae import plots
from recae.demos.measures import psnr, reconstructed, rounded
from recae.demos.stage import Figures, Stage
from recae.nn import Autoencoder, Gaussian
from recae.training import Reconstruction, RowBatches
from recae.training.pretraining import pretrain

LEVEL = 0.5
CONVOLVED = 15_000  # train images for the convolutional network, which costs ten times as much an image
LOOK = (
    "To be seen: gaussian noise of standard deviation 0.5, clipped to [0, 1], and what each network makes of it. "
    "None was ever shown these images, nor this noise: they know what digits look like. The convolutional one has "
    "the fewest parameters by far, and sees a third of the images."
)


def run(stage: Stage) -> Figures:
    digits = stage.digits
    noisy = with_noise(digits.test, stage.seed)
    makers = {"dense": _dense, "stacked": _stacked, "convolutional": _convolutional}
    networks = {name: stage.once(f"denoise {name}", partial(make, stage)) for name, make in makers.items()}
    cleaned = {name: reconstructed(model, noisy) for name, model in networks.items()}
    before = psnr(noisy, digits.test)
    rows = [{"images": "noisy", "psnr_db": rounded(before, 2), "gain_db": 0.0, "parameters": None}]
    for name, images in cleaned.items():
        after = psnr(images, digits.test)
        rows.append(
            {
                "images": name, "psnr_db": rounded(after, 2), "gain_db": rounded(after - before, 2),
                "parameters": sum(p.numel() for p in networks[name].parameters()),
            }
        )  # fmt: skip
    stage.table(rows)
    shown = digits.one_of_each()
    pictures = {"noisy": noisy[shown].numpy()} | {name: images[shown].numpy() for name, images in cleaned.items()}
    pictures["clean"] = digits.test[shown].numpy()
    title = f"{digits.noun} test images, gaussian noise {LEVEL}"
    stage.save(plots.image_rows(pictures, digits.shape, title=title), "denoise-images")
    return {"data": digits.source, "noise": f"gaussian {LEVEL}, clipped", "networks": rows}


def noise_part() -> Gaussian:
    """The noise of this demo, as a part: in training only, the target stays clean."""
    return Gaussian(LEVEL, 0.0, 1.0)


def with_noise(rows: Tensor, seed: int) -> Tensor:
    """Noisy copies of `rows`, the same ones for the same seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return noise_part().corrupt(rows)


def _train(
    stage: Stage, name: str, model: Autoencoder, epochs: tuple[int, int], rows: Tensor, lr: float = 2e-3
) -> Autoencoder:  # fmt: skip
    digits = stage.digits
    validation = digits.validation[:2000]
    figure = Reconstruction("cross-entropy").on(with_noise(validation, stage.seed + 1), validation)
    stage.train(name, model, epochs, loss="cross-entropy", lr=lr, rows=rows, validate=figure)
    return model


def _dense(stage: Stage) -> Autoencoder:
    digits = stage.digits
    model = stage.network(digits.sizes("784-512"), activations="relu", output="sigmoid", noise=noise_part())
    return _train(stage, "dense", model, (10, 80), digits.train)


def _stacked(stage: Stage) -> Autoencoder:
    """784-500-100, tied; each layer learns to denoise before all of them do."""
    digits = stage.digits
    model = stage.network(digits.sizes("784-500-100"), output="sigmoid", tied=True, noise=noise_part())
    trainer = stage.trainer("stacked", 1, lr=2e-3)
    batches = RowBatches(digits.train, batch_size=32 if digits.small else 128)
    epochs = stage.epochs or (3, 30)[digits.small]
    pretrain(model, batches, Reconstruction("cross-entropy"), trainer, epochs=epochs)
    return _train(stage, "stacked", model, (10, 80), digits.train)


def _convolutional(stage: Stage) -> Autoencoder:
    digits = stage.digits
    channels = (32, 16) if digits.small else (32, 32)
    model = stage.seeded(lambda: Autoencoder.convolutional(digits.shape, channels, noise=noise_part()))
    return _train(stage, "convolutional", model, (8, 60), digits.train[:CONVOLVED], lr=5e-3)
