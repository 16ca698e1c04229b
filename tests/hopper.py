"""A Hopper GPU that is not there: Triton's kernels are compiled for it as they are launched, and do not run.

`pretend` changes Triton for good: for a process of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from triton.backends.compiler import GPUTarget
from triton.runtime import JITFunction, driver


class Hopper:
    """What Triton asks a driver for."""

    def get_current_device(self) -> int:
        return 0

    def get_current_stream(self, device: Any) -> int:
        return 0

    def get_current_target(self) -> GPUTarget:
        return GPUTarget("cuda", 90, 32)

    def get_active_torch_device(self) -> torch.device:
        return torch.device("cuda", 0)

    def get_device_interface(self) -> Any:
        return torch.cuda


def pretend(tell: Callable[[str, tuple[Any, ...], str], None]) -> None:
    """From now on a launch compiles for sm_90, and `tell` hears the kernel's name, its arguments and its PTX."""

    def launcher(kernel: Any, grid: Any) -> Callable[..., None]:
        def compile_for_hopper(*arguments: Any, **settings: Any) -> None:
            tell(kernel.fn.__name__, arguments, kernel.warmup(*arguments, grid=grid, **settings).asm["ptx"])

        return compile_for_hopper

    driver.set_active(Hopper())
    JITFunction.__getitem__ = launcher


def width(ptx: str) -> str:
    """Whether loads of that code are of several numbers at once."""
    return "wide" if "ld.global.v4" in ptx or "ld.global.v2" in ptx else "narrow"
