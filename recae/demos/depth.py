"""Four autoencoders with two code units: what the layers before them buy."""

from __future__ import annotations

from recae import plots
from recae.demos.measures import codes, knn_accuracy, reconstructed, reconstruction_error, rounded
from recae.demos.recipes import DEEP, Trained, squeezed
from recae.demos.stage import Figures, Stage
from recae.plots import Codes

STACKS = ("784-2", "784-28-2", "784-392-28-2", DEEP)
DIGITS = [str(d) for d in range(10)]
LOOK = (
    "To be seen: with two units and no layer before them, every digit comes back as a grey ghost, and the code is "
    "PCA's heap. Layers in between unfold it: the same two numbers then say which digit it is, and how it leans. "
    "The first layers buy most."
)


def run(stage: Stage) -> Figures:
    digits = stage.digits
    networks = {text: squeezed(stage, text) for text in STACKS}
    names = {text: "-".join(str(w) for w in digits.sizes(text)) for text in STACKS}
    rows = [_row(stage, names[text], trained) for text, trained in networks.items()]
    stage.table(rows)
    shown = digits.test[digits.one_of_each()]
    pictures = {"original": shown.numpy()}
    pictures |= {names[text]: reconstructed(t.model, shown).numpy() for text, t in networks.items()}
    stage.save(plots.image_rows(pictures, digits.shape, title="Two numbers an image"), "depth-images")
    labels = digits.test_labels[:3000].numpy()
    panels = [Codes(codes(t.model, digits.test[:3000]), labels, names[text]) for text, t in networks.items()]
    stage.save(plots.scatter(panels, DIGITS, columns=2, title="Codes of test images"), "depth-codes")
    histories = {names[text]: t.history for text, t in networks.items()}
    stage.save(
        plots.loss_curves(histories, ylabel="cross-entropy an image, nats", title="Depth and loss"), "depth-loss"
    )
    return {"data": digits.source, "networks": rows}


def _row(stage: Stage, name: str, trained: Trained) -> Figures:
    digits = stage.digits
    train, test = codes(trained.model, digits.train), codes(trained.model, digits.test)
    accuracy = knn_accuracy(train, digits.train_labels.numpy(), test, digits.test_labels.numpy())
    return {
        "network": name, "parameters": trained.parameters,
        "test_mse": rounded(reconstruction_error(trained.model, digits.test), 5), "knn_accuracy": rounded(accuracy, 4),
        "epochs": len(trained.history), "seconds": rounded(trained.history.seconds, 1),
    }  # fmt: skip
