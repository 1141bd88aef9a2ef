"""A module run from the waiting interpreter ends as Python's own run of it would."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from plainsight import warm

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks of a waiting interpreter are for Linux")

MODULES = {
    "say": "import os, sys\nprint(sys.argv[1:], os.environ['WORD'], os.getcwd(), 'torch' in sys.modules)\n"
    "print('aside', file=sys.stderr)\nsys.exit(int(sys.argv[1]))\n",
    "read": "import sys\nprint(sys.stdin.read()[::-1])\n",
    "breaks": "raise ValueError('no')\n",
    "threads": "import torch\nprint(torch.get_num_threads())\n",
    "tidies": "import atexit, pathlib\natexit.register(pathlib.Path('tidied').touch)\n",
    "knows": "import sys\nlooks = ('matplotlib', 'ipykernel.kernelapp')\n"
    "print([n for n in sys.modules if n in looks or n.startswith('plainsight.')])\n",
    "waits": "import os, subprocess, sys, time\nchild = subprocess.Popen(['sleep', '60'])\n"
    "print(os.getpid(), child.pid, flush=True)\ntime.sleep(60)\n",
}


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A run of the workflow in small: a process that starts the interpreter and then waits. Returns its environment."""
    folder = tmp_path_factory.mktemp("modules")
    for name, text in MODULES.items():
        (folder / f"{name}.py").write_text(text)
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'lib'}{os.pathsep}{folder}", "WORD": "here"}
    environment["OMP_NUM_THREADS"] = "1"
    environment.pop(warm.SOCKET, None)
    code = (
        "import os, sys, time\nfrom plainsight import warm\nwarm.start()\nprint(os.environ[warm.SOCKET], flush=True)\n"
    )
    workflow = subprocess.Popen(
        [sys.executable, "-c", code + "sys.stdin.read()"],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        # What a script starts in the background ignores SIGINT, and so do its children: these tests, for instance.
        preexec_fn=functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    address = Path(workflow.stdout.readline().strip())
    assert within(120, address.exists)
    yield {**environment, warm.SOCKET: str(address)}
    workflow.kill()
    workflow.wait()
    assert within(20, lambda: not address.parent.exists()), "the interpreter outlives who started it"


def within(seconds, condition):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def call(environment, *arguments, **options):
    command = [sys.executable, "-m", "plainsight.warm", *arguments]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )


def test_threads_are_those_of_whoever_started_it(served):
    """torch looks once, when it is imported, so that a step cannot ask for others this way."""
    process = call({**served, "OMP_NUM_THREADS": "2"}, "threads")
    assert process.communicate(timeout=60)[0] == "1\n"


def test_arguments_streams_folder_environment_and_exit_code_are_those_of_who_asks(served, tmp_path):
    process = call({**served, "WORD": "there"}, "say", "3", "x", cwd=tmp_path)
    out, err = process.communicate()
    assert (out, err, process.returncode) == (f"['3', 'x'] there {tmp_path} True\n", "aside\n", 3)


def test_standard_input_is_passed_on(served):
    out, _ = call(served, "read", stdin=subprocess.PIPE).communicate("abc")
    assert out == "cba\n"


def test_an_exception_is_shown_and_exits_with_1(served):
    process = call(served, "breaks")
    _, err = process.communicate()
    assert process.returncode == 1 and "ValueError: no" in err


def test_what_a_module_leaves_for_the_end_is_done(served, tmp_path):
    call(served, "tidies", cwd=tmp_path).communicate()
    assert (tmp_path / "tidied").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_signal_ends_the_module_and_what_it_started(served, number):
    process = call(served, "waits")
    pids = [int(pid) for pid in process.stdout.readline().split()]
    process.send_signal(number)
    process.wait(timeout=10)
    assert process.returncode != 0
    assert within(10, lambda: not any(runs(pid) for pid in pids))


def runs(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("address", [None, "gone"])
def test_without_the_interpreter_python_runs_the_module(served, tmp_path, address):
    environment = {key: value for key, value in served.items() if key != warm.SOCKET}
    if address:
        environment[warm.SOCKET] = str(tmp_path / address)
    process = call(environment, "say", "0", cwd=tmp_path)
    out, _ = process.communicate()
    assert (out, process.returncode) == (f"['0'] here {tmp_path} False\n", 0)


def test_nothing_that_looks_at_the_environment_is_imported_beforehand(served):
    out, _ = call(served, "knows").communicate()
    assert out == "['plainsight.torchvision_ops']\n"
