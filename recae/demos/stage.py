"""`Stage`: what every demo is given: data, a trainer, a folder for pictures, and a function that prints."""

from __future__ import annotations

import json
import platform
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor, nn

from recae import plots
from recae.datasets.newsgroups import Documents
from recae.demos.digits import Digits
from recae.errors import DatasetNotFoundError, ParameterError
from recae.nn import Autoencoder
from recae.ratings import RatingMatrix
from recae.training import History, Reconstruction, RowBatches, Trainer

if TYPE_CHECKING:
    from recae.plots.canvas import Drawn

T = TypeVar("T")
Figures = dict[str, Any]


@dataclass(kw_only=True)
class Stage:
    """Where demos play. What one of them trained, another may use again.

    Attributes:
        out: folder of the pictures and JSON files; made when it is missing.
        epochs: instead of each demo's own number; None leaves it.
        device: auto, cpu, cuda, cuda:N or mps.
        seed: of everything random.
        data_dir: where data sets are looked for first.
        say: is given every line that a reader should see.
        progress: progress bars; None for "where stderr is a terminal".
        query: words that `documents` looks for; None for its own.
        digits, documents, ratings: instead of those that the loaders find.
    """

    out: Path
    epochs: int | None = None
    device: str = "auto"
    seed: int = 0
    data_dir: Path | None = None
    say: Callable[[str], None] = print
    progress: bool | None = None
    query: str | None = None
    _digits: Digits | None = None
    _documents: Documents | None = None
    _ratings: RatingMatrix | None = None
    _trained: dict[str, Any] = field(default_factory=dict)
    _pictures: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.epochs is not None and self.epochs < 1:
            raise ParameterError(name="epochs", value=self.epochs, expected="at least 1")
        self.out = Path(self.out)
        try:
            self.out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ParameterError(
                f"the folder cannot be made ({error.strerror})", name="out", value=str(self.out), remedy="name another"
            ) from None

    @cached_property
    def digits(self) -> Digits:
        """MNIST, or scikit-learn's 8 x 8 digits where MNIST is not available; the loader says which."""
        from recae.datasets.mnist import load_mnist

        digits = self._digits or Digits.of(load_mnist(self.data_dir), self.seed)
        self.say(f"images: {digits.source}, {len(digits.train):,} train, {len(digits.validation):,} validation, "
                 f"{len(digits.test):,} test")  # fmt: skip
        return digits

    @cached_property
    def documents(self) -> Documents:
        """20 Newsgroups, or where there is no copy, the small generated corpus."""
        from recae.datasets.newsgroups import load_newsgroups

        documents = self._documents or load_newsgroups(self.data_dir)
        self.say(f"documents: {documents!r}")
        return documents

    @cached_property
    def ratings(self) -> RatingMatrix:
        """MovieLens-100K where there is a copy, else the embedded sample."""
        from recae.loaders import load

        ratings = self._ratings
        if ratings is None:
            try:
                ratings = load("ml-100k", data_dir=self.data_dir, download=False)
            except DatasetNotFoundError:
                ratings = load("sample")
        self.say(f"ratings: {ratings!r}")
        return ratings

    # ------------------------------------------------------------ training

    def network(self, sizes: Sequence[int] | str, **settings: Any) -> Autoencoder:
        """`Autoencoder.mirrored`, from this stage's seed, whatever was drawn before."""
        return self.seeded(lambda: Autoencoder.mirrored(sizes, **settings))

    def seeded(self, build: Callable[[], T]) -> T:
        """What `build` gives with PyTorch's random state at this stage's seed; the state is put back."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            return build()

    def trainer(self, label: str, epochs: int, *, lr: float, schedule: str = "one-cycle", **settings: Any) -> Trainer:
        """A trainer for `epochs`, unless another number was asked for."""
        return Trainer(
            epochs=self.epochs or epochs, lr=lr, schedule=schedule, device=self.device, seed=self.seed,
            progress=self.progress, label=label, **settings,
        )  # fmt: skip

    def train(
        self, label: str, model: nn.Module, epochs: tuple[int, int], *, loss: str = "squared-error", lr: float = 2e-3,
        decay: float = 0.0, rows: Tensor | None = None, validate: Callable[[nn.Module], float] | None = None,
    ) -> History:  # fmt: skip
        """Train `model` on the digits and leave it on the CPU.

        Args:
            label: what the progress bar says.
            model: an autoencoder.
            epochs: for MNIST, and for the small digits.
            loss: see `Reconstruction`.
            lr: highest learning rate; it rises and falls once (one-cycle).
            decay: L2 on the weights (`Trainer`).
            rows: instead of all train images.
            validate: a figure to keep the best epoch by; by default `loss` on the validation images.
        """
        digits, objective = self.digits, Reconstruction(loss)
        rows = digits.train if rows is None else rows
        trainer = self.trainer(label, epochs[digits.small], lr=lr, decay=decay)
        batches = RowBatches(rows, batch_size=32 if digits.small else 128)
        history = trainer.fit(model, batches, objective, validate or objective.on(digits.validation))
        model.cpu()
        return history

    def once(self, name: str, make: Callable[[], T]) -> T:
        """What `make` gives, made at the first call under that name: demos share what takes long."""
        if name not in self._trained:
            self._trained[name] = make()
        made: T = self._trained[name]
        return made

    # ------------------------------------------------------------ telling

    def save(self, drawn: Drawn, name: str) -> None:
        """Write a picture and say where."""
        path = plots.save(drawn, self.out / f"{name}.png")
        self._pictures.append(path.name)
        self.say(f"picture: {path}")

    def table(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """A table of figures, four significant digits each."""
        import pandas as pd

        frame = pd.DataFrame(list(rows))
        self.say(frame.to_string(index=False, float_format=lambda x: f"{x:.4g}", na_rep="-"))

    def record(self, name: str, figures: Figures, seconds: float, busy: float) -> Figures:
        """Write `name`.json beside the pictures: figures, pictures, time by the clock and of the processor, origin."""
        content = {
            "demo": name, "figures": figures, "pictures": self._pictures, "seconds": round(seconds, 1),
            "processor_seconds": round(busy, 1), **self.circumstances(),
        }  # fmt: skip
        self._pictures = []
        (self.out / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        return content

    def circumstances(self) -> Figures:
        """Seed, machine, versions, time, and the commit where this runs from a repository."""
        from recae import __version__

        return {
            "seed": self.seed, "epochs": self.epochs or "default", "device": self.device,
            "machine": f"{platform.machine()}, {torch.get_num_threads()} threads, {platform.system()}",
            "torch": torch.__version__, "recae": __version__, "commit": commit(),
            "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }  # fmt: skip


def commit() -> str | None:
    """The commit of the repository that this module lies in; None where there is none."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=5).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
