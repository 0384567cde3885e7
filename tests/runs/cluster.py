"""A real SLURM with several nodes on this one machine, in a folder of its own: munge, controller
and node daemons, declared GPUs, and accounts where a database is installed."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import accounts
from cluster_files import host_name, program, user, write_files

PROGRAMS = ("slurmctld", "slurmd", "munged", "squeue")
FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)  # Debian: libfaketime
CGROUPS = [Path("/sys/fs/cgroup/freezer"), Path("/sys/fs/cgroup/memory")]


def missing() -> str:
    """Why no cluster can run here; empty where one can."""
    lacking = [name for name in PROGRAMS if program(name) is None]
    return (
        f"SLURM is not installed (no {', '.join(lacking)}; Debian: apt-get install slurm-wlm)"
        if lacking
        else ""
    )


class Cluster:
    """`nodes` nodes <name>1, <name>2, …; the first `gpu_nodes` have two GPUs each. Partitions:
    main, gpu, scav (whose jobs the other two preempt).

    Clusters that run at the same time need different names, since the kernel's control groups are
    named after the nodes.
    """

    def __init__(
        self,
        folder: Path,
        *,
        name: str = "n",
        nodes: int = 3,
        cpus: int = 4,
        memory: int = 16000,
        gpu_nodes: int = 2,
        grace: int = 2,
    ) -> None:
        self.folder = folder
        self.nodes = [f"{name}{i + 1}" for i in range(nodes)]
        self.cpus = cpus
        self.memory = memory
        self.gpu_nodes = gpu_nodes
        self.grace = grace
        self.port = _free_ports(10 + nodes)
        self.accounts_port = self.port + 2 + nodes
        self.has_accounts = accounts.available()
        self.cgroups = all(os.access(place, os.W_OK) for place in CGROUPS)
        self.daemons: dict[str, subprocess.Popen] = {}

    # life

    def start(self) -> None:
        """Raises what failed, with what the daemons said."""
        try:
            self._start()
        except Exception as error:
            for log in sorted((self.folder / "log").iterdir()):
                error.add_note(f"{log.name}: {log.read_text(errors='replace')[-1000:]}")
            raise

    def _start(self) -> None:
        for name in ("etc", "run", "log", "state", "spool", "bin", "dev", "prolog", "clock"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        write_files(self)
        socket_file = self.folder / "run/munge.socket"
        self._spawn(
            "munged",
            "munged",
            "--foreground",
            f"--socket={socket_file}",
            f"--key-file={self.folder}/etc/munge.key",
            f"--pid-file={self.folder}/run/munged.pid",
            f"--log-file={self.folder}/log/munged.log",
            f"--seed-file={self.folder}/run/munge.seed",
        )
        wait_until(socket_file.exists, "munge")
        if self.has_accounts:
            self._start_accounts()
        self.start_controller("-i")
        for node in self.nodes:
            self.start_node(node)
        wait_until(lambda: self.states() == dict.fromkeys(self.nodes, "idle"), "idle nodes")

    def stop(self) -> None:
        with contextlib.suppress(subprocess.SubprocessError, TimeoutError):
            self.slurm("scancel", "--me")
            wait_until(lambda: not self.slurm("squeue", "--noheader"), "an empty queue", 15)
        last = ("slurmctld", "slurmdbd", "mariadbd", "munged")
        for name in sorted(self.daemons, key=lambda n: last.index(n) + 1 if n in last else 0):
            self._end(name, signal.SIGTERM)
        for pid in self._step_daemons():
            _kill_tree(pid)
        for place in CGROUPS if self.cgroups else ():
            for node in self.nodes:
                for folder in sorted(place.glob(f"slurm_{node}/**/"), reverse=True):
                    with contextlib.suppress(OSError):
                        folder.rmdir()

    def _start_accounts(self) -> None:
        database_port = self.accounts_port + 1
        settings = self.folder / "etc/slurmdbd.conf"
        settings.touch(0o600)
        settings.write_text(
            accounts.settings(self.folder, user(), host_name(), self.accounts_port, database_port)
        )
        accounts.make_database(self.folder)
        self._spawn("mariadbd", "mariadbd", *accounts.database_command(self.folder, database_port))
        wait_until(lambda: _listens(database_port), "the database")
        self._spawn("slurmdbd", "slurmdbd", "-D")
        wait_until(
            lambda: self.slurm("sacctmgr", "--immediate", "add", "cluster", "lab"), "the accounts"
        )

    # questions and orders

    @property
    def environment(self) -> dict[str, str]:
        """The environment for programs that use the cluster."""
        return {
            **os.environ,
            "SLURM_CONF": f"{self.folder}/etc/slurm.conf",
            "PATH": f"{self.folder}/bin:{os.environ['PATH']}",
        }

    def slurm(self, *command: str) -> str:
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=True, timeout=60
        ).stdout.strip()

    def states(self) -> dict[str, str]:
        """State of each node."""
        lines = self.slurm(
            "sinfo", "--noheader", "--Node", "--partition=main", "--format=%N %t"
        ).splitlines()
        return dict(line.split() for line in lines)

    def jobs(self, fields: str = "%i") -> list[str]:
        """Waiting and running jobs."""
        return self.slurm("squeue", "--noheader", f"--format={fields}").splitlines()

    def kill_jobs(self) -> None:
        """Kill all processes of all jobs without warning, as a node that runs out of memory
        does."""
        for job in self.jobs():
            with contextlib.suppress(subprocess.CalledProcessError):  # it may just have ended
                self.slurm("scancel", "--signal=KILL", "--full", job)
        wait_until(lambda: not self.jobs(), "an empty queue")

    def release(self) -> None:
        """Start requeued jobs now; SLURM delays them by two minutes."""

        def started() -> bool:
            waiting = [
                line.split(maxsplit=2) for line in self.jobs("%i %T %r") if "PENDING" in line
            ]
            for job, _, reason in waiting:
                if reason == "BeginTime":
                    self.slurm("scontrol", "update", f"JobId={job}", "StartTime=now")
            return not waiting

        wait_until(started, "the start of requeued jobs", pause=4.0)

    # faults

    def start_controller(self, *options: str) -> None:
        self._spawn("slurmctld", "slurmctld", "-D", "-f", f"{self.folder}/etc/slurm.conf", *options)
        wait_until(lambda: "is UP" in self.slurm("scontrol", "ping"), "the controller")

    def kill_controller(self, *, saved: bool = True) -> None:
        """kill -9. SLURM saves its state every few seconds; with saved=False, what it did last may
        be forgotten."""
        if saved:
            self.slurm("scontrol", "reconfigure")
            time.sleep(1)
        self._end("slurmctld", signal.SIGKILL)

    def start_node(self, node: str) -> None:
        (self.folder / "spool" / node).mkdir(exist_ok=True)
        self._spawn(node, "slurmd", "-D", "-f", f"{self.folder}/etc/slurm.conf", "-N", node)

    def mend(self) -> None:
        """Restore an idle cluster: no jobs, all daemons running, no drained node."""
        if "slurmctld" not in self.daemons:
            self.start_controller()
        self.slurm("scancel", "--me")
        for node in self.nodes:
            if node not in self.daemons:
                self.start_node(node)

        def whole() -> bool:
            for node, state in self.states().items():
                if state not in ("idle", "mix", "alloc", "comp"):
                    subprocess.run(
                        ["scontrol", "update", f"NodeName={node}", "State=RESUME"],
                        env=self.environment,
                        capture_output=True,
                    )
            return not self.jobs() and set(self.states().values()) == {"idle"}

        wait_until(whole, "an idle cluster", pause=0.5)

    def kill_slurmd(self, node: str) -> None:
        """Kill only the daemon; jobs of the node continue."""
        self._end(node, signal.SIGKILL)

    def power_off(self, node: str) -> None:
        """Kill the daemon and everything that works on the node; SLURM is informed at once."""
        self._end(node, signal.SIGKILL)
        for pid in self._step_daemons(node):
            _kill_tree(pid)
        self.slurm("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=power")

    def clock_off(self, node: str, seconds: int) -> None:
        """Jobs on a node see a clock that is off by so many seconds, and stamp files with it. 0
        undoes it."""
        place = self.folder / f"prolog/{node}"
        place.write_text(
            f'echo "export LD_PRELOAD={FAKETIME}"\necho "export FAKETIME={seconds:+d}"\n'
            'echo "export FAKETIME_DONT_FAKE_MONOTONIC=1"\n'
            f'echo "export PYTHONPATH={self.folder}/clock:$PYTHONPATH"\n'
            if seconds
            else ""
        )

    # inside

    def _spawn(self, name: str, daemon: str, *arguments: str) -> None:
        with open(self.folder / f"log/{name}.out", "ab") as log:
            self.daemons[name] = subprocess.Popen(
                [program(daemon), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "SLURM_CONF": f"{self.folder}/etc/slurm.conf"},
                start_new_session=True,
            )

    def _end(self, name: str, sign: signal.Signals) -> None:
        process = self.daemons.pop(name, None)
        if process is None:
            return
        process.send_signal(sign)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _step_daemons(self, node: str = "") -> list[int]:
        """Process ids of the step daemons of a node, or of all nodes: those that hold a socket in
        its spool folder."""
        place = f"{self.folder}/spool/{node}{'/' if node else ''}"
        lines = [line.split() for line in Path("/proc/net/unix").read_text().splitlines()[1:]]
        sockets = {
            f"socket:[{line[6]}]" for line in lines if len(line) > 7 and line[7].startswith(place)
        }
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if (process / "comm").read_text().strip() == "slurmstepd" and sockets & {
                    os.readlink(fd) for fd in (process / "fd").iterdir()
                }:
                    found.append(int(process.name))
        return found


def _kill_tree(pid: int) -> None:
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in children.read_text().split():
                _kill_tree(int(child))
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def _free_ports(count: int) -> int:
    """The first of `count` consecutive ports on which nothing listens."""
    for _ in range(100):
        first = random.randrange(20000, 30000)
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            for port in range(first, first + count):
                stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
            return first
    raise RuntimeError("no free ports")


def wait_until(
    true: Callable[[], object],
    what: str | Callable[[], str],
    seconds: float = 300.0,
    pause: float = 0.1,
) -> None:
    """Wait for a condition, by default as long as a very busy machine may need. Raises TimeoutError
    with `what` in its message."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with contextlib.suppress(subprocess.SubprocessError):
            if true():
                return
        time.sleep(pause)
    what = what if isinstance(what, str) else what()
    raise TimeoutError(f"{what} did not come within {seconds:.0f} s")
