"""What a run shows while Snakemake works: a line for each finished job, the log of a failed one,
and on a terminal the progress of the running ones.

`--logger live` (profiles/default). A dry run, `--lint`, `--dag` and the like, and a run with
`--verbose` or `--printshellcmds` show Snakemake's own messages. Every job starts Snakemake again,
which imports this file, so it imports little.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import traceback
from logging import INFO, WARNING, LogRecord
from typing import IO, TYPE_CHECKING, Any

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

from hgm.core import caches

if TYPE_CHECKING:
    from hgm.workflow.live import LiveRun, Started
    from hgm.workflow.plan import Plan

# beginnings of those of Snakemake's own messages that are shown while jobs run
TOLD = ("Terminating", "Will exit", "Trying to restart", "Exiting because")
LAST = 20  # lines shown of what a job wrote to stdout and stderr
ROOM = 8  # lines for running jobs

_watched: list[tuple[Plan, Any]] = []

# here, since Snakemake imports its plugins and makes its cache before it reads the Snakefile
caches.settle()


def watch(plan: Plan, workflow: Any) -> None:
    """Called by the Snakefile: hands over the run's plan and Snakemake's workflow, which the
    display needs."""
    _watched[:] = [(plan, workflow)]


class Taken:
    """Redirects what this process and its child processes write to stdout or stderr into a
    temporary file."""

    def __init__(self, stream: IO[str], descriptor: int) -> None:
        self.stream = stream
        self.descriptor = descriptor
        self.file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - until `give_back`
        stream.flush()
        self.before = os.dup(descriptor)
        os.dup2(self.file.fileno(), descriptor)

    def text(self) -> str:
        """What was written."""
        return os.pread(self.file.fileno(), os.fstat(self.file.fileno()).st_size, 0).decode(
            errors="replace"
        )

    def give_back(self, *, passed_on: bool) -> None:
        """End the redirection. passed_on: write what was redirected to the original stream."""
        self.stream.flush()
        os.dup2(self.before, self.descriptor)
        os.close(self.before)
        if passed_on:
            self.stream.write(self.text())
            self.stream.flush()
        self.file.close()


class LogHandler(LogHandlerBase):
    """Shows Snakemake's own messages until it begins to run jobs, and the live display from then
    on."""

    def __post_init__(self) -> None:
        settings = self.common_settings
        quiet = {str(getattr(q, "value", q)).lower() for q in settings.quiet or ()}
        self.ours = not (
            settings.dryrun
            or settings.verbose
            or settings.debug_dag
            or settings.printshellcmds
            or "all" in quiet
        )
        if not self.ours:
            return
        from snakemake.logging import ColorizingTextHandler, DefaultFilter, DefaultFormatter

        from snakemake_logger_plugin_live.screen import Screen

        self.stream: IO[str] = os.fdopen(os.dup(2), "w")
        self.screen = Screen(self.stream)
        # otherwise the output of jobs would run across the display
        self.taken = [Taken(sys.stdout, 1), Taken(sys.stderr, 2)]
        self.words = ColorizingTextHandler(nocolor=settings.nocolor, stream=self.stream)
        self.words.setFormatter(DefaultFormatter(settings.quiet, settings.show_failed_logs))
        self.usual = DefaultFilter(
            settings.quiet,
            settings.debug_dag,
            settings.verbose,
            settings.dryrun,
            settings.printshellcmds,
        )
        self.held: list[LogRecord] = []  # messages before the first job: shown unless jobs follow
        self.run: LiveRun | None = None
        self.failed = False
        self.told: tuple[str, ...] = TOLD
        self.ended = threading.Event()
        self.painter = threading.Thread(target=self._paint, daemon=True)

    @property
    def writes_to_stream(self) -> bool:
        return self.ours

    @property
    def writes_to_file(self) -> bool:
        return False

    @property
    def has_filter(self) -> bool:
        return True

    @property
    def has_formatter(self) -> bool:
        return True

    @property
    def needs_rulegraph(self) -> bool:
        return False

    def emit(self, record: LogRecord) -> None:
        if not self.ours:
            return
        try:
            if self.run is None:
                self._before(record)
            else:
                self._during(record, self.run)
        except Exception:  # to the screen, since standard error is redirected
            self.screen.tell(traceback.format_exc())

    def _before(self, record: LogRecord) -> None:
        if getattr(record, "event", None) == LogEvent.RUN_INFO:
            self.held.clear()
            self._begin(record.__dict__["stats"])
        elif record.levelno >= WARNING:
            self._release()
            self._say(record)
        else:
            self.held.append(record)
            text = (
                self.words.format(record)
                if self.usual.filter(record) and record.levelno == INFO
                else ""
            )
            if text:
                self.screen.show([text.strip().splitlines()[0]])

    def _begin(self, counts: dict[str, Any]) -> None:
        from hgm.core.run_folder import RESULTS, RunFolder
        from hgm.workflow.dag import read_dag
        from hgm.workflow.forecast import read_figures
        from hgm.workflow.jobs import jobs_of
        from hgm.workflow.live import LiveRun

        to_do = {rule: int(n) for rule, n in counts.items() if rule != "total"}
        if not _watched:
            self.run = LiveRun(to_do, None)
            self.painter.start()
            return
        plan, workflow = _watched[0]
        jobs = jobs_of(plan, read_dag(workflow, RunFolder.named(plan.config["run"])))
        self.run = LiveRun(to_do, jobs)
        self.painter.start()
        self.run.learn(plan, read_figures(RESULTS))

    def _during(self, record: LogRecord, run: LiveRun) -> None:
        event = getattr(record, "event", None)
        data = record.__dict__
        if event == LogEvent.JOB_INFO:
            run.begin(data["jobid"], data["rule_name"], next(iter(data["log"] or []), None))
        elif event == LogEvent.JOB_FINISHED:
            line = run.finish(data["job_id"])
            if line is not None:
                self.screen.tell(line)
        elif event == LogEvent.JOB_ERROR:
            self._tell_failure(record, run.fail(data["jobid"]))
        elif (
            event == LogEvent.ERROR
            and data["exception"] == "RuleException"
            and "CalledProcessError" in str(record.msg)
        ):
            return  # a failed script, whose log is shown
        elif record.levelno >= WARNING or (event is None and str(record.msg).startswith(self.told)):
            self._say(record)
        self._draw()

    def _tell_failure(self, record: LogRecord, one: Started | None) -> None:
        from hgm.core.run_folder import RunFolder
        from hgm.workflow.status import look

        data = record.__dict__
        name = data["rule_name"] if one is None else one.name
        seen = (
            None
            if one is None or one.job is None or one.log is None
            else look(one.job, RunFolder.of_log(one.log).path)
        )
        if (
            seen is not None
            and seen.state == "stopped"
            and not seen.note.startswith("ended without")
        ):
            self.screen.tell(f"stopped  {name}  {seen.note}")
            return
        self.failed = True
        self.told = (*TOLD, "Complete log(s)")
        lines = [f"failed  {name}{f'  {seen.note}' if seen is not None and seen.note else ''}"]
        if self.common_settings.show_failed_logs:
            from snakemake.logging import show_logs

            lines += [line for path in data["log"] for line in show_logs([path])]
        if seen is None or seen.state != "failed":
            lines += [data["rule_msg"]] if data["rule_msg"] else []
            lines += [line for taken in self.taken for line in taken.text().splitlines()[-LAST:]]
        self.screen.tell("\n".join(lines))

    def _say(self, record: LogRecord) -> None:
        """Show a record with Snakemake's own text and colors."""
        text = self.words.format(record)
        if text and text != "None":
            self.screen.tell(self.words.decorate(record, text))

    def _release(self) -> None:
        self.screen.show([])
        for record in self.held:
            if self.usual.filter(record):
                self._say(record)
        self.held.clear()

    def _paint(self) -> None:
        while self.screen.live and not self.ended.wait(1.0):
            self.acquire()
            try:
                self._draw()
            except Exception:
                self.screen.tell(traceback.format_exc())
                return
            finally:
                self.release()

    def _draw(self) -> None:
        if self.run is not None and self.screen.live and not self.ended.is_set():
            self.screen.show(self.run.lines(min(ROOM, self.screen.size()[1] - 3)))

    def close(self) -> None:
        if self.ours and not self.ended.is_set():
            self.ended.set()
            if self.painter.is_alive():
                self.painter.join()
            try:
                self._release()
                if (
                    self.run is not None
                    and self.screen.live
                    and not self.failed
                    and self.run.done == self.run.total
                ):
                    self.screen.tell(self.run.summary())
            finally:
                for taken in self.taken:
                    taken.give_back(passed_on=self.run is None)
            self.stream.close()
        super().close()
