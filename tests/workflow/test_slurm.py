"""The SLURM profile: what it asks for, against a real SLURM of two nodes, where one is installed."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import yaml

import slurm_cluster
from plainsight import notebooks
from smoke_run import PATIENCE, ROOT, clone, command, missing, until

PROFILE = ROOT / "workflow" / "profiles" / "slurm"

# Three ways in which a job of a cluster could run more or less than once, and a training over two nodes.
SNAKEFILE = f"""
rule all:
    input: "gpus", "nodes", "preempted", "training"
rule gpus:
    output: "gpus"
    shell: "echo $CUDA_VISIBLE_DEVICES >>{{output}}"
rule nodes:
    output: "nodes"
    shell:
        "python -c 'from plainsight.training import job; print(job.machines())' >{{output}};"
        "srun --nodes=2 --ntasks=2 --ntasks-per-node=1"
        "     sh -c 'echo $SLURM_NODEID $CUDA_VISIBLE_DEVICES' | sort >>{{output}}"
rule preempted:
    output: "preempted"
    shell: "echo start >>starts; [ $(wc -l <starts) -gt 1 ] || sleep 600; touch {{output}}"
rule training:
    output: directory("training")
    shell: "python {ROOT}/tests/training/over_nodes.py {{output}}"
"""

# What a notebook is made to wait for, so that it can be stopped in the middle.
HOLD = """
# %%
import pathlib, time

while pathlib.Path("held").exists():
    time.sleep(0.1)
"""


def write_profile(folder, **resources):
    """The committed profile, with ``resources`` of further rules, in more of a hurry and without second tries."""
    settings = yaml.safe_load((PROFILE / "config.yaml").read_text())
    settings["set-resources"] |= resources
    settings |= {
        "slurm-status-command": "squeue",
        "slurm-init-seconds-before-status-checks": 1,
        "latency-wait": 5,
        "restart-times": 0,
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(settings, sort_keys=False))


@pytest.mark.parametrize("scale", ["smoke", "paper"])
def test_resources_for_a_rule_that_does_not_exist_are_an_error(tmp_path, scale):
    """In a dry run, which needs no SLURM. The committed names all pass, or one of them would be named instead."""
    write_profile(tmp_path, **{"grnd_*": {"gpu": 1}})
    call = [sys.executable, "-m", "snakemake", "--profile", str(tmp_path), "--jobs", "1", "--dry-run", "--nolock"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "lib")}
    found = subprocess.run(
        [*call, "--config", f"scale={scale}"], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert found.returncode != 0
    assert "set-resources of the profile: no rule is called grnd_*" in found.stdout + found.stderr


@pytest.fixture(scope="module")
def cluster():
    """The environment in which the commands of a running SLURM work."""
    if lacking := slurm_cluster.missing_programs():
        pytest.skip(f"no SLURM here ({', '.join(lacking)} not found); on Debian: apt install slurm-wlm munge")
    try:
        socket.gethostbyname(slurm_cluster.host_name())
    except OSError:
        pytest.skip("this machine's own name leads nowhere (/etc/hosts), so that no nodes could meet")
    with slurm_cluster.running_cluster() as environment:
        yield environment


def running_jobs(cluster):
    """The jobs that run now: what each was submitted for, by number."""
    call = ["squeue", "--noheader", "--states=RUNNING", "--format=%i %k"]
    lines = subprocess.run(call, env=cluster, capture_output=True, text=True, check=True).stdout.splitlines()
    return dict(line.split(" ", 1) for line in lines)


def test_a_job_runs_once_or_over_two_nodes_as_it_asks_and_again_when_it_was_preempted(cluster, tmp_path):
    over_nodes = {"mpi": "srun", "nodes": 2, "tasks": 2, "gres": "gpu:4", "tasks_per_gpu": 0}
    write_profile(tmp_path / "profile", gpus={"gpu": 2}, nodes=over_nodes, training=over_nodes)
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    call = [sys.executable, "-m", "snakemake", "--profile", "profile", "--jobs", "100"]
    environment = {
        **cluster,
        "PYTHONPATH": f"{ROOT}/lib:{ROOT}/tests",
        "PATH": f"{Path(sys.executable).parent}:{cluster['PATH']}",
    }
    process = subprocess.Popen(
        call, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    starts = tmp_path / "starts"
    alone = ["rule_preempted"]
    assert until(lambda: starts.exists() and [*running_jobs(cluster).values()] == alone, process, every=0.5)
    urgent = ["sbatch", "--partition=urgent", "--nodes=2", "--exclusive", "--output=/dev/null", "--wrap=true"]
    subprocess.run(urgent, env=cluster, cwd=tmp_path, check=True)
    output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, output[-5000:]
    once = (tmp_path / "gpus").read_text()
    assert once.count("\n") == 1 and once.count(",") == 1
    assert (tmp_path / "nodes").read_text() == "2\n0 0,1,2,3\n1 0,1,2,3\n"
    assert starts.read_text() == "start\n" * 2 and (tmp_path / "preempted").exists()
    first, second = (json.loads((tmp_path / "training" / f"{number}.json").read_text()) for number in (0, 1))
    assert first["processes"] == 2 and first["node"] != second["node"]
    assert first["whole"] == first["resumed"] == second["whole"] == second["resumed"]


def test_a_run_that_was_killed_and_a_job_that_was_cancelled_are_made_good(cluster, checkout, whole, tmp_path):
    folder = tmp_path / "clone"
    shutil.copytree(checkout, folder)
    write_profile(folder / "workflow" / "profiles" / "slurm")
    place = "runs/smoke/phantom/notebooks/tradeoff/1_first_look"
    partial = folder / f"{place}.partial.ipynb"
    held = folder / "held"
    held.touch()
    with (folder / "notebooks" / "tradeoff" / "1_first_look.py").open("a") as source:
        source.write(HOLD)
    call = command(folder, "--profile", "slurm", "--only", "1_first_look", environment=cluster)

    def notebook():
        """The process that executes a notebook of this checkout, if one is under way."""
        for process in psutil.process_iter(["cmdline", "cwd"]):
            if process.info["cwd"] == str(folder) and "plainsight.notebooks" in (process.info["cmdline"] or []):
                return process
        return None

    killed = subprocess.Popen(**call)
    assert until(lambda: partial.exists() and notebook(), killed, every=0.5)
    under_way, (left,) = notebook(), running_jobs(cluster)
    # It ends with a Snakemake on its own node, not with the one that was started here.
    watched = int(under_way.environ()[notebooks.WATCHED])
    assert watched in [parent.pid for parent in under_way.parents()] and watched != killed.pid
    for process in [*psutil.Process(killed.pid).children(recursive=True), killed]:
        process.kill()
    killed.communicate()
    assert list(running_jobs(cluster)) == [left]

    cancelled = subprocess.Popen(**call)
    assert until(lambda: running_jobs(cluster).keys() - {left} and notebook(), cancelled, every=0.5)
    (job,) = running_jobs(cluster)
    subprocess.run(["scancel", job], env=cluster, check=True)
    output, _ = cancelled.communicate(timeout=PATIENCE)
    assert cancelled.returncode != 0
    assert f"Cancelling job {left}, which an earlier run left behind." in output.splitlines()
    logs = "runs/slurm/rule_tradeoff_1_first_look_phantom/"
    where = f"cells so far: {place}.partial.ipynb, output: {place}.log, job: {logs}"
    assert f"failed    tradeoff_1_first_look_phantom: {where}" in output.splitlines()
    assert (folder / f"{place}.log").exists() and (folder / logs / f"{job}.log").exists()

    held.unlink()
    again = subprocess.run(**call, timeout=PATIENCE)
    assert again.returncode == 0, again.stdout[-5000:]
    assert not partial.exists()
    # That the others were made without SLURM is no reason to make them again.
    assert again.stdout.startswith("To be made at scale smoke, 1 steps")


@pytest.mark.slow
def test_the_whole_graph_comes_through_though_a_training_is_cancelled(cluster, tmp_path):
    folder = clone(tmp_path / "clone")
    # The nodes claim more than there is; four jobs at a time are enough for this machine.
    write_profile(folder / "workflow" / "profiles" / "slurm", **{"*": {"cpus_per_task": 32}})
    call = command(folder, "--profile", "slurm", environment=cluster)
    process = subprocess.Popen(**call)

    def training():
        return [job for job, rule in running_jobs(cluster).items() if rule.startswith("rule_train")][:1]

    trainings = folder / "runs" / "smoke" / "phantom" / "notebooks" / "steps" / "train"
    assert until(lambda: list(trainings.glob("*.partial.ipynb")) and training(), process, every=0.5)
    subprocess.run(["scancel", *training()], env=cluster, check=True)
    output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode != 0 and "failed    train: cells so far: " in output
    again = subprocess.run(**call, timeout=PATIENCE)
    assert again.returncode == 0, again.stdout[-5000:]
    assert missing(folder) == []
