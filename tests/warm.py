"""`recae` from a process that has its imports behind it, for tests where the process is only a means.

A new process imports PyTorch, pandas and numba for two seconds or more before its work begins. Here a server, one for
each process of tests, does that once, and forks for each command. The command has its own arguments, folder,
environment, standard streams and exit code, and nothing of the process of tests. What is claimed of processes
themselves (signals, encodings, imports, threads) is tested with new ones, by `cli_helpers.command`.

    python -IS warm.py SOCKET [ARGUMENT...]     # the client: runs `recae ARGUMENT...`, and ends as it ends
    python warm.py                              # the server: prints its socket; ends when its standard input ends
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import sys

SUPPORTED = hasattr(os, "pidfd_open") and hasattr(os, "fork")  # Linux; elsewhere a new process is started


def client(path: str, arguments: list[str]) -> None:
    """Hand the request and the streams over, wait, and leave with the exit code."""
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(path)
    request = {"arguments": arguments, "folder": os.getcwd(), "environment": dict(os.environ)}
    text = json.dumps(request).encode()
    socket.send_fds(connection, [len(text).to_bytes(4, "big")], [0, 1, 2])
    connection.sendall(text)
    answer = connection.recv(4)
    os._exit(int.from_bytes(answer, "big") if answer else 70)


def server() -> None:
    """Import, train, list, listen; a fork for each connection, a second fork that runs the command."""
    import gc
    import shutil
    import signal
    import tempfile

    import recae.cli
    import recae.evaluation

    # At a first training PyTorch imports as much again as at first, and numba loads its kernels.
    split = recae.split(recae.load("sample"), "random", test=0.2, rng=0)
    recae.evaluate(recae.AutoRec(hidden=8, epochs=1, device="cpu").fit(split.train, progress=False), split)
    gc.freeze()  # forks share what is there
    folder = tempfile.mkdtemp()
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(os.path.join(folder, "s"))
    listening.listen()
    print(os.path.join(folder, "s"), flush=True)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those who wait for the commands
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C at a run of tests is for the tests; they end the server
    while listening in select.select([listening, 0], [], [])[0]:
        connection, _ = listening.accept()
        if os.fork() == 0:
            listening.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            try:
                _serve(connection)
            finally:
                os._exit(0)
        connection.close()
    shutil.rmtree(folder)


def _serve(connection: socket.socket) -> None:
    """One command: wait until it ends, or the client does, whose command then ends, too."""
    head, streams, _, _ = socket.recv_fds(connection, 4, 3)
    text = b""
    while len(text) < int.from_bytes(head, "big"):
        text += connection.recv(2**16)
    command = os.fork()
    if command == 0:
        connection.close()
        _run(json.loads(text), streams)
    for stream in streams:
        os.close(stream)
    ended = os.pidfd_open(command)
    if ended not in select.select([ended, connection], [], [])[0]:
        os.kill(command, 9)
    code = os.waitstatus_to_exitcode(os.waitpid(command, 0)[1])
    with contextlib.suppress(BrokenPipeError):  # the client has gone
        connection.sendall((code if code >= 0 else 128 - code).to_bytes(4, "big"))


def _run(request: dict, streams: list[int]) -> None:
    """The command in this forked process, as if it had been started by itself."""
    import recae.jit

    recae.jit._Thread.serial = False  # the server has one thread, so that none is missing here
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    sys.argv = ["recae", *request["arguments"]]
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        errors = "backslashreplace" if name == "stderr" else "strict"
        lines = 1 if mode == "w" and (os.isatty(number) or name == "stderr") else -1
        stream = open(number, mode, lines, encoding="utf-8", errors=errors, closefd=False)  # noqa: SIM115
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    code = _code_of_main()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)


def _code_of_main() -> int:
    import traceback

    from recae.cli import main

    try:
        main()
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
            return 1
        return end.code or 0
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    if sys.argv[1:]:
        client(sys.argv[1], sys.argv[2:])
    else:
        server()
