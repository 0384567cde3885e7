"""The files of a local cluster: its configuration, keys and devices, and the SLURM commands that
its jobs use."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import stat
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cluster import Cluster

DAEMONS = "/usr/sbin"  # Debian's folder of daemons, which is not in every PATH
COMMANDS = ("srun", "sbatch", "squeue", "scancel", "scontrol", "sinfo", "sacct", "sacctmgr")


def write_files(cluster: Cluster) -> None:
    """Write slurm.conf and the files that belong to it to the folder of a cluster."""
    folder = cluster.folder
    host = host_name()
    key = folder / "etc/munge.key"
    key.touch(0o600)
    key.write_bytes(os.urandom(1024))
    devices = _devices(folder / "dev")
    (folder / "etc/gres.conf").write_text(
        "AutoDetect=off\n"
        + "".join(
            f"NodeName={node} Name=gpu Type=fake-80gb File={devices}[0-1]\n"
            for node in cluster.nodes[: cluster.gpu_nodes]
        )
    )
    if cluster.cgroups:
        (folder / "etc/cgroup.conf").write_text(
            "CgroupPlugin=cgroup/v1\n"
            "CgroupMountpoint=/sys/fs/cgroup\n"
            "CgroupAutomount=no\n"
            "ConstrainRAMSpace=yes\n"
            "ConstrainCores=no\n"
            "ConstrainDevices=no\n"
            "ConstrainSwapSpace=no\n"
        )
    common = (
        f"NodeHostname={host} NodeAddr=127.0.0.1 CPUs={cluster.cpus} Boards=1 SocketsPerBoard=1 "
        f"CoresPerSocket={cluster.cpus} ThreadsPerCore=1 RealMemory={cluster.memory} State=UNKNOWN"
    )
    nodes = [
        f"NodeName={node} {common} Port={cluster.port + 2 + i}"
        + (" Gres=gpu:fake-80gb:2" if i < cluster.gpu_nodes else "")
        for i, node in enumerate(cluster.nodes)
    ]
    limits = "MaxTime=1-0 DefaultTime=10 State=UP"
    lines = [
        "ClusterName=lab",
        f"SlurmctldHost={host}(127.0.0.1)",
        f"SlurmctldPort={cluster.port}",
        "AuthType=auth/munge",
        "CredType=cred/munge",
        f"AuthInfo=socket={folder}/run/munge.socket",
        f"SlurmUser={user()}",
        f"SlurmdUser={user()}",
        f"StateSaveLocation={folder}/state",
        f"SlurmdSpoolDir={folder}/spool/%n",
        f"SlurmctldPidFile={folder}/run/slurmctld.pid",
        f"SlurmdPidFile={folder}/run/slurmd.%n.pid",
        f"SlurmctldLogFile={folder}/log/slurmctld.log",
        f"SlurmdLogFile={folder}/log/slurmd.%n.log",
        "MailProg=/bin/true",
        "SwitchType=switch/none",
        "MpiDefault=none",
        *(
            ["ProctrackType=proctrack/cgroup", "TaskPlugin=task/cgroup"]
            if cluster.cgroups
            else [
                "ProctrackType=proctrack/linuxproc",
                "TaskPlugin=task/none",
                "JobAcctGatherParams=OverMemoryKill",
            ]
        ),
        "JobAcctGatherType=jobacct_gather/linux",
        "JobAcctGatherFrequency=task=1",
        "PropagateResourceLimits=NONE",
        "ReturnToService=2",
        "SlurmdParameters=config_overrides",
        "SelectType=select/cons_tres",
        "SelectTypeParameters=CR_Core_Memory",
        "GresTypes=gpu",
        "SchedulerType=sched/backfill",
        "SchedulerParameters=bf_interval=1,bf_continue,sched_interval=2,sched_min_interval=50000,batch_sched_delay=0,requeue_delay=1",
        *(
            [
                "AccountingStorageType=accounting_storage/slurmdbd",
                "AccountingStorageHost=127.0.0.1",
                f"AccountingStoragePort={cluster.accounts_port}",
                f"AccountingStoragePass={folder}/run/munge.socket",
            ]
            if cluster.has_accounts
            else ["AccountingStorageType=accounting_storage/none"]
        ),
        "MinJobAge=300",
        "MaxJobCount=10000",
        "KillWait=3",
        "CompleteWait=0",
        "OverTimeLimit=0",
        "InactiveLimit=0",
        "SlurmdTimeout=120",  # a busy machine answers late
        "SlurmctldTimeout=10",
        "MessageTimeout=10",
        "TCPTimeout=2",
        f"TaskProlog={folder}/bin/task_prolog",
        "PreemptType=preempt/partition_prio",
        "PreemptMode=REQUEUE",
        "JobRequeue=1",
        *nodes,
        f"PartitionName=main Nodes=ALL Default=YES PriorityTier=10 {limits}",
        f"PartitionName=gpu Nodes={','.join(cluster.nodes[: cluster.gpu_nodes])} PriorityTier=10 "
        f"{limits}",
        "PartitionName=scav Nodes=ALL PriorityTier=1 PreemptMode=REQUEUE "
        f"GraceTime={cluster.grace} {limits}",
    ]
    (folder / "etc/slurm.conf").write_text("\n".join(lines) + "\n")
    prolog = folder / "bin/task_prolog"
    prolog.write_text(
        f'#!/bin/sh\nplace={folder}/prolog/$SLURMD_NODENAME\n[ ! -f "$place" ] || . "$place"\n'
    )
    prolog.chmod(0o755)
    # Python's sleep waits until a moment of the monotonic clock, which libfaketime takes for a time
    # of day
    (folder / "clock/sitecustomize.py").write_text(
        "import select, time\ntime.sleep = lambda s: select.select((), (), (), s) and None\n"
    )
    for name in COMMANDS:  # programs in jobs use this cluster, not one of the machine
        path = folder / "bin" / name
        path.write_text(
            f'#!/bin/sh\nSLURM_CONF={folder}/etc/slurm.conf exec /usr/bin/{name} "$@"\n'
        )
        path.chmod(0o755)


def _devices(folder: Path) -> Path:
    """Two numbered character devices that stand for GPUs; SLURM only counts them."""
    try:
        for i in range(2):
            os.mknod(folder / f"gpu{i}", stat.S_IFCHR | 0o666, os.makedev(1, 3))
        return folder / "gpu"
    except PermissionError:
        return Path("/dev/tty")


def program(name: str) -> str | None:
    """The path of an installed program; None where it is not installed."""
    return shutil.which(name, path=f"{os.environ['PATH']}:{DAEMONS}")


def user() -> str:
    return pwd.getpwuid(os.getuid()).pw_name


def host_name() -> str:
    return socket.gethostname().split(".")[0]
