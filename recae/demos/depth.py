"""Autoencoders with two code units: what the layers before them buy, and what their activations do."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from recae import plots
from recae.demos.measures import by_rank, codes, knn_accuracy, pca, reconstructed, rounded, taken_for
from recae.demos.recipes import DEEP, Trained, squeezed
from recae.demos.stage import Figures, Stage
from recae.demos.words import compared, percent, row
from recae.plots import Codes

HINTON = "784-1000-500-250-2"  # Hinton and Salakhutdinov, Science 313 (2006), who pretrained it by RBMs
OF_WIDE: dict[str, Any] = {"epochs": (8, 40), "lr": 2e-3}
STACKS = ("784-2", "784-28-2", "784-392-28-2", HINTON, DEEP)
DRAWS = 3  # trainings of the deepest, whose neighbours differ from one to the next
SHOWN = 3000
DIGITS = [str(d) for d in range(10)]


def look(figures: Figures) -> str:
    """What is to be seen."""
    rows = figures["networks"]
    shallow, second, deep, bounded = rows[1], rows[2], figures["deepest"], rows[-1]
    gain = 1 - second["test_mse"] / shallow["test_mse"]
    rest = 1 - deep["test_mse"] / shallow["test_mse"]
    pca_row = row(rows, "PCA")
    grey = "are PCA's errors or worse" if shallow["test_mse"] >= pca_row["test_mse"] else "are a little below PCA's"
    lower = f"lower them by {percent(rest)}" if rest > 0 else "do not lower them"
    most = "; the first of them alone does most of it" if gain > rest / 2 > 0 else ""
    return (
        f"With two units and no layer before them the errors {grey} ({shallow['test_mse']:.4f}, "
        f"{pca_row['test_mse']:.4f}). Layers in between {lower}{most}. The same two "
        "numbers say which digit it is: neighbours in the deepest network's code vote rightly "
        f"{deep['knn_accuracy']:.3f} of the time (mean of {deep['draws']} trainings, from {deep['lowest']:.3f} to "
        f"{deep['highest']:.3f}), in the shallowest {shallow['knn_accuracy']:.3f}. The older recipe, sigmoid layers "
        f"and a tanh code, reaches {bounded['knn_accuracy']:.3f}. Of fours and nines the deepest takes "
        f"{percent(deep['four_nine_confused'])} for the other one, PCA {percent(pca_row['four_nine_confused'])}."
        + _of_shallow(shallow, deep)
        + _of_wide(figures.get("wide"), pca_row)
    )


def _of_shallow(shallow: Figures, deep: Figures) -> str:
    """Why a network whose code tells less confuses fewer fours and nines; nothing where it does not."""
    fewer = shallow["four_nine_confused"] < deep["four_nine_confused"]
    if not (fewer and shallow["knn_accuracy"] < deep["knn_accuracy"]):
        return ""
    return (
        f" {shallow['network']} confuses fewer of them only because it takes them for other digits: its neighbours "
        f"vote wrongly for {percent(1 - shallow['knn_accuracy'])} of all images."
    )


def _of_wide(wide: Figures | None, pca_row: Figures) -> str:
    """Hinton's network beside two principal components; nothing where a record of before has none."""
    if wide is None:
        return ""
    return (
        f" Hinton and Salakhutdinov's {wide['network']} needs no pretraining today: its error is "
        f"{compared(wide['test_mse'], pca_row['test_mse'])} that of two principal components ({wide['test_mse']:.4f}), "
        f"and neighbours vote rightly {wide['knn_accuracy']:.3f} of the time."
    )


def run(stage: Stage) -> Figures:
    digits = stage.digits
    networks = {_name(stage, text): squeezed(stage, text, **OF_WIDE if text == HINTON else {}) for text in STACKS}
    networks[f"{_name(stage, DEEP)}, sigmoid and tanh"] = squeezed(stage, DEEP, bounded=True)
    principal = pca(digits.train, 2, stage.seed)
    back = torch.from_numpy(principal.inverse_transform(principal.transform(digits.test.numpy()))).float()
    both = (principal.transform(digits.train.numpy()), principal.transform(digits.test.numpy()))
    rows = [_judge(stage, "PCA, 2", *both) | {"test_mse": rounded((back - digits.test).square().mean(), 5)}]
    rows += [_row(stage, name, trained) for name, trained in networks.items()]
    stage.table(rows)
    found = {"data": digits.source, "networks": rows, "deepest": _draws(stage)}
    found["wide"] = row(rows, _name(stage, HINTON))
    stage.say(f"the deepest, {DRAWS} trainings: {found['deepest']}")
    _pictures(stage, networks, back.numpy(), both[1])
    return found


def _name(stage: Stage, text: str) -> str:
    return "-".join(str(w) for w in stage.digits.sizes(text))


def _judge(stage: Stage, name: str, train: np.ndarray, test: np.ndarray) -> Figures:
    digits = stage.digits
    labels, wanted = digits.train_labels.numpy(), digits.test_labels.numpy()
    return {
        "network": name, "parameters": None, "test_mse": None,
        "knn_accuracy": rounded(knn_accuracy(train, labels, test, wanted), 4),
        "four_nine_confused": rounded(taken_for(train, labels, test, wanted, (4, 9)), 4), "epochs": None,
    }  # fmt: skip


def _row(stage: Stage, name: str, trained: Trained) -> Figures:
    digits, model = stage.digits, trained.model
    judged = _judge(stage, name, codes(model, digits.train), codes(model, digits.test))
    error = (reconstructed(model, digits.test) - digits.test).square().mean()
    return judged | {
        "parameters": trained.parameters, "test_mse": rounded(error, 5), "epochs": len(trained.history),
    }  # fmt: skip


def _draws(stage: Stage) -> Figures:
    """The deepest network trained several times: means, and the range of its neighbours' votes."""
    rows = [_row(stage, str(draw), squeezed(stage, DEEP, draw=draw)) for draw in range(DRAWS)]
    votes = [row["knn_accuracy"] for row in rows]
    means = {name: rounded(float(np.mean([row[name] for row in rows])), 5)
             for name in ("test_mse", "knn_accuracy", "four_nine_confused")}  # fmt: skip
    return {"draws": DRAWS, **means, "lowest": min(votes), "highest": max(votes)}


def _pictures(stage: Stage, networks: dict[str, Trained], by_pca: np.ndarray, pca_codes: np.ndarray) -> None:
    digits = stage.digits
    index = digits.one_of_each()
    pictures = {"original": digits.test[index].numpy(), "PCA, 2": by_pca[index]}
    pictures |= {
        name.replace(", ", "\n"): reconstructed(t.model, digits.test[index]).numpy() for name, t in networks.items()
    }
    title = f"{digits.noun} test images from two numbers each"
    stage.save(plots.image_rows(pictures, digits.shape, title=title), "depth-images")
    labels = digits.test_labels[:SHOWN].numpy()
    panels = [Codes(by_rank(pca_codes[:SHOWN]), labels, "PCA, 2", "rank in component")]
    panels += [
        Codes(by_rank(codes(t.model, digits.test[:SHOWN])), labels, name, "rank in code unit")
        for name, t in networks.items()
    ]
    title = f"Codes of {digits.noun} test images, each axis by rank (the codes themselves have far outliers)"
    stage.save(plots.scatter(panels, DIGITS, title=title), "depth-codes")
    histories = {name: t.history for name, t in networks.items()}
    figure = plots.loss_curves(histories, ylabel="cross-entropy an image, nats", title="Training of codes of two units")
    stage.save(figure, "depth-loss")
