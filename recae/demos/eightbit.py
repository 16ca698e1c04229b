"""The smallest autoencoder: one 8-bit number through 8-6-4-2-4-6-8."""

from __future__ import annotations

import torch
from torch import Tensor

from recae import plots
from recae.demos.measures import rounded
from recae.demos.stage import Figures, Stage
from recae.nn import Autoencoder
from recae.training import Reconstruction, RowBatches

NUMBER, STEPS = 0b10110010, 500
LOOK = (
    "To be seen: shown one number some hundred times, the network gives it back without a fault, and gives it "
    "back for every other number too, its complement included. It has learnt an answer, not to read the question. "
    "Shown all 256 numbers, two units are too few for eight free bits: what it then learns is a compromise."
)


def run(stage: Stage) -> Figures:
    one = bits(torch.tensor([NUMBER]))
    every = bits(torch.arange(256))
    model, losses = _learn(stage, one)
    whole, _ = _learn(stage, every)
    asked = torch.cat([one, 1 - one])
    with torch.no_grad():
        answers, of_all = model.reconstruct(asked), model.reconstruct(every)
        compromise = whole.reconstruct(every)
    rows = [
        {"question": name, "bits": _text(question), "answer": _text(answer),
         "wrong_bits": int((answer.round() != question).sum())}
        for name, question, answer in zip(("the number", "its complement"), asked, answers)
    ]  # fmt: skip
    stage.table(rows)
    figures = {
        "answers": rows,
        "final_loss": rounded(losses[-1], 6),
        "numbers_given_back": int((of_all.round() == every).all(1).sum()),
        "numbers_given_back_when_trained_on_all": int((compromise.round() == every).all(1).sum()),
        "wrong_bits_when_trained_on_all": rounded((compromise.round() != every).float().sum(1).mean(), 3),
    }
    stage.table([{name: value for name, value in figures.items() if name != "answers"}])
    _pictures(stage, losses, asked, answers)
    return figures


def bits(numbers: Tensor) -> Tensor:
    """The eight binary digits of numbers 0..255, highest first: float32, (n, 8)."""
    return ((numbers[:, None] >> torch.arange(7, -1, -1)) & 1).float()


def _learn(stage: Stage, rows: Tensor) -> tuple[Autoencoder, list[float]]:
    model = stage.network("8-6-4-2", activations="tanh", output="sigmoid")
    trainer = stage.trainer("eightbit", STEPS, lr=2e-2, schedule="constant")
    history = trainer.fit(model, RowBatches(rows, batch_size=0), Reconstruction("squared-error"))
    model.cpu()
    return model, [record["loss"] for record in history.records]


def _pictures(stage: Stage, losses: list[float], asked: Tensor, answers: Tensor) -> None:
    figure = plots.curves(
        range(1, len(losses) + 1), {"one number": losses}, xlabel="step", ylabel="squared error a bit", log_y=True,
        title="Learning one number by heart",
    )  # fmt: skip
    stage.save(figure, "eightbit-loss")
    rows = {
        "the number": asked[:1], "answer": answers[:1], "its complement": asked[1:], "answer ": answers[1:],
    }  # fmt: skip
    figure = plots.image_rows({name: r.reshape(8, 1).numpy() for name, r in rows.items()}, (1, 1),
                              title="8-6-4-2-4-6-8, trained on one number")  # fmt: skip
    stage.save(figure, "eightbit-bits")


def _text(row: Tensor) -> str:
    return "".join(str(int(bit)) for bit in row.round())
