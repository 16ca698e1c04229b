"""Denoising autoencoders: dense, overcomplete, stacked with layer-wise pretraining, and convolutional."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from recae import plots
from recae.demos.measures import psnr, reconstructed, rounded
from recae.demos.recipes import RHO, Trained
from recae.demos.stage import Figures, Stage
from recae.demos.words import row
from recae.nn import Autoencoder, Gaussian, KLSparse, Masking, Noise, SaltAndPepper, Uniform
from recae.training import Reconstruction, RowBatches
from recae.training.pretraining import pretrain

LEVEL = 0.5
ROWS = 10_000  # train images, the same for all: the convolutional networks cost ten times as much an image
EPOCHS = (6, 14)
NOISE: dict[str, Noise] = {
    "gaussian": Gaussian(LEVEL, 0.0, 1.0), "salt and pepper": SaltAndPepper(0.3), "masked": Masking(0.5),
    "uniform": Uniform(0.3, 2.0),
}  # fmt: skip


class Recipe(NamedTuple):
    """A network without its noise, its learning rate, and whether its layers are trained one by one first."""

    model: Autoencoder
    lr: float = 2e-3
    pretrained: bool = False


def look(figures: Figures) -> str:
    """What is to be seen."""
    rows = figures["networks"][1:]
    best = max(rows, key=lambda one: one["gain_db"])
    dense, wide, rested = (row(rows, name) for name in ("dense", "overcomplete", "overcomplete, KL"))
    first, without = figures["first_epoch_pretrained"], figures["first_epoch_from_scratch"]
    other = figures["other_noise"]
    strange = {name: best_of[best["images"]] for name, best_of in other.items()}
    easy, hard = max(strange, key=lambda n: strange[n]), min(strange, key=lambda n: strange[n])
    price = "costs" if rested["psnr_db"] < wide["psnr_db"] else "gains"
    return (
        f"Gaussian noise of standard deviation {LEVEL:g}, clipped to [0, 1], and what each network makes of it; all "
        f"learnt from the same {figures['train_images']:,} images for as many epochs. Best is {best['images']} "
        f"({best['gain_db']:+.1f} dB; dense {dense['gain_db']:+.1f}). In the overcomplete network the KL penalty "
        f"{price} {abs(rested['psnr_db'] - wide['psnr_db']):.1f} dB. Layer-wise pretraining on clean images gives the "
        f"stacked network {'a lower' if first < without else 'no lower'} loss after its first epoch ({first:.0f} "
        f"against {without:.0f} nats); the curves show how much of that is left at the end. On noise that it was never "
        f"trained on, {best['images']} gains {strange[easy]:+.1f} dB ({easy}) at best, {strange[hard]:+.1f} ({hard}) "
        "at worst."
    )


def run(stage: Stage) -> Figures:
    digits = stage.digits
    noisy = with_noise("gaussian", digits.test, stage.seed)
    networks = {name: _trained(stage, name, recipe) for name, recipe in _recipes(stage).items()}
    cleaned = {name: reconstructed(trained.model, noisy) for name, trained in networks.items()}
    before = psnr(noisy, digits.test)
    rows: list[Figures] = [{"images": "noisy", "psnr_db": rounded(before, 2), "gain_db": 0.0, "parameters": None}]
    for name, images in cleaned.items():
        after = psnr(images, digits.test)
        rows.append(
            {
                "images": name, "psnr_db": rounded(after, 2), "gain_db": rounded(after - before, 2),
                "parameters": networks[name].parameters,
            }
        )  # fmt: skip
    stage.table(rows)
    other = {name: _gains(stage, name, networks) for name in NOISE if name != "gaussian"}
    stage.table([{"noise never trained on, gain_db": name, **gains} for name, gains in other.items()])
    best = max(rows[1:], key=lambda one: one["gain_db"])["images"]
    _pictures(stage, noisy, cleaned, networks[best].model, best)
    stacked = {name: networks[name].history for name in ("stacked, pretrained", "stacked, from scratch")}
    figure = plots.loss_curves(stacked, ylabel="cross-entropy an image, nats", title="Layer-wise pretraining")
    stage.save(figure, "denoise-stacked")
    first = [rounded(history.records[0]["validation"], 2) for history in stacked.values()]
    return {
        "data": digits.source, "noise": f"gaussian {LEVEL}, clipped", "train_images": min(ROWS, len(digits.train)),
        "networks": rows, "other_noise": other, "first_epoch_pretrained": first[0],
        "first_epoch_from_scratch": first[1],
    }  # fmt: skip


def _recipes(stage: Stage) -> dict[str, Recipe]:
    digits = stage.digits

    def dense(text: str, *, hidden: str = "relu", code: nn.Module | None = None) -> Autoencoder:
        return stage.network(digits.sizes(text), activations=hidden, output="sigmoid", code=code)

    wide = "784-800" if not digits.small else "784-1568"  # wider than the rows, here as there
    channels = ((32, 16), (32, 16, 16)) if digits.small else ((16, 16), (16, 16, 16))
    conv = [stage.seeded(lambda c=c: Autoencoder.convolutional(digits.shape, c)) for c in channels]  # type: ignore[misc]
    return {
        "dense": Recipe(dense("784-512")),
        "overcomplete": Recipe(dense(wide, hidden="sigmoid")),
        "overcomplete, KL": Recipe(dense(wide, hidden="sigmoid", code=KLSparse(RHO, 0.05))),
        "stacked, pretrained": Recipe(dense("784-500-50", hidden="sigmoid"), pretrained=True),
        "stacked, from scratch": Recipe(dense("784-500-50", hidden="sigmoid")),
        f"convolutional, {len(channels[0])} layers": Recipe(conv[0], 5e-3),
        f"convolutional, {len(channels[1])} layers": Recipe(conv[1], 5e-3),
    }  # fmt: skip


def _trained(stage: Stage, name: str, recipe: Recipe) -> Trained:
    """The network trained on noisy images towards clean ones; pretrained layers have seen clean ones before."""
    digits, model = stage.digits, recipe.model
    rows, validation = digits.train[:ROWS], digits.validation[:2000]
    if recipe.pretrained:
        trainer = stage.trainer(name, 1, lr=2e-3)
        batches = RowBatches(rows, batch_size=32 if digits.small else 128)
        pretrain(model, batches, Reconstruction("cross-entropy"), trainer, epochs=stage.epochs or (4, 30)[digits.small])
    model.noise = NOISE["gaussian"]
    figure = Reconstruction("cross-entropy").on(with_noise("gaussian", validation, stage.seed + 1), validation)
    history = stage.train(name, model, EPOCHS, loss="cross-entropy", lr=recipe.lr, rows=rows, validate=figure)
    return Trained(model, history)


def _gains(stage: Stage, noise: str, networks: dict[str, Trained]) -> Figures:
    """What each network gains, in dB, on a noise that it was never trained on."""
    test = stage.digits.test
    noisy = with_noise(noise, test, stage.seed)
    before = psnr(noisy, test)
    return {name: rounded(psnr(reconstructed(t.model, noisy), test) - before, 2) for name, t in networks.items()}


def _pictures(stage: Stage, noisy: Tensor, cleaned: dict[str, Tensor], best: Autoencoder, name: str) -> None:
    digits = stage.digits
    index = digits.one_of_each()
    rows = {"noisy": noisy[index].numpy()} | {name: images[index].numpy() for name, images in cleaned.items()}
    rows["clean"] = digits.test[index].numpy()
    title = f"{digits.noun} test images, gaussian noise {LEVEL}"
    stage.save(plots.image_rows(rows, digits.shape, title=title), "denoise-images")
    strange: dict[str, torch.Tensor] = {}
    for kind in NOISE:
        strange[kind] = with_noise(kind, digits.test[index], stage.seed).clamp(0, 1)
        strange[f"{kind}: cleaned"] = reconstructed(best, with_noise(kind, digits.test[index], stage.seed))
    pictures = {kind: images.numpy() for kind, images in strange.items()}
    title = f"{name}, trained on gaussian noise alone"
    stage.save(plots.image_rows(pictures, digits.shape, title=title), "denoise-other")


def with_noise(kind: str, rows: Tensor, seed: int) -> Tensor:
    """Noisy copies of `rows`, the same ones for the same seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return NOISE[kind].corrupt(rows)
