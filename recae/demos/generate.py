"""A variational autoencoder: digits drawn from the prior, both terms of its bound, and its code's use."""

from __future__ import annotations

import torch

from recae import plots
from recae.demos.measures import reconstructed, rounded
from recae.demos.recipes import Trained, variational
from recae.demos.stage import Figures, Stage
from recae.nn import GaussianCode, negative_bound
from recae.nn.losses import gaussian_kl

IN_USE = 0.1  # nats that a unit costs, at least, on average


def look(figures: Figures) -> str:
    """What is to be seen."""
    units, used = len(figures["kl_by_unit_nats"]), figures["units_in_use"]
    parts = []
    if used:
        verb = "is" if used == 1 else "are"
        parts += [f"{used} of {units} units {verb} in use: small posterior variance, means spread like the prior"]
    if used < units:
        verbs = ("stays", "costs") if units - used == 1 else ("stay", "cost")
        parts += [f"{units - used} {verbs[0]} near mean 0 and variance 1 and {verbs[1]} next to nothing"]
    return (
        f"Codes drawn from N(0, 1) decode to images that nobody wrote. The bound, {figures['test_bound_nats']:.1f} "
        f"nats, is a price: what a reconstruction still costs ({figures['reconstruction_nats']:.1f}), plus what its "
        f"code costs (KL, {figures['kl_nats']:.1f}). {'; '.join(parts)}."
    )


def run(stage: Stage) -> Figures:
    digits = stage.digits
    trained = variational(stage)
    bound = negative_bound(trained.model, digits.test, samples=5, rng=stage.seed)
    figures = {
        "data": f"{digits.source}, grey values as probabilities", "test_bound_nats": rounded(bound.total.mean(), 2),
        "reconstruction_nats": rounded(bound.reconstruction.mean(), 2), "kl_nats": rounded(bound.kl.mean(), 2),
        "epochs": len(trained.history), "seconds": rounded(trained.history.seconds, 1),
    }  # fmt: skip
    figures["binarised_test_bound_nats"] = _binarised(stage, trained)
    _pictures(stage, trained)
    figures |= _units(stage, trained)
    stage.table([{key: value for key, value in figures.items() if not isinstance(value, list | str)}])
    return figures


def _binarised(stage: Stage, trained: Trained) -> float:
    """The bound of the same network on test images whose pixels are drawn black or white (it learnt grey ones)."""
    chance = torch.Generator().manual_seed(stage.seed)
    drawn = torch.bernoulli(stage.digits.test, generator=chance)
    return rounded(negative_bound(trained.model, drawn, samples=5, rng=stage.seed).total.mean(), 2)


def _pictures(stage: Stage, trained: Trained) -> None:
    digits = stage.digits
    drawn = trained.model.sample(60, rng=stage.seed)
    title = f"60 samples from the prior, learnt from {digits.noun}"
    stage.save(plots.mosaic(1 - drawn.numpy(), digits.shape, 12, title=title), "generate-samples")
    shown = digits.test[digits.one_of_each()]
    rows = {"original": shown.numpy(), "reconstruction": reconstructed(trained.model, shown).numpy()}
    stage.save(plots.image_rows(rows, digits.shape, title=f"{digits.noun} test images"), "generate-reconstructions")
    terms: list[tuple[float, float]] = stage.once("terms of 784-500-500-20", list)
    lines = {
        "bound": [a + b for a, b in terms], "reconstruction": [a for a, _ in terms], "KL": [b for _, b in terms],
    }  # fmt: skip
    figure = plots.curves(
        range(1, len(terms) + 1), lines, xlabel="epoch", ylabel="nats an image, validation images",
        title="The bound and its two terms",
    )  # fmt: skip
    stage.save(figure, "generate-terms")


@torch.no_grad()
def _units(stage: Stage, trained: Trained) -> Figures:
    """Each code unit's share of the KL term, and how its posteriors lie on test images."""
    mean, logvar = GaussianCode.posterior(trained.model.encoder(stage.digits.test))
    cost = torch.stack([gaussian_kl(m[:, None], v[:, None]).mean() for m, v in zip(mean.T, logvar.T)])
    order = cost.argsort(descending=True)
    spread, variance = mean.var(0)[order], logvar.exp().mean(0)[order]
    groups = [str(int(unit)) for unit in order]
    series = {
        "variance of the posterior's mean": spread.tolist(), "mean of the posterior's variance": variance.tolist(),
    }  # fmt: skip
    figure = plots.bars(
        groups, series, xlabel="code unit, dearest first", ylabel="variance over test images", digits=1,
        title="Which units are in use", level=(1.0, "the prior's variance"),
    )  # fmt: skip
    stage.save(figure, "generate-units")
    return {
        "units_in_use": int((cost > IN_USE).sum()), "kl_by_unit_nats": [rounded(c, 3) for c in cost[order]],
        "largest_posterior_mean": rounded(mean.mean(0).abs().max(), 3),
    }  # fmt: skip
