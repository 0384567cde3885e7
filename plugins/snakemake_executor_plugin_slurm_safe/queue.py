"""SLURM's own commands, without a shell: submit, list, cancel and release the jobs of one name."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

SECONDS = 120.0  # timeout of one command; a busy controller is slow
UNREACHABLE = re.compile(
    r"unable to contact|socket timed out|connection refused|zero bytes|communication|"
    r"temporarily|timed out|transport endpoint|could not establish a configuration|"
    r"slurmctld.*(?:down|not respond)|protocol authentication error|munge",
    re.IGNORECASE,
)
ENDED = {
    "BOOT_FAIL",
    "CANCELLED",
    "COMPLETED",
    "DEADLINE",
    "FAILED",
    "NODE_FAIL",
    "OUT_OF_MEMORY",
    "PREEMPTED",
    "REVOKED",
    "SPECIAL_EXIT",
    "TIMEOUT",
}
FIELDS = "%i|%T|%r|%k"  # id, state, reason, comment
FAILED_LAUNCH = "launch failed requeued held"


class Refused(Exception):
    """SLURM answered with an error."""


class Unreachable(Exception):
    """SLURM did not answer."""


@dataclass(frozen=True)
class Entry:
    """One job as the queue lists it; `comment` is `<name> <product> <content>` of `identity`."""

    job_id: str
    state: str
    reason: str
    comment: str

    @property
    def ended(self) -> bool:
        return self.state in ENDED

    @property
    def product(self) -> str:
        return self._part(1)

    @property
    def content(self) -> str:
        return self._part(2)

    def _part(self, index: int) -> str:
        parts = self.comment.split(" ")
        return parts[index] if len(parts) == 3 else ""  # a job of another program

    @property
    def held_by_failed_launch(self) -> bool:
        """Whether SLURM holds the job: a controller that was killed and restarted had forgotten
        that the job was launched, and its second launch failed."""
        return self.state == "PENDING" and FAILED_LAUNCH in self.reason


def command(arguments: Sequence[str], text: str | None = None) -> str:
    """Standard output of a SLURM command. Raises Unreachable where the controller does not answer,
    and Refused for any other failure."""
    try:
        done = subprocess.run(
            list(arguments), input=text, capture_output=True, text=True, timeout=SECONDS
        )
    except subprocess.TimeoutExpired:
        raise Unreachable(f"{arguments[0]}: no answer within {SECONDS:.0f} s") from None
    except FileNotFoundError:
        raise Refused(
            f"{arguments[0]}: no such command; is this a machine of the cluster?"
        ) from None
    if done.returncode == 0:
        return done.stdout
    said = " ".join(done.stderr.split()) or f"exit status {done.returncode}"
    raise (Unreachable if UNREACHABLE.search(said) else Refused)(f"{arguments[0]}: {said}")


def submit(arguments: Sequence[str], script: str) -> str:
    """The id of a new job. `arguments` are sbatch's options, `script` the batch script."""
    out = command(["sbatch", *arguments], script).strip()
    job_id = out.splitlines()[-1].split(";")[0] if out else ""
    if not job_id.isdigit():
        raise Refused(f"sbatch: expected a job id, got {out!r}")
    return job_id


def entries(name: str) -> list[Entry]:
    """The user's jobs with a name: waiting, running and recently ended."""
    lines = command(
        ["squeue", "--me", "--noheader", "--states=all", f"--name={name}", f"--format={FIELDS}"]
    ).splitlines()
    return [Entry(*line.split("|", 3)) for line in lines if line.count("|") >= 3]


def offered_gres() -> list[str]:
    """The generic resources of each kind of node, `gpu:a100:4,shard:8`; empty texts for nodes
    without any."""
    lines = command(["sinfo", "--all", "--noheader", "--format=%G"]).splitlines()
    return ["" if line.strip() == "(null)" else line.strip() for line in lines]


def cancel(which: Sequence[str]) -> None:
    """Cancel jobs by their ids, or by the arguments `--name`, `<name>`."""
    command(["scancel", "--me", *which])


def release(job_id: str) -> None:
    """Release a held job, so that it starts."""
    command(["scontrol", "release", job_id])


def has_accounts() -> bool:
    """Whether SLURM keeps accounts of what jobs used."""
    try:
        command(["sacct", "--noheader", "--jobs=1"])
    except (Refused, Unreachable):
        return False
    return True
