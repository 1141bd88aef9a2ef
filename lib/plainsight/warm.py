"""``python -m plainsight.warm MODULE ARGUMENTS``: as ``python -m MODULE ARGUMENTS``, without the wait for slow imports.

Importing torch, diffusers and transformers takes longer than what most steps then do at small scales. So the workflow
starts one interpreter that imports them once, and each notebook, kernel and training is a fork of it. Where there is
no such interpreter (on a cluster, by hand, on macOS), Python runs the module as ever.
"""

from __future__ import annotations

import atexit
import importlib
import os
import runpy
import signal
import subprocess
import sys
import tempfile
from multiprocessing import connection, get_context, reduction
from pathlib import Path
from typing import NamedTuple

SOCKET = "PLAINSIGHT_WARM_SOCKET"
"""Environment variable: where the interpreter listens."""
IMPORTED = (
    "diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion",
    "ipykernel.ipkernel",
    "jupytext",
    "pandas",
    "papermill",
    "pyarrow.parquet",
    "scipy.stats",
    "sklearn.metrics",
)
"""What is imported beforehand. Not what looks at the environment when it is imported (matplotlib, ipykernel.kernelapp);
nor anything of this package that a step uses, so that steps always run the code that lies in the checkout."""
_STREAMS = (0, 1, 2)


class Request(NamedTuple):
    """A module and its arguments, and where they are to run."""

    arguments: list[str]
    folder: str
    environment: dict[str, str]


def start() -> None:
    """Start the interpreter, which ends with this process; what this process runs from now on finds it (Linux only)."""
    if sys.platform != "linux":  # macOS's own libraries do not survive a fork
        return
    address = str(Path(tempfile.mkdtemp(prefix="plainsight-")) / "warm")
    # Nothing is written to it: its standard input closes when this process is gone.
    subprocess.Popen([sys.executable, "-m", __name__, "--serve", address], stdin=subprocess.PIPE, process_group=0)
    os.environ[SOCKET] = address


def serve(address: str) -> None:
    """Import what is slow, then run what is asked for in forks, until standard input is closed."""
    for name in IMPORTED:
        importlib.import_module(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the forks
    with connection.Listener(address) as listener:
        # Listener has no timeout; its socket can be waited for like any other.
        while sys.stdin not in connection.wait([listener._listener._socket, sys.stdin]):
            asking = listener.accept()
            if os.fork() == 0:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                _run_for(asking)
                os._exit(0)
            asking.close()
    Path(address).parent.rmdir()


def _run_for(asking: connection.Connection) -> None:
    """Run the request in a fork and send its exit code; pass signals on, and end it when whoever asks is gone."""
    request = asking.recv()
    streams = [reduction.recv_handle(asking) for _ in _STREAMS]
    child = get_context("fork").Process(target=_run, args=(request, streams))
    child.start()
    os.setpgid(child.pid, child.pid)  # here as well as there: neither knows who comes first
    for stream in streams:
        os.close(stream)
    while child.sentinel not in connection.wait([asking, child.sentinel]):
        try:
            os.killpg(child.pid, asking.recv())
        except EOFError:
            return os.killpg(child.pid, signal.SIGKILL)
    child.join()
    asking.send(child.exitcode)


def _run(request: Request, streams: list[int]) -> None:
    os.setpgid(0, 0)
    for stream, given in zip(_STREAMS, streams, strict=True):
        os.dup2(given, stream)
        os.close(given)
    sys.stdin = open(0)  # noqa: SIM115  (multiprocessing has closed it)
    os.environ.clear()
    os.environ.update(request.environment)
    os.chdir(request.folder)
    try:
        _run_module(request.arguments)
    finally:
        atexit._run_exitfuncs()  # which a child of multiprocessing leaves out


def _run_module(arguments: list[str]) -> None:
    sys.argv = arguments
    runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)


def ask(address: str, arguments: list[str]) -> int | None:
    """The exit code of ``python -m ARGUMENTS``, run by the interpreter at ``address``; None where there is none.

    That of a process which a signal has ended is negative, as in subprocess.
    """
    try:
        asked = connection.Client(address)
    except OSError:  # it is still importing, or this is another machine
        return None
    with asked:
        asked.send(Request(arguments, os.getcwd(), dict(os.environ)))
        for stream in _STREAMS:
            reduction.send_handle(asked, stream, None)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda number, _: asked.send(number))
        try:
            return asked.recv()
        except EOFError:  # the interpreter was killed
            return -signal.SIGKILL


def main(arguments: list[str]) -> None:
    """Serve, or run a module: by the interpreter that waits, else here."""
    if arguments[0] == "--serve":
        return serve(arguments[1])
    address = os.environ.get(SOCKET)
    code = ask(address, arguments) if address else None
    if code is None:
        return _run_module(arguments)
    sys.exit(code if code >= 0 else 128 - code)  # as a shell tells of signals


if __name__ == "__main__":
    main(sys.argv[1:])
