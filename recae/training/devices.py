"""Choosing where to compute, and how precisely."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch

from recae.distributed.launch import launch
from recae.distributed.ranks import own_device
from recae.errors import ParameterError

PRECISIONS = ("float32", "bf16")


def choose_device(device: str | torch.device = "auto") -> torch.device:
    """The device meant by `device`; "auto" is cuda where there is one, else mps, else cpu.

    Of several processes on one machine (torchrun) each has a GPU of its own, and none has mps.

    Raises:
        ParameterError: that device is not on this machine, or not for that many processes.
    """
    if str(device) == "auto":
        if torch.cuda.is_available():
            return own_device(torch.device("cuda"))
        return torch.device("mps" if torch.backends.mps.is_available() and launch().size == 1 else "cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError:
        raise ParameterError(f"device {device!r}: choose auto, cpu, cuda, cuda:0, ... or mps") from None
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not there.get(chosen.type, False):
        raise ParameterError(f"device {str(device)!r} is not on this machine; device='auto' takes what there is")
    return own_device(chosen)


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """bf16 matrix products on CUDA where asked for; else nothing.

    Raises:
        ParameterError: the precision is unknown, or bf16 was asked for elsewhere than on CUDA.
    """
    if precision not in PRECISIONS:
        raise ParameterError(f"precision {precision!r}: choose one of {', '.join(PRECISIONS)}")
    if precision == "float32":
        return nullcontext()
    if device.type != "cuda":
        raise ParameterError(f"precision 'bf16' is for CUDA, and training is on {device.type}: choose 'float32'")
    return torch.autocast("cuda", torch.bfloat16)
