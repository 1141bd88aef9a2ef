"""A real SLURM of two nodes on this machine, for tests: own configuration, key, sockets and ports, no service."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel", "scontrol")
PATIENCE = 120
"""Seconds after which something that takes one or two counts as hanging."""

# Each node claims more than the machine has (config_overrides), so that jobs fit that ask for what clusters have.
# Its GPUs are files that nobody opens. A training over nodes meets at the first, by name, which
# must lead there. Jobs that are preempted, or put back, may start again after cred_expire seconds.
CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerParameters=sched_interval=2,bf_interval=2
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
KillWait=5
ReturnToService=2
SlurmdParameters=config_overrides
GresTypes=gpu
NodeName=DEFAULT CPUs=64 RealMemory=1000000 Gres=gpu:4 State=UNKNOWN
NodeName={host} NodeHostname={host} NodeAddr=127.0.0.1 Port={one_port}
NodeName={host}-two NodeHostname={host} NodeAddr=127.0.0.1 Port={two_port}
PartitionName=usual Nodes=ALL Default=YES PriorityTier=1 MaxTime=INFINITE State=UP
PartitionName=urgent Nodes=ALL PriorityTier=9 MaxTime=INFINITE State=UP
"""
GPUS = "Name=gpu File=/dev/tty[0-3]\n"


def missing_programs() -> list[str]:
    """What of SLURM and munge is not installed here."""
    # Debian keeps the services where only root looks.
    return [name for name in PROGRAMS if not shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")]


def host_name() -> str:
    """What this machine is called, short, as SLURM wants it."""
    return socket.gethostname().split(".")[0]


@contextlib.contextmanager
def running_cluster() -> Iterator[Mapping[str, str]]:
    """Start munge, the controller and two nodes; yield the environment in which ``sbatch`` and the others find them."""
    # Not below pytest's folder: munge wants a folder that others may enter, and a socket's path must be short.
    with tempfile.TemporaryDirectory(prefix="slurm-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "state").mkdir()
        (folder / "munge.key").write_bytes(os.urandom(128))
        (folder / "munge.key").chmod(0o600)
        host = host_name()
        ports = dict(zip(("controller_port", "one_port", "two_port"), _free_ports(3), strict=True))
        settings = CONFIGURATION.format(folder=folder, host=host, user=getpass.getuser(), **ports)
        (folder / "slurm.conf").write_text(settings)
        (folder / "gres.conf").write_text(GPUS)
        own = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM", "SBATCH", "SRUN"))}
        # Within a job Snakemake's plugin hides all that is called SLURM_, and so where this cluster is.
        (folder / "bin").mkdir()
        for client in ("srun", "squeue", "scontrol"):
            wrapper = folder / "bin" / client
            wrapper.write_text(f'#!/bin/sh\nSLURM_CONF={folder}/slurm.conf exec {shutil.which(client)} "$@"\n')
            wrapper.chmod(0o755)
        path = f"{folder}/bin:{own['PATH']}:/usr/sbin:/sbin"
        environment = {**own, "PATH": path, "SLURM_CONF": str(folder / "slurm.conf")}

        def start(*call: str) -> None:
            log = stack.enter_context((folder / f"{call[0]}-{call[-1]}.log".replace("/", "-")).open("w"))
            process = subprocess.Popen(call, env=environment, stdout=log, stderr=log)
            stack.callback(process.wait, PATIENCE)
            stack.callback(process.terminate)

        files = {"key-file": "munge.key", "socket": "munge.socket", "pid-file": "munge.pid", "seed-file": "munge.seed"}
        start("munged", "--foreground", *(f"--{option}={folder / file}" for option, file in files.items()))
        _until((folder / "munge.socket").exists, folder)
        start("slurmctld", "-D", "-c")
        start("slurmd", "-D", "-N", host)
        start("slurmd", "-D", "-N", f"{host}-two")
        idle = ["sinfo", "--noheader", "--format=%T", "--partition=usual"]
        _until(lambda: subprocess.run(idle, env=environment, capture_output=True, text=True).stdout == "idle\n", folder)
        stack.callback(subprocess.run, ["scancel", "--user", getpass.getuser()], env=environment)
        yield environment


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _until(condition, folder: Path) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("\n".join(path.read_text()[-2000:] for path in sorted(folder.glob("*.log"))))
        time.sleep(0.1)
