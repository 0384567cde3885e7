"""Many heads of Snakemake with one start: it is imported once, and each head is a fork."""

import json
import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

SERVER = """
import json, os, sys
from snakemake import cli
for line in sys.stdin:
    arguments, environment, out = json.loads(line)
    child = os.fork()
    if child == 0:
        os.environ.clear()
        os.environ.update(environment)
        file = os.open(out, os.O_WRONLY | os.O_CREAT)
        os.dup2(file, 1)
        os.dup2(file, 2)
        cli.main(arguments)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Heads:
    """A process that has imported Snakemake, in a checkout; it ends with the process of the
    tests."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVER],
            cwd=root,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=self._environment(),
        )

    def output(self, *arguments: str) -> str:
        """What a head says that succeeds, in the environment of now."""
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "out"
            asked = [arguments, self._environment(), str(out)]
            self.process.stdin.write(json.dumps(asked) + "\n")
            self.process.stdin.flush()
            code = self.process.stdout.readline().strip()
            text = out.read_text()
            assert code == "0", text[-4000:]
            return text

    def end(self) -> None:
        self.process.stdin.close()
        self.process.wait()

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(self.root)}


@cache
def heads_in(root: Path) -> Heads:
    """Those of a checkout, for all tests of this process."""
    return Heads(root)
