"""Settings in TOML: values of all kinds, depth, damaged text. What is accepted is fitted."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

from fuzz.changes import changed_bytes
from fuzz.uses import of_model, toy_ratings
from recae.models import MODELS
from recae.recommender.params import Param, declared
from recae.settings import load_settings

VALUES = [
    "1", "0", "-1", "1.5", "nan", "inf", "-inf", '"x"', '"none"', "true", "[]", "[1]", "[1, 2]", '["a"]', "[[1]]",
    "1e400",
    "9223372036854775807", "9223372036854775808", "2024-01-01", "{a = 1}", '""', '"../x"', "0x10", "[4, 2, 4]",
    "1e-320",
    '"cuda"', "1000000000000",
]  # fmt: skip
SLOW = {"blend", "dated", "glocal-k", "rec-vae"}  # they are read only: fitting one takes seconds


def prepare(base: Path) -> None:
    (base / "s.toml").write_text('model = "i-autorec"\n[params]\nhidden = 4\n')
    assert not list(read(base))


def write(rng: random.Random, base: Path, work: Path) -> str:
    name = rng.choice(sorted(MODELS))
    params = declared(MODELS[name].model_class)
    some = rng.sample(params, min(len(params), rng.choice([1, 1, 2, 3])))
    chosen = {p.name: rng.choice(VALUES) if rng.random() < 0.5 else likely(rng, p) for p in some}
    lines = [f'model = "{name}"', "[params]", *(f"{key} = {value}" for key, value in chosen.items())]
    data = "\n".join(lines).encode()
    how = rng.choice(["values", "values", "values", "bytes", "text"])
    if how == "bytes":
        data = changed_bytes(rng, data)
    elif how == "text":
        data = rng.choice([
            data + b"\nx = " + b"[" * 5000 + b"]" * 5000, data + b"\n[" + b".".join([b"a"] * 5000) + b"]\n",
            data + data,
            data.replace(f'"{name}"'.encode(), rng.choice([b"1", b'"nope"', b"[]", b'"../x"', b'""'])),
            b'model = "ease"\nparams = ' + rng.choice([b"1", b"[]", b'""']), data + b'\nx = "\xe9"\n', data + b"\0",
            data + b"\nepochs = " + b"1" * 5000, data + b"\nsurprise = 1\n", b"\xff\xfe" + data, b"", b"model",
        ])  # fmt: skip
    (work / "s.toml").write_bytes(data)
    return f"{name}: {how} {chosen}"


def likely(rng: random.Random, p: Param) -> str:
    """A value of the type that a hyper-parameter has, extreme or not."""
    if isinstance(p.default, str) and p.choices:
        return f'"{rng.choice(p.choices)}"'
    if isinstance(p.default, bool):
        return rng.choice(["true", "false"])
    numbers = ["1", "2", "0", "7"] if isinstance(p.default, int) else ["0.5", "0.0", "1e-30", "1e30", "3.0"]
    return rng.choice(numbers) if isinstance(p.default, int | float) else '"none"'


def read(work: Path) -> Iterator[str]:
    model = load_settings(work / "s.toml")
    given = model.get_params()
    for name, most in (("epochs", 3), ("iterations", 3), ("sweeps", 3), ("pretrain_epochs", 3), ("tune_epochs", 3)):
        if isinstance(given.get(name), int) and given[name] > most:
            model.set_params(**{name: 1})
    wide = any(isinstance(given.get(name), int) and given[name] > 5000 for name in ("hidden", "factors", "latent"))
    entry = next(name for name, entry in MODELS.items() if entry.model_class is type(model))
    if not wide and entry not in SLOW:
        yield from of_model(model.fit(toy_ratings(), progress=False))
