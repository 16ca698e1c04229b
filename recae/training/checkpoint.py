"""Checkpoints: the whole state of a training, so that one that resumes ends with the same weights."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from torch import nn

from recae.errors import ModelFileError, Phrase, Remedy
from recae.schemas import as_object, refusing
from recae.storage import pack, read_file, unpack, write_file

KIND = "checkpoint"
REMEDY = "delete it to start afresh"
_PARTS = ("model", "best", "optimizer", "random", "epoch", "step", "order", "total_loss", "history", "seconds")


def write_checkpoint(path: Path, fingerprint: dict[str, Any], state: dict[str, Any]) -> None:
    """Write `state`, a nest of tensors and plain values; a failure leaves the former file."""
    arrays, twin = pack(state)
    write_file(path, KIND, arrays, {"fingerprint": fingerprint, "state": twin})


def read_checkpoint(path: Path, fingerprint: dict[str, Any]) -> dict[str, Any]:
    """The state at `path`.

    Raises:
        ModelFileError: it cannot be read, or its fingerprint says another model, other data or other settings.
    """
    arrays, content = read_file(path, KIND)
    with refusing(ModelFileError, path, REMEDY):
        found = as_object(content.get("fingerprint"), "its fingerprint")
    for key, value in fingerprint.items():
        if key in found and found[key] != value:  # a setting that it does not have came later, with a default
            raise ModelFileError(
                f"checkpoint {path} was written with {key} {found[key]}, and now it is {value}",
                remedy=(
                    "resume with the settings it was started with",
                    Remedy("{discard} to begin afresh", discard=Phrase("delete it")),
                ),
            )
    with refusing(ModelFileError, path, REMEDY):
        return as_object(unpack(arrays, content.get("state")), "the state of the training", _PARTS)


def fingerprint(settings: list[Any], examples: list[int], model: nn.Module) -> dict[str, Any]:
    """What must be the same for a training to resume exactly from a checkpoint."""
    shapes = {name: list(value.shape) for name, value in model.state_dict().items()}
    digest = hashlib.sha256(json.dumps(shapes, sort_keys=True).encode()).hexdigest()[:16]
    return {"settings": settings, "examples": examples, "model": digest}


def random_state(device: torch.device) -> dict[str, Any]:
    """PyTorch's random state on the CPU and on `device`."""
    state: dict[str, Any] = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def restore_random_state(state: dict[str, Any], device: torch.device) -> None:
    """Set PyTorch's random state to what `random_state` returned."""
    torch.set_rng_state(state["cpu"])
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], device)
