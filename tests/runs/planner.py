"""Many dry runs with one start of Snakemake: it is imported once, and each plan is made in a
fork."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from workspace import Workspace

SERVER = """
import json, os, sys
from snakemake import cli
for line in sys.stdin:
    arguments, out = json.loads(line)
    child = os.fork()
    if child == 0:
        file = os.open(out, os.O_WRONLY | os.O_CREAT)
        os.dup2(file, 1)
        os.dup2(file, 2)
        cli.main(arguments)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Planner:
    """Finds what Snakemake would run in a workspace."""

    def __init__(self, space: Workspace) -> None:
        self.space = space
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVER],
            cwd=space.root,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(space.root)},
        )

    def output(self, *arguments: str) -> str:
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "out"
            self.process.stdin.write(
                json.dumps([self.space.command(*arguments)[3:], str(out)]) + "\n"
            )
            self.process.stdin.flush()
            code = self.process.stdout.readline().strip()
            text = out.read_text()
            assert code == "0", text[-4000:]
            return text

    def rules(self, *arguments: str) -> set[str]:
        """The names of the rules that would run."""
        text = self.output(*arguments, "--dry-run")
        if "Nothing to be done" in text:
            return set()
        rows = [line.split() for line in text.split("Job stats:")[-1].splitlines()]
        return {row[0] for row in rows if len(row) == 2 and row[1].isdigit()} - {"total", "all"}

    def end(self) -> None:
        self.process.stdin.close()
        self.process.wait()
