"""The container of envs/hgm.def, imitated without a container engine: its files in a folder, its
Python packages in an environment that also has those of the tests, its programs started as in the
container."""

import os
import re
import shlex
import shutil
import site
import subprocess
import sys
from pathlib import Path

from workspace import ROOT

DEFINITION = ROOT / "envs/hgm.def"
PLACE = "/opt/hgm"  # folder of the checkout's files in the container
# the launcher that pip writes
LAUNCHER = "#!{python}\nimport sys\nfrom snakemake.cli import main\nsys.exit(main())\n"


def section(name: str) -> list[str]:
    """The commands or lines of a section of the definition, such as `files` or `apprun hgm`."""
    found = re.search(
        rf"^%{name}\n(.*?)(?=^%|\Z)", DEFINITION.read_text(), re.MULTILINE | re.DOTALL
    )
    assert found, name
    lines = found[1].replace("\\\n", " ").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]


class Container:
    """`folder`/hgm takes the place of /opt/hgm, `folder`/python that of the container's Python."""

    def __init__(self, folder: Path) -> None:
        self.place = folder / "hgm"
        self.python = folder / "python"
        for line in section("files"):
            source, target = line.split()
            there = Path(self.here(target))
            there.parent.mkdir(parents=True, exist_ok=True)
            if (ROOT / source).is_dir():
                shutil.copytree(
                    ROOT / source,
                    there,
                    ignore=shutil.ignore_patterns("__pycache__", "node_modules"),
                )
            else:
                shutil.copyfile(ROOT / source, there)
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", self.python], check=True)
        [packages] = self.python.glob("lib/python*/site-packages")
        # after the links of `pip install -e`
        (packages / "of_the_tests.pth").write_text("\n".join(site.getsitepackages()) + "\n")
        for command in section("post"):
            if command.startswith("python -m pip install"):
                self.do(f"{command} --no-index --no-build-isolation", folder)
        launcher = self.python / "bin/snakemake"
        launcher.write_text(LAUNCHER.format(python=self.python / "bin/python"))
        launcher.chmod(0o755)

    def here(self, text: str) -> str:
        """A text with the paths of the container replaced by those in the tests."""
        return text.replace(PLACE, str(self.place))

    def do(self, command: str, folder: Path) -> str:
        """The output of a command in the container, run in a working folder."""
        lines = [*section("environment"), command]
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PYTHON", "VIRTUAL_ENV"))
        }
        environment["PATH"] = f"{self.python / 'bin'}:/usr/bin:/bin"
        done = subprocess.run(
            ["sh", "-ec", self.here("\n".join(lines)), "sh"],
            cwd=folder,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert done.returncode == 0, done.stdout[-4000:]
        return done.stdout

    def run(self, folder: Path, *arguments: str, app: str = "") -> str:
        """`apptainer run [--app <app>] hgm.sif <arguments>`."""
        [command] = section(f"apprun {app}" if app else "runscript")
        return self.do(f"set -- {shlex.join(arguments)}\n{command}", folder)
