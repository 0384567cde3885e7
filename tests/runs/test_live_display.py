"""What a run shows, on a terminal and in a pipe: small workflows with Snakemake itself."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from checkouts import ROOT
from terminal import OnTerminal, screen

from hgm.workflow.configuration import resolve

HELD = """
import json, os, sys, time
from hgm.core.locks import hold
hold(sys.argv[1])
state = "results/made/state/coarse/key"
os.makedirs(state)
progress = {"stage": "coarse", "step": 12, "steps": 60, "rate": 2.0, "loss": 0.5}
json.dump(progress, open(f"{state}/progress.json", "w"))
time.sleep(4)
"""
HEAD = """
import json
from hgm.systems.hgm.plan import Plan
from snakemake_logger_plugin_live import watch
watch(Plan(json.load(open("config.json"))), workflow)
"""
RULE = """
rule {rule}:
    output: "results/made/{rule}.txt"
    log: "results/made/logs/{rule}.log"
    message: "{rule}"
    shell: {shell!r}
"""


class Made:
    """A workflow of shell commands with the names of our rules."""

    def __init__(self, folder: Path, **commands: str) -> None:
        self.folder = folder
        folder.mkdir()
        (folder / "held.py").write_text(HELD)
        (folder / "config.json").write_text(json.dumps(resolve({"run": "made"})))
        outputs = [f"results/made/{rule}.txt" for rule in commands]
        rules = [
            RULE.format(rule=rule, shell=f"{{{{ {command}; }}}} && touch {{output}}")
            for rule, command in commands.items()
        ]
        (folder / "Snakefile").write_text(
            f"{HEAD}\nrule all:\n    input: {outputs}\n{''.join(rules)}"
        )

    def command(self, *arguments: str) -> list[str]:
        return [
            sys.executable,
            "-m",
            "snakemake",
            "--workflow-profile",
            str(ROOT / "profiles/default"),
            "--cores",
            "1",
            *arguments,
        ]

    def piped(self, *arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )

    def on_terminal(self, *arguments: str) -> OnTerminal:
        return OnTerminal(self.command(*arguments), self.folder, PYTHONPATH=str(ROOT))


def without_times(lines: list[str]) -> list[str]:
    return [re.sub(r"\d+:\d\d:\d\d", "", line).strip() for line in lines]


def told(text: str) -> list[str]:
    """What stands there of a run besides how Snakemake found its profile."""
    return without_times([line for line in screen(text) if line and not line.startswith("Using ")])


PYTHON = shlex.quote(sys.executable)
GOOD = {
    "body_model": "echo chatter; echo noise >&2; echo mine > {log}",
    "coarse": f"{PYTHON} held.py {{log}}",
}


def test_a_terminal_shows_what_runs_and_keeps_a_line_for_each_job(tmp_path):
    run = Made(tmp_path / "made", **GOOD).on_terminal()
    assert run.end() == 0, run.text
    assert (
        "0 of 2 jobs  0:00:0" in run.text
        and "\r\n  coarse  0:00:24 left  12 of 60  2.00/s  loss 0.5\r\n" in run.text
    )
    assert "1 of 2 jobs" in run.text and "about 0:00:" in run.text
    last = told(run.text)
    assert [line[:8] for line in last[:2]] == ["1 of 2  ", "2 of 2  "] and {
        line[8:] for line in last[:2]
    } == {"body_model", "coarse"}
    assert len(last) == 3 and last[2] == "2 jobs in"
    assert "noise" not in run.text and "chatter" not in run.text


def test_a_pipe_gets_a_line_for_each_job_and_nothing_else(tmp_path):
    run = Made(tmp_path / "made", **GOOD)
    done = run.piped()
    assert done.returncode == 0 and done.stdout == "" and "\x1b" not in done.stderr
    lines = told(done.stderr)
    assert [line[:6] for line in lines] == ["1 of 2", "2 of 2"] and {
        line[8:] for line in lines
    } == {"body_model", "coarse"}
    assert "Nothing to be done" in run.piped().stderr


BAD = {
    "body_model": "echo 'on a, process 1' > {log}; echo 'error: x.png: cut off; copy it again' >> "
    "{log}; false",
    "catalogue": "echo 'Illegal instruction in a library' >&2; false",
    "record": "echo fine > {log}",
}


@pytest.mark.parametrize("terminal", [True, False])
def test_a_failure_shows_the_log_and_what_else_the_job_wrote(tmp_path, terminal):
    made = Made(tmp_path / "made", **BAD)
    if terminal:
        run = made.on_terminal("--nocolor")
        assert run.end() == 1
        lines = screen(run.text)
    else:
        done = made.piped()
        assert done.returncode == 1
        lines = done.stderr.splitlines()
    at = lines.index("failed  body_model  x.png: cut off; copy it again")
    assert lines[at + 1] == "Logfile results/made/logs/body_model.log:"
    assert lines[at + 3 : at + 5] == ["on a, process 1", "error: x.png: cut off; copy it again"]
    at = lines.index("failed  catalogue")
    assert (
        lines[at + 1].startswith("Logfile results/made/logs/catalogue.log")
        and "Illegal instruction in a library" in lines[at + 2 :]
    )
    assert any(line.startswith("1 of 3  record  0:00:") for line in lines)
    assert "At least one job did not complete successfully." in lines and any(
        line.startswith("Complete log(s): ") for line in lines
    )
    assert not any("jobs in" in line or "so far" in line for line in lines)


def test_a_slice_that_ended_is_no_failure(tmp_path):
    (tmp_path / "job.json").write_text(
        json.dumps(
            {
                "rule": "coarse",
                "input": {},
                "output": {},
                "params": {},
                "log": "results/made/logs/coarse.log",
            }
        )
    )
    (tmp_path / "ends.py").write_text(
        "from hgm.errors import SliceEnded\n"
        "from hgm.core.job import run\n"
        "def main(job):\n"
        "    raise SliceEnded('coarse: stopped at step 5 of 9, time is up')\n"
        "run(main)\n"
    )
    done = Made(
        tmp_path / "made", coarse=f"{PYTHON} {tmp_path}/ends.py {tmp_path}/job.json"
    ).piped()
    lines = done.stderr.splitlines()
    assert "stopped  coarse  coarse: stopped at step 5 of 9, time is up" in lines
    assert not any(line.startswith(("failed", "Logfile")) for line in lines)


def test_ctrl_c_leaves_the_terminal_as_it_was(tmp_path):
    made = Made(tmp_path / "made", coarse=f"{PYTHON} held.py {{log}}; sleep 60")
    run = made.on_terminal("--nocolor")
    deadline = time.monotonic() + 120
    while "12 of 60" not in run.text:
        assert run.process.poll() is None and time.monotonic() < deadline, run.text
        time.sleep(0.05)
    os.killpg(run.process.pid, signal.SIGINT)
    assert run.end() != 0
    lines = screen(run.text)
    assert "Terminating processes on user request, this might take some time." in lines
    assert not any("so far" in line for line in lines) and lines[-1] == ""
    # cursor, other screen, saved places
    assert not any(mode in run.text for mode in ("\x1b[?", "\x1b7", "\x1b[s"))


@pytest.mark.parametrize(
    "arguments",
    [
        ("--dry-run",),
        ("-n", "--quiet"),
        ("--dag",),
        ("--lint",),
        ("--summary",),
        ("--verbose",),
        ("--printshellcmds",),
    ],
)
def test_other_uses_show_what_snakemake_shows(tmp_path, arguments):
    """The same words as without the logger, but for times and what threads say in any order."""
    made = Made(tmp_path / "made", record="true")

    def words(output: str) -> set[str]:
        changing = (
            "rofile",
            "Complete log",
            "Elapsed",
            "tmp",
            "Date",
            "Workflow ID",
            "--logger",
            "limits",
            "[",
            "ommand",
        )
        return {line for line in output.splitlines() if not any(sign in line for sign in changing)}

    ours = made.piped(*arguments)
    (made.folder / "results/made/record.txt").unlink(missing_ok=True)
    shutil.rmtree(made.folder / ".snakemake", ignore_errors=True)
    plain = made.folder / "profile.yaml"
    plain.write_text(
        (ROOT / "profiles/default/profile.yaml").read_text().split("?if find_spec")[0]
        + "quiet: [rules, host]\n"
    )
    command = made.command(*arguments)
    command[command.index("--workflow-profile") + 1] = str(plain)
    theirs = subprocess.run(
        command,
        cwd=made.folder,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert ours.returncode == theirs.returncode
    assert words(ours.stdout) == words(theirs.stdout) and words(ours.stderr) == words(theirs.stderr)
    assert ours.stdout + ours.stderr != ""


def test_starting_a_job_stays_quick():
    """Each job starts Snakemake again, which imports every logger it finds; of the package, only
    where caches lie."""
    code = (
        "import sys; before = set(sys.modules); import snakemake_logger_plugin_live; "
        "print(sorted(set(sys.modules) - before))"
    )
    loaded = subprocess.run(
        [
            sys.executable,
            "-c",
            "import snakemake_interface_logger_plugins.base, tempfile, threading\n" + code,
        ],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    ).stdout
    assert (
        set(re.findall(r"'(hgm[\w.]*)'", loaded))
        == {"hgm", "hgm.core", "hgm.core.caches", "hgm.core.checkout"}
        and "snakemake." not in loaded
    )
