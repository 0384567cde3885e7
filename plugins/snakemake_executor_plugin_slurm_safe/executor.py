"""The executor: submits SLURM jobs, watches them, and adopts those of an earlier head process."""

import asyncio
import contextlib
import hashlib
import os
import shlex
import sys
import threading
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

import snakemake_executor_plugin_slurm as slurm
from snakemake_executor_plugin_slurm.submit_string import get_submit_command
from snakemake_executor_plugin_slurm.utils import get_job_wildcards, set_gres_string
from snakemake_executor_plugin_slurm.validation import validate_slurm_extra
from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.executors.real import RealExecutor
from snakemake_interface_executor_plugins.utils import format_cli_arg

from snakemake_executor_plugin_slurm_safe.efficiency import accounts, write_report
from snakemake_executor_plugin_slurm_safe.identity import Identity, identity
from snakemake_executor_plugin_slurm_safe.queue import (
    Entry,
    Refused,
    Unreachable,
    cancel,
    entries,
    has_accounts,
    offered_gres,
    release,
    submit,
)
from snakemake_executor_plugin_slurm_safe.site import GRES, lacking_gres, read_site, request

common_settings = slurm.common_settings
# seconds between two signs of life of a job (its .alive file), and without any until it counts as
# dead
BEAT = 20
SILENCE = 120
PAUSE = 10.0  # seconds between two attempts to submit to a controller that does not answer


def _absolute(path: str) -> Path:
    """The absolute path of one given relative to the folder where Snakemake was started, before it
    changes to --directory."""
    return Path(os.path.expandvars(path)).expanduser().absolute()


@dataclass
class ExecutorSettings(slurm.ExecutorSettings):
    # Snakemake calls the type to parse a value, and `X | None` cannot be called
    site: Optional[Path] = field(  # noqa: UP045
        default=None,
        metadata={
            "help": "YAML file of the cluster: partition, account, qos, constraint and gres of "
            "CPU and of GPU jobs.",
            "parse_func": _absolute,
            "unparse_func": str,
        },
    )
    patience: Optional[int] = field(  # noqa: UP045
        default=60,
        metadata={
            "help": "Minutes for which a submission is tried again while the controller does not "
            "answer."
        },
    )


PATTERNS = ("%", "\\")  # what SLURM does not take as it stands in the path of a log


class Executor(slurm.Executor):
    """Submits, watches and adopts the SLURM jobs of one working folder."""

    def __post_init__(self, test_mode: bool = False) -> None:
        super().__post_init__(test_mode)
        if found := [sign for sign in PATTERNS if sign in os.getcwd()]:
            raise WorkflowError(
                f"{os.getcwd()!r}: SLURM takes {found[0]} in the path of a log for a pattern; move "
                "to a folder without it"
            )
        prefix = self.workflow.executor_settings.jobname_prefix or "snakemake"
        # one name for all head processes of a folder, so that each finds the jobs of those before
        # it
        self.run_uuid = f"{prefix}_{hashlib.sha256(os.fsencode(os.getcwd())).hexdigest()[:12]}"
        self.logger.info(f"SLURM jobs of this folder are named {self.run_uuid}.")
        wanted = self.workflow.executor_settings.efficiency_report
        # the plugin's own report counts steps of srun, which these jobs do not have
        self.workflow.executor_settings.efficiency_report = False
        self._reports = bool(wanted) and has_accounts()
        if wanted and not self._reports:
            self.logger.info("SLURM keeps no accounts here (sacct): no efficiency report.")
        self._site = read_site(self.workflow.executor_settings.site)
        self._check_gpus()
        self._leftovers: dict[str, Entry] | None = None
        self._submitting = threading.Lock()
        self._stopping = threading.Event()
        self._gone: dict[str, float] = {}  # job id -> when the queue first did not list it
        self._names: dict[str, str] = {}  # job id -> what the job makes
        self._silent = False

    def _check_gpus(self) -> None:
        """Raises WorkflowError with one line, before anything runs, where sbatch would refuse every
        GPU job."""
        if not any(job.resources.get("gpu") for job in self.workflow.dag.needrun_jobs()):
            return
        try:
            lacking = lacking_gres(self._site, offered_gres())
        except (Refused, Unreachable):
            return  # then SLURM decides at submission
        if lacking is not None:
            place = self.workflow.executor_settings.site or "the site file (--slurm-safe-site)"
            raise WorkflowError(
                f"{place}: gpu: gres: {lacking}: no node of this cluster has such a GRES (sinfo "
                "--format='%P %G'); name one that is listed, or set gres: null where jobs get "
                "their GPU otherwise, or no GPU at all"
            )

    # what a job runs: one Snakemake in the batch step

    def additional_general_args(self) -> str:
        return "--quiet host rules progress"

    def get_python_executable(self) -> str:
        return shlex.quote(sys.executable)

    def get_job_args(self, job: Any, **kwargs: Any) -> str:
        # files to wait for by name, never in the head's temporary folder: a job outlives its head
        return (
            f"{RealExecutor.get_job_args(self, job, **kwargs)} "
            f"{format_cli_arg('--wait-for-files', job.get_wait_for_files())}"
        )

    # submission

    def run_jobs(self, jobs: list[Any]) -> None:
        """Log which jobs begin, which the plugin does not, and submit them."""
        for job in jobs:
            self.run_job_pre(job)
        super().run_jobs(jobs)

    def run_job(self, job: Any) -> None:
        """Submit one job, or adopt it where an earlier head process submitted it; runs in a thread
        of its own."""
        try:
            with self._submitting:
                key = identity(job)
                info = self._adopted(job, key) or self._submitted(job, key)
        except Exception as error:
            self._report_job_error_threadsafe(SubmittedJobInfo(job), msg=f"SLURM: {error}")
            return
        if info is not None:
            self._names[info.external_jobid] = key.name
            self._report_job_submission_threadsafe(info)

    def _adopted(self, job: Any, key: Identity) -> SubmittedJobInfo | None:
        if self._leftovers is None:
            self._leftovers = {
                e.product: e
                for e in self._until_reached(lambda: entries(self.run_uuid)) or ()
                if not e.ended
            }
        left = self._leftovers.pop(key.product, None)
        if left is None:
            return None
        if left.content != key.content:
            self.logger.warning(
                f"SLURM job {left.job_id} of an earlier run makes the same from other inputs or "
                "parameters: cancelled."
            )
            self._ask(cancel, [left.job_id])
            return None
        self.logger.warning(f"{job.name} goes on as SLURM job {left.job_id} of an earlier run.")
        return SubmittedJobInfo(
            job, external_jobid=left.job_id, aux={"slurm_logfile": self._log(job, left.job_id)}
        )

    def _submitted(self, job: Any, key: Identity) -> SubmittedJobInfo | None:
        wanted = request(job, self._site)
        validate_slurm_extra(wanted)
        log = self._log(job, "%j")
        log.parent.mkdir(parents=True, exist_ok=True)
        comment = str(key)
        command = get_submit_command(
            wanted,
            {
                "run_uuid": self.run_uuid,
                "slurm_logfile": os.path.relpath(log),
                "comment_str": comment,
                "account": f"-A {shlex.quote(str(wanted.resources['slurm_account']))}"
                if wanted.resources.get("slurm_account")
                else "",
                "partition": self.get_partition_arg(wanted),
                "workdir": self.workflow.workdir_init,
            },
            settings=self.workflow.executor_settings,
            failed_nodes=self._failed_nodes,
        )
        gres = wanted.resources.pop(GRES, None)  # the plugin refuses names of models with a hyphen
        arguments = [
            *shlex.split(command + set_gres_string(wanted))[1:],
            *([f"--gres={gres}"] if gres else []),
        ]
        place = f"{shlex.quote(os.path.relpath(log.parent))}/$SLURM_JOB_ID"
        script = "\n".join(
            [
                "#!/bin/sh",
                f"(while kill -0 $$ 2>/dev/null; do touch {place}.alive; sleep {BEAT}; done) &",
                self.format_job_exec(job),
                "code=$?",
                f"echo $code > {place}.part && mv {place}.part {place}.status",
                "exit $code",
                "",
            ]
        )

        tried = False

        def once() -> str:
            nonlocal tried
            # a lost answer does not mean a lost job: the submission may have arrived
            there = (
                [e.job_id for e in entries(self.run_uuid) if e.comment == comment and not e.ended]
                if tried
                else []
            )
            tried = True
            return there[0] if there else submit(arguments, script)

        job_id = self._until_reached(once)
        if job_id is None:
            return None
        self.logger.info(
            f"Job {job.jobid} is SLURM job {job_id} (log: "
            f"{os.path.relpath(self._log(job, job_id))})."
        )
        return SubmittedJobInfo(
            job, external_jobid=job_id, aux={"slurm_logfile": self._log(job, job_id)}
        )

    def _until_reached(self, action: Any) -> Any:
        """The action's result, tried again while the controller does not answer; None when this run
        is stopped meanwhile. Raises Refused after `patience` minutes."""
        until = time.monotonic() + 60 * self.workflow.executor_settings.patience
        said = False
        while not self._stopping.is_set():
            try:
                return action()
            except Unreachable as error:
                if time.monotonic() > until:
                    raise Refused(
                        f"no answer for {self.workflow.executor_settings.patience} minutes: {error}"
                    ) from None
                if not said:
                    self.logger.warning(
                        f"SLURM does not answer ({error}); trying again every {PAUSE:.0f} s."
                    )
                    said = True
                self._stopping.wait(PAUSE)
        return None

    def _log(self, job: Any, job_id: str) -> Path:
        return (
            Path(self.slurm_logdir) / f"rule_{job.name}" / get_job_wildcards(job) / f"{job_id}.log"
        )

    # watching

    @property
    def next_seconds_between_status_checks(self) -> int:
        """A constant interval, since one command asks for all jobs."""
        return int(self.workflow.executor_settings.init_seconds_before_status_checks)

    @next_seconds_between_status_checks.setter
    def next_seconds_between_status_checks(self, value: float) -> None:
        """The plugin's growing interval is not used."""

    async def sleep(self) -> None:
        until = time.monotonic() + self.next_seconds_between_status_checks
        while self.wait and time.monotonic() < until:
            await asyncio.sleep(0.5)

    async def check_active_jobs(
        self, active_jobs: list[SubmittedJobInfo]
    ) -> AsyncGenerator[SubmittedJobInfo, None]:
        """Report the jobs that ended and yield the others."""
        if not active_jobs:
            return
        try:
            queue = {e.job_id: e for e in await asyncio.to_thread(entries, self.run_uuid)}
        except (Refused, Unreachable) as error:
            if not self._silent:
                self.logger.warning(
                    f"SLURM does not answer ({error}); all jobs are kept and asked for again."
                )
            queue = None
        self._silent = queue is None
        for info in active_jobs:
            outcome = self._outcome(info, queue)
            if outcome is None:
                yield info
                continue
            self._gone.pop(info.external_jobid, None)
            log = info.aux["slurm_logfile"]
            for suffix in (".status", ".alive"):
                log.with_suffix(suffix).unlink(missing_ok=True)
            if outcome == "":
                self.report_job_success(info)
                if not self.workflow.executor_settings.keep_successful_logs:
                    log.unlink(missing_ok=True)
            else:
                self.logger.warning(
                    f"SLURM job {info.external_jobid} ({info.job.name}): {outcome}."
                )
                self.report_job_error(
                    info, msg=f"SLURM job {info.external_jobid}: {outcome}. ", aux_logs=[str(log)]
                )

    def _outcome(self, info: SubmittedJobInfo, queue: dict[str, Entry] | None) -> str | None:
        """The outcome of a job: an empty text for success, the reason of a failure, None while it
        runs or its state is unknown."""
        entry = None if queue is None else queue.get(info.external_jobid)
        # the first launch of a held job may still be running
        held = entry is not None and entry.held_by_failed_launch
        # a job stays COMPLETING for minutes where a daemon is lost
        unclear = held or (entry is not None and entry.state == "COMPLETING")
        if entry is not None and not entry.ended and not unclear:
            self._gone.pop(info.external_jobid, None)
            return None
        if entry is not None and not unclear:
            return "" if entry.state == "COMPLETED" else entry.state
        # the job itself writes its exit status, so the end is known even when SLURM has forgotten
        # the job
        try:
            code = info.aux["slurm_logfile"].with_suffix(".status").read_text().strip()
            if held:
                self._ask(cancel, [info.external_jobid])
            return "" if code == "0" else f"FAILED (exit status {code})"
        except OSError:
            pass
        if held and not self._alive(info):
            self.logger.warning(
                f"SLURM holds job {info.external_jobid} back after a failed launch: released."
            )
            self._ask(release, info.external_jobid)
        if queue is None or unclear:
            return None
        gone = self._gone.setdefault(info.external_jobid, time.monotonic())
        if time.monotonic() - gone < self.workflow.execution_settings.latency_wait:
            return None
        return "ended without a word, SLURM does not know it any more"

    def _ask(self, order: Any, what: Any) -> None:
        with contextlib.suppress(Refused, Unreachable):  # the next check tries again
            order(what)

    def _alive(self, info: SubmittedJobInfo) -> bool:
        try:
            return (
                time.time() - info.aux["slurm_logfile"].with_suffix(".alive").stat().st_mtime
                < SILENCE
            )
        except OSError:
            return False

    # the end

    def shutdown(self) -> None:
        """Wait for submissions in progress, then write the efficiency report."""
        super().shutdown()
        if not self._reports or not self._names:
            return
        path = (
            Path(self.workflow.executor_settings.efficiency_report_path or ".")
            / f"efficiency_report_{self.run_uuid}.csv"
        )
        try:
            count = write_report(path, accounts(self._names))
            self.logger.info(f"What {count} SLURM jobs asked for and used: {path}")
        except (Refused, Unreachable, OSError) as error:
            self.logger.warning(f"No efficiency report: {error}")

    def cancel(self) -> None:
        self._stopping.set()
        super().cancel()

    def cancel_jobs(self, active_jobs: list[SubmittedJobInfo]) -> None:
        """Cancel all jobs of this folder with one short command, however many they are."""
        try:
            cancel(["--name", self.run_uuid])
        except (Refused, Unreachable) as error:
            self.logger.warning(f"scancel: {error}; jobs may go on. The next run finds them again.")
