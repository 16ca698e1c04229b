"""The trainer against a loop written by hand: an epoch of 784-256-784 on MNIST, in one run.

    python -m benchmarks.mnist_speed [--epochs 5] [--batch-size 128]

The loop is what one would write without a library: tensors in memory, a shuffled order, slices of it, Adam. It is
timed with Adam as PyTorch gives it by default and with `fused=True`, which is what the trainer uses. Epochs of the
three alternate, so that whatever else the machine does meets all of them; the figure is the median epoch's.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.common.record import write
from benchmarks.common.timing import timed
from recae.datasets.mnist import load_mnist
from recae.nn import Autoencoder
from recae.training import Reconstruction, RowBatches, Trainer

LR = 1e-3


def by_hand(rows: Tensor, batch_size: int, *, fused: bool) -> Callable[[], None]:
    """One epoch at each call."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(784, 256), nn.Sigmoid(), nn.Linear(256, 784), nn.Sigmoid())
    optimizer = torch.optim.Adam(model.parameters(), lr=LR, fused=fused)

    def epoch() -> None:
        for index in torch.randperm(len(rows)).split(batch_size):
            batch = rows[index]
            optimizer.zero_grad()
            loss = functional.mse_loss(model(batch), batch)
            loss.backward()
            optimizer.step()

    return epoch


def by_trainer(rows: Tensor, batch_size: int) -> Callable[[], None]:
    """One epoch at each call, everything that `Trainer.fit` does around it included."""
    torch.manual_seed(0)
    model = Autoencoder.mirrored("784-256", output="sigmoid")
    trainer = Trainer(epochs=1, lr=LR, device="cpu", progress=False)
    batches = RowBatches(rows, batch_size=batch_size)

    def epoch() -> None:
        trainer.fit(model, batches, Reconstruction())

    return epoch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=5, help="of each, alternating")
    parser.add_argument("--batch-size", type=int, default=128)
    arguments = parser.parse_args()
    rows = torch.from_numpy(load_mnist().train)
    if rows.shape[1] != 784:
        raise SystemExit("there is no copy of MNIST: set RECAE_DATA_DIR to the folder that has it")
    ways = {
        "trainer": by_trainer(rows, arguments.batch_size),
        "by_hand": by_hand(rows, arguments.batch_size, fused=False),
        "by_hand_fused": by_hand(rows, arguments.batch_size, fused=True),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(arguments.epochs):
        for name, epoch in ways.items():
            seconds[name].append(timed(epoch)[0])
            print(f"{name:14} {seconds[name][-1]:.2f} s")
    medians = {name: round(statistics.median(times), 3) for name, times in seconds.items()}
    found = {
        "task": "784-256-784, squared error, Adam, MNIST's 60,000 train images", "threads": torch.get_num_threads(),
        "batch_size": arguments.batch_size, "median_epoch_seconds": medians,
        "ratio": round(medians["trainer"] / medians["by_hand"], 3),
        "ratio_to_fused": round(medians["trainer"] / medians["by_hand_fused"], 3), "epochs": seconds,
    }  # fmt: skip
    print(f"ratio {found['ratio']}, to the fused loop {found['ratio_to_fused']}: {write('mnist_speed', found)}")


if __name__ == "__main__":
    main()
