"""The smallest autoencoder: one 8-bit number through 8-6-4-2-4-6-8."""

from __future__ import annotations

import torch
from torch import Tensor

from recae import plots
from recae.demos.measures import rounded
from recae.demos.stage import Figures, Stage
from recae.nn import Autoencoder
from recae.plots import Codes
from recae.training import Reconstruction, RowBatches

NUMBER, STEPS = 39, 500  # 00100111


def look(figures: Figures) -> str:
    """What is to be seen."""
    number, complement = figures["answers"]
    given = number["wrong_bits"] == 0
    same = complement["answer"] == number["answer"]
    result = "gives it back without a fault" if given else "still gets bits of it wrong"
    first = (
        f"After {figures['steps']:,} steps on one number, {NUMBER}, the network {result} ({number['error']:.2g} a bit)"
    )
    second = (
        f", and gives the same answer for its complement (error {complement['error']:.2f})"
        if same else f"; asked for the complement it says {complement['answer']} (error {complement['error']:.2f})"
    )  # fmt: skip
    moved = (
        f"Over all 256 numbers the code moves by {figures['code_spread']:.2f} on average, and "
        f"{figures['numbers_answered_alike']} of them get this one answer"
    )
    learnt = "It has learnt an answer, not to read the question. " if same else ""
    return (
        f"{first}{second}. {moved}. {learnt}Two units are too few for eight free bits: trained on all 256 numbers, it "
        f"gives back {figures['numbers_given_back_when_trained_on_all']} of them, with "
        f"{figures['wrong_bits_when_trained_on_all']:.1f} wrong bits on average."
    )


def run(stage: Stage) -> Figures:
    one = bits(torch.tensor([NUMBER]))
    every = bits(torch.arange(256))
    model, losses = _learn(stage, one)
    whole, _ = _learn(stage, every)
    asked = torch.cat([one, 1 - one])
    with torch.no_grad():
        answers, of_all = model.reconstruct(asked), model.reconstruct(every)
        compromise, found, all_codes = whole.reconstruct(every), model.encode(asked), model.encode(every)
        whole_codes = whole.encode(every)
    rows = [
        {"question": name, "number": int(number), "bits": _text(question), "code": _code(code), "answer": _text(answer),
         "wrong_bits": int((answer.round() != question).sum()),
         "error": rounded((answer - question).square().mean(), 5)}
        for name, number, question, code, answer in zip(
            ("the number", "its complement"), (NUMBER, 255 - NUMBER), asked, found, answers)
    ]  # fmt: skip
    stage.table(rows)
    figures = {
        "answers": rows,
        "steps": len(losses),
        "final_loss": rounded(losses[-1], 6),
        "code_spread": rounded((all_codes - all_codes.mean(0)).norm(dim=1).mean(), 4),
        "numbers_answered_alike": int((of_all.round() == answers[0].round()).all(1).sum()),
        "numbers_given_back": int((of_all.round() == every).all(1).sum()),
        "numbers_given_back_when_trained_on_all": int((compromise.round() == every).all(1).sum()),
        "wrong_bits_when_trained_on_all": rounded((compromise.round() != every).float().sum(1).mean(), 3),
    }
    stage.table([{name: value for name, value in figures.items() if name != "answers"}])
    _pictures(stage, losses, asked, answers)
    _draw_codes(stage, all_codes, whole_codes)
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
        title=f"Learning the number {NUMBER} by heart",
    )  # fmt: skip
    stage.save(figure, "eightbit-loss")
    rows = {
        f"{NUMBER}": asked[:1], "answer": answers[:1], f"complement, {255 - NUMBER}": asked[1:], "answer ": answers[1:],
    }  # fmt: skip
    drawn = plots.image_rows(
        {name: r.reshape(8, 1).numpy() for name, r in rows.items()},
        (1, 1),
        title="8-6-4-2-4-6-8, trained on one number",
        captions=[2**n for n in range(7, -1, -1)],
    )
    stage.save(drawn, "eightbit-bits")


def _draw_codes(stage: Stage, of_one: Tensor, of_all: Tensor) -> None:
    """Codes of all 256 numbers by both networks, in the colour of their highest two bits."""
    names = ["00......", "01......", "10......", "11......"]
    highest = (torch.arange(256) // 64).numpy()
    panels = [
        Codes(of_one.numpy(), highest, f"trained on {NUMBER} alone"), Codes(of_all.numpy(), highest, "trained on all"),
    ]  # fmt: skip
    drawn = plots.scatter(panels, names, title="Codes of all 256 numbers, by their two highest bits")
    for axes in drawn:
        axes.set_xlim(-1.1, 1.1)
        axes.set_ylim(-1.1, 1.1)
    stage.save(drawn, "eightbit-codes")


def _text(row: Tensor) -> str:
    return "".join(str(int(bit)) for bit in row.round())


def _code(row: Tensor) -> str:
    return " ".join(f"{value:.3f}" for value in row.tolist())
