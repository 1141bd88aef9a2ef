"""run_all.sh: wrong options end in one line before anything starts, the environment is made once, one run at a time."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

PYTHON = """#!/bin/sh
# Stands in for Python: notes how it is called, makes a folder where a virtual environment is asked for.
echo "$0 $*" >>"$CALLS"
case "$*" in
    *"import plainsight"*) exit 1 ;;
    *"-m venv"*) mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
esac
"""


@pytest.fixture(params=["bash", "dash"])
def checkout(tmp_path, request):
    """The script and what it reads, without the library: nothing heavy can start.

    In bash and in dash, which knows nothing but POSIX: so it asks nothing of macOS's bash 3.2 that is newer than that.
    """
    shell = shutil.which(request.param)
    if not shell:
        pytest.skip(f"{request.param} is not installed")
    folder = tmp_path / "checkout"
    folder.mkdir()
    for name in ("run_all.sh", "requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(ROOT / "workflow", folder / "workflow")
    (tmp_path / "shell").write_text(shell)
    (tmp_path / "bin").mkdir()
    for name in ("python3.11", "python3.12", "python3.13", "python3", "python"):
        (tmp_path / "bin" / name).write_text(PYTHON)
        (tmp_path / "bin" / name).chmod(0o755)
    return folder


def run(checkout, *arguments, **environment):
    given = {"PATH": f"{checkout.parent / 'bin'}:{os.environ['PATH']}", "CALLS": str(checkout.parent / "calls")}
    call = [shell(checkout), str(checkout / "run_all.sh"), *arguments]
    return subprocess.run(call, env={**given, **environment}, capture_output=True, text=True)


def shell(checkout):
    return (checkout.parent / "shell").read_text()


def calls(checkout):
    path = checkout.parent / "calls"
    return path.read_text().splitlines() if path.exists() else []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--sclae", "toy"], "unknown option '--sclae'"),
        (["smoke"], "unknown option 'smoke'"),
        (["--scale"], "option --scale needs a value"),
        (["--scale", "huge"], "unknown scale 'huge'; known: "),
        (["--world", "mars"], "unknown world 'mars' at scale toy; known: phantom scenes nih"),
        (["--scale", "paper", "--world", "phantom"], "unknown world 'phantom' at scale paper; known: ms_cxr coco"),
        (["--data", "/no/such/folder"], "--data '/no/such/folder': no such folder"),
        (["--from", "ashes"], "unknown --from 'ashes'; known: scores"),
        (["--from", "scores"], "no score rows are committed for scale 'toy'"),
        (["--from", "scores", "--data", "."], "--from scores reads no images; leave out --data"),
        (["--only", "table_99"], "unknown target 'table_99'; known:"),
        (["--only", "makes"], "unknown target 'makes'; known:"),
        (["--jobs", "0"], "--jobs '0' is not a number of jobs"),
        (["--jobs", "two"], "--jobs 'two' is not a number of jobs"),
        (["--profile", "cloud"], "unknown profile 'cloud'; known: "),
    ],
)
def test_a_wrong_option_is_one_line_and_nothing_is_started(checkout, arguments, message):
    result = run(checkout, *arguments)
    assert result.returncode == 2 and result.stdout == ""
    assert len(result.stderr.splitlines()) == 1 and message in result.stderr
    assert not calls(checkout) and not (checkout / ".venv").exists() and not (checkout / "runs").exists()


def test_help_names_every_option_and_starts_nothing(checkout):
    result = run(checkout, "--help")
    assert result.returncode == 0 and not calls(checkout)
    for option in (
        "--scale",
        "--world",
        "--data",
        "--from",
        "--only",
        "--jobs",
        "--profile",
        "--dry-run",
        "--help",
        "test",
    ):
        assert option in result.stdout


@pytest.mark.parametrize(
    "only", ["tradeoff", "2_localization", "tradeoff/2_localization", "table_01", "00_start_here", "3_cost"]
)
def test_known_targets_pass(checkout, only):
    assert "unknown target" not in run(checkout, "--only", only, "--dry-run").stderr


def test_the_environment_is_made_once_and_again_when_the_lock_changes(checkout):
    assert run(checkout, "test", "-k", "nothing").returncode == 0
    made = "\n".join(calls(checkout))
    assert "-m venv .venv" in made and "-r requirements.lock" in made and "--no-deps" in made
    assert calls(checkout)[-1].endswith(".venv/bin/python -m pytest -q -k nothing")
    (checkout.parent / "calls").unlink()
    assert run(checkout, "test").returncode == 0
    assert [line.split(" ", 1)[1] for line in calls(checkout)] == ["-m pytest -q"]
    with (checkout / "requirements.lock").open("a") as file:
        file.write("# changed\n")
    run(checkout, "test")
    assert any("-r requirements.lock" in line for line in calls(checkout))


@pytest.mark.parametrize(
    ("arguments", "asked"),
    [
        ([], "toy   fetch"),
        (["--scale", "paper"], "paper   fetch"),
        (["--world", "nih", "--data", "."], "toy {checkout} nih fetch"),
    ],
)
def test_what_cannot_be_made_here_is_looked_for_before_anything_starts(checkout, arguments, asked):
    missing = PYTHON.replace("esac", '    *"plainsight.needs"*) exit 2 ;;\nesac')
    (checkout.parent / "bin" / "python3.11").write_text(missing)
    result = run(checkout, *arguments)
    assert result.returncode == 2 and not (checkout / "runs").exists()
    assert calls(checkout)[-1].endswith("-m plainsight.needs " + asked.format(checkout=checkout))
    # What would be made can be told without it; then nothing is downloaded either.
    assert run(checkout, *arguments, "--dry-run").returncode == 0
    assert not any("fetch" in line for line in calls(checkout)[-2:]) and "--dry-run" in calls(checkout)[-1]


def test_an_interrupted_installation_is_not_taken_for_a_finished_one(checkout):
    broken = PYTHON.replace("esac", '    *"--no-deps"*) exit 1 ;;\nesac')
    for path in (checkout.parent / "bin").iterdir():
        path.write_text(broken)
    assert run(checkout, "test").returncode != 0
    assert not any("-m pytest" in line for line in calls(checkout))
    shutil.copy(checkout.parent / "bin" / "python3", checkout / ".venv" / "bin" / "python")
    assert run(checkout, "test").returncode != 0


@pytest.mark.parametrize(
    ("environment", "used"),
    [
        ({"VIRTUAL_ENV": "ENV"}, True),
        ({"CONDA_PREFIX": "ENV", "CONDA_DEFAULT_ENV": "plainsight"}, True),
        ({"CONDA_PREFIX": "ENV", "CONDA_DEFAULT_ENV": "base"}, False),
    ],
)
def test_an_active_environment_with_the_package_is_used_but_never_base(checkout, environment, used):
    active = checkout.parent / "active"
    (active / "bin").mkdir(parents=True)
    (active / "bin" / "python").write_text(PYTHON.replace("exit 1", "exit 0"))
    (active / "bin" / "python").chmod(0o755)
    environment = {key: value.replace("ENV", str(active)) for key, value in environment.items()}
    assert run(checkout, "test", **environment).returncode == 0
    assert (checkout / ".venv").exists() != used
    assert calls(checkout)[-1].startswith(f"{active if used else checkout / '.venv'}/bin/python")


def test_a_python_that_is_too_old_is_named_in_one_line(checkout):
    for path in (checkout.parent / "bin").iterdir():
        path.write_text("#!/bin/sh\nexit 1\n")
    result = run(checkout, "test")
    assert result.returncode == 2 and "needs Python 3.11, 3.12 or 3.13" in result.stderr


def test_a_second_run_is_refused_while_the_first_lives(checkout):
    (checkout / "runs").mkdir()
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", "snakemake"])
    try:
        (checkout / "runs" / ".running").write_text(f"{other.pid} {os.uname().nodename}\n")
        result = run(checkout)
        assert result.returncode == 2
        assert f"another run is under way (process {other.pid})" in result.stderr.splitlines()[-1]
    finally:
        other.kill()
        other.wait()
    result = run(checkout)
    assert result.returncode == 0, result.stderr
    assert not (checkout / "runs" / ".running").read_text().startswith(f"{other.pid} ")


def test_a_run_on_another_machine_is_not_taken_for_dead(checkout):
    (checkout / "runs").mkdir()
    (checkout / "runs" / ".running").write_text("1 elsewhere\n")
    result = run(checkout)
    assert result.returncode == 2
    assert "another run is under way on elsewhere (process 1)" in result.stderr.splitlines()[-1]


def test_what_a_killed_run_left_is_unlocked(checkout):
    locks = checkout / ".snakemake" / "locks"
    locks.mkdir(parents=True)
    run(checkout)
    assert not any("--unlock" in line for line in calls(checkout))
    (locks / "0.input.lock").write_text("")
    run(checkout)
    unlocking = [line for line in calls(checkout) if "--unlock" in line]
    assert len(unlocking) == 1 and "--config scale=toy" in unlocking[0]


def test_a_cluster_is_asked_for_where_there_is_one(checkout):
    tools = checkout.parent / "tools"
    tools.mkdir()
    for name in ("basename", "dirname", "grep", "sed", "tr"):
        (tools / name).symlink_to(shutil.which(name))
    call = [shell(checkout), str(checkout / "run_all.sh"), "--profile", "slurm"]
    result = subprocess.run(call, env={"PATH": str(tools)}, capture_output=True, text=True)
    assert result.returncode == 2 and len(result.stderr.splitlines()) == 1
    assert "profile 'slurm' needs SLURM" in result.stderr


SQUEUE = """#!/bin/sh
# Stands in for SLURM: three jobs until one is cancelled, of a run of this checkout, of another, and of something else.
[ -f "$CALLS.cancelled" ] || echo "7 plainsight_4a HERE"
echo "8 plainsight_9c HERE/runs/from_scores"
echo "9 other HERE"
"""


def test_jobs_that_a_killed_run_left_in_the_queue_are_cancelled(checkout):
    bin = checkout.parent / "bin"
    (bin / "squeue").write_text(SQUEUE.replace("HERE", str(checkout)))
    (bin / "scancel").write_text('#!/bin/sh\necho "scancel $*" >>"$CALLS"; touch "$CALLS.cancelled"\n')
    (bin / "sbatch").write_text("#!/bin/sh\n")
    for name in ("squeue", "scancel", "sbatch"):
        (bin / name).chmod(0o755)
    dry = run(checkout, "--profile", "slurm", "--dry-run")
    assert dry.returncode == 0 and not any("scancel" in line for line in calls(checkout))
    result = run(checkout, "--profile", "slurm")
    assert result.returncode == 0, result.stderr
    assert [line for line in calls(checkout) if "scancel" in line] == ["scancel 7"]
    assert "Cancelling job 7, which an earlier run left behind." in result.stdout.splitlines()
    # SLURM decides how many run, unless somebody does.
    assert "--jobs 10000" in calls(checkout)[-1] and "--cores" not in calls(checkout)[-1]
    assert run(checkout, "--profile", "slurm", "--jobs", "3").returncode == 0
    assert "--jobs 3 " in calls(checkout)[-1]
    assert run(checkout, "--jobs", "3").returncode == 0
    assert "--cores 3 " in calls(checkout)[-1]


def test_the_plan_sums_what_was_measured_over_what_is_to_be_made(checkout):
    stats = "Job stats:\njob count\n--- ---\nprepare 2\ntrain 3\nnew 1\nall 1\ntotal 7\n"
    (checkout / "workflow" / "durations.csv").write_text(
        "scale,rule,seconds\ntoy,prepare,60\ntoy,train,600\nsmoke,new,9\n"
    )
    for path in (checkout.parent / "bin").iterdir():
        path.write_text(PYTHON.replace("esac", f'    *--dry-run*) printf "{stats}\\n{stats}" ;;\nesac'))
    lines = run(checkout, "--dry-run").stdout.splitlines()
    assert "To be made at scale toy, 6 steps, 2 side by side:" in lines
    assert [line.split() for line in lines if " x " in line] == [
        ["2", "x", "prepare"],
        ["3", "x", "train"],
        ["1", "x", "new"],
    ]
    assert "For 1 of these steps no time was measured yet." in lines
    assert lines[-1] == "Measured on 2 CPU cores, this takes about 17 minutes."
    # Nor was it for more than two side by side.
    assert run(checkout, "--dry-run", "--jobs", "8").stdout.splitlines()[-1] == lines[-1]
    assert "about 33 minutes" in run(checkout, "--dry-run", "--jobs", "1").stdout.splitlines()[-1]
    assert not (checkout / "runs" / ".running").exists()


def test_a_syntax_that_bash_3_2_knows():
    """macOS has bash 3.2: no associative arrays, no ${x^^}, no mapfile, no &>>, no unbalanced ) in a substitution."""
    text = (ROOT / "run_all.sh").read_text()
    for newer in ("declare -A", "mapfile", "readarray", "&>>", "|&", "^^}", ",,}", "local -n"):
        assert newer not in text
    for script in ("run_all.sh", ".ci/run"):
        assert os.access(ROOT / script, os.X_OK)
        assert subprocess.run(["bash", "-n", str(ROOT / script)]).returncode == 0


def test_ci_runs_what_the_readme_says():
    assert "./run_all.sh test" in (ROOT / ".ci" / "run").read_text()
    assert "./run_all.sh test" in (ROOT / "README.md").read_text()
