"""The processes that serve: this one, or several workers that share one socket. Each holds the model."""

from __future__ import annotations

import gc
import importlib
import json
import logging
import os
import socket
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from recae.errors import MissingExtraError, ParameterError

_SETTINGS = "RECAE_SERVE"  # the settings of workers, which start as new processes


@dataclass(frozen=True)
class ServeSettings:
    """How to serve a model.

    Attributes:
        model: its file.
        host, port: where to listen; port 0 is one that is free.
        workers: processes.
        device: where the model computes; None for the model's own.
        page: whether there is a page at `/`.
        allow_reload: whether `POST /reload` reads the file at once.
        watch_seconds: time between two looks at the file; 0 for none.
        access_log: whether each request is logged.
        modules: modules to import first, whose models register themselves.
        quiet: whether the log has only what went wrong, and not also which model serves since when.
    """

    model: str
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    device: str | None = None
    page: bool = True
    allow_reload: bool = False
    watch_seconds: float = 1.0
    access_log: bool = False
    modules: tuple[str, ...] = ()
    quiet: bool = False


def require_extra() -> None:
    """Refuse to go on without FastAPI and uvicorn.

    Raises:
        MissingExtraError: names the extra.
    """
    try:
        import fastapi  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError:
        raise MissingExtraError("serving needs FastAPI and uvicorn: pip install 'recae[serve]'") from None


def serve(settings: ServeSettings, ready: Callable[[str], None] = print) -> None:
    """Serve until a signal ends it.

    Args:
        settings: what, where and how.
        ready: is told the address as soon as requests are accepted (with several workers: as soon as they start).

    Raises:
        MissingExtraError: FastAPI or uvicorn is not installed.
        ModelFileError: see `recae.load_model`.
        ParameterError: the address cannot be had.
    """
    require_extra()
    import uvicorn

    listening = _listen(settings.host, settings.port)
    address = _address(listening)
    options: dict[str, Any] = {
        "factory": True, "workers": settings.workers, "access_log": settings.access_log, "log_config": None,
        "log_level": None, "server_header": False, "proxy_headers": False,
        "timeout_keep_alive": 30, "timeout_graceful_shutdown": 10, "limit_concurrency": 1000, "ws": "none",
        "timeout_worker_healthcheck": 60,  # a worker that reads a large model is not a dead one
    }  # fmt: skip
    log_to_stderr(settings)
    with listening:
        if settings.workers == 1:
            app = make_from(settings)
            ready(address)
            uvicorn.Server(uvicorn.Config(lambda: app, **options)).run(sockets=[listening])
            return
        _check_file(settings)
        os.environ[_SETTINGS] = json.dumps(asdict(settings))
        host, port = listening.getsockname()[:2]
    # uvicorn binds the port itself: of a socket that it is handed as a number it believes that it is a Unix one, and
    # leaves its small packets to wait for each other, 40 ms.
    ready(address)
    uvicorn.run("recae.serving.processes:make_from_environment", host=host, port=port, **options)


def log_to_stderr(settings: ServeSettings) -> None:
    """Have the server's log on stderr: a line has the time, the process, the level, and what happened.

    It says which model serves, and why another one is refused; with several workers, also which one starts or is gone;
    with `access_log`, each request.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(process)d %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S%z"))
    of_workers = settings.access_log or (settings.workers > 1 and not settings.quiet)
    for name, whole in (("recae.serving", not settings.quiet), ("uvicorn", of_workers)):
        log = logging.getLogger(name)
        log.handlers, log.propagate = [handler], False  # and not once more as the command line's plain lines
        log.setLevel(logging.INFO if whole else logging.WARNING)


def make_from(settings: ServeSettings) -> Any:
    """The application, in a process that does nothing else: one thread a product, since requests have the cores."""
    from recae.jit import run_serially
    from recae.serving.app import make_app
    from recae.serving.model_holder import ModelHolder

    run_serially()
    _one_thread_a_product()
    holder = ModelHolder(settings.model, settings.device)
    gc.collect()
    gc.freeze()  # what is there now stays: requests need not wait while hundreds of thousands of objects are looked at
    return make_app(
        holder, page=settings.page, allow_reload=settings.allow_reload, watch_seconds=settings.watch_seconds,
        threads=max(1, (os.cpu_count() or 1) // settings.workers),
    )  # fmt: skip


def make_from_environment() -> Any:
    """The application of a worker."""
    settings = ServeSettings(**json.loads(os.environ[_SETTINGS]))
    log_to_stderr(settings)
    sys.path.insert(0, os.getcwd())
    for module in settings.modules:
        importlib.import_module(module)
    return make_from(settings)


def _check_file(settings: ServeSettings) -> None:
    """Find out here what is wrong with the file: workers that fail would be started again and again."""
    from recae.models import load_model

    load_model(settings.model, device=settings.device)


def _one_thread_a_product() -> None:
    import torch
    from threadpoolctl import threadpool_limits

    threadpool_limits(1)
    torch.set_num_threads(1)


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        both = host == "::" and socket.has_dualstack_ipv6()  # every address, as 0.0.0.0 is every one of IPv4
        listening = socket.create_server((host, port), family=family, backlog=2048, dualstack_ipv6=both)
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # connections inherit it: no waiting for more
        return listening
    except (OSError, OverflowError) as error:
        number = getattr(error, "errno", None) or -1  # the system's; create_server adds the address to the text
        said = os.strerror(number) if number > 0 else getattr(error, "strerror", None) or str(error)
        raise ParameterError(
            f"{host} port {port} cannot be listened on ({said.lower()})", remedy="choose another host or port"
        ) from None


def _address(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
