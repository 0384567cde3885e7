"""Every command in the docs: cheap ones are run, those on results by
tests/runs/test_documented_commands.py; for the others at least the arguments are parsed; an
unknown one is a failure."""

import ast
import os
import re
import runpy
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import yaml
from doc_commands import SHELL, Command, commands, program
from doc_pages import PAGES, ROOT, Block, blocks

from hgm.cli import main, parser
from hgm.workflow import configuration

# languages of blocks that hold no commands
TEXT = {"text", "yaml", "python", "json", "mermaid", "toml"}
# not run
FILES = {
    "cd",
    "ls",
    "cp",
    "mkdir",
    "ln",
    "cat",
    "less",
    "rsync",
    "scp",
    "tar",
    "unzip",
    "export",
    "source",
    "sbatch",
    "squeue",
}
# not of this project: not run
OTHERS = {"git", "pre-commit", "mkdocs", "nvidia-smi", "conda", "apptainer", "docker", "bash"}
LINKED = (
    "hgm",
    "resources",
    "config.yaml",
    "config",
    "profiles",
    "rules",
    "scripts",
    "envs",
    "Snakefile",
)


def kind(block: Block) -> str:
    """commands, or what else a block without a language can be: drawing, yaml, paths; unknown for
    none of them."""
    if block.language in TEXT:
        return "text"
    if block.language in SHELL - {""} or program(block.text.split("\n")[0]) in CLASSES:
        return "commands"
    if re.search("[─-╿]", block.text):
        return "drawing"
    if all("/" in line and " " not in line for line in block.text.split("\n")):
        return "paths"
    try:
        return "yaml" if isinstance(yaml.safe_load(block.text), dict) else "unknown"
    except yaml.YAMLError:
        return "unknown"


def files_of(options: str, words: list[str]) -> list[str]:
    """Values after an option, up to the next one."""
    if options not in words:
        return []
    rest = words[words.index(options) + 1 :]
    return rest[: next((i for i, w in enumerate(rest) if w.startswith("-")), len(rest))]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A working folder with the checkout's files and no results; `mine.yaml` is the tutorial's."""
    place = tmp_path_factory.mktemp("docs")
    for name in LINKED:
        (place / name).symlink_to(ROOT / name)
    (place / "mine.yaml").write_text(
        next(b.text for b in blocks(ROOT / "docs/tutorial.md") if b.language == "yaml")
    )
    return place


def hgm(words: list[str], folder: Path) -> None:
    """Parsed; run where it takes seconds, asks for no network and needs nothing but the
    checkout."""
    if not {"--help", "--version"} & set(words):
        parser().parse_args(words)
    for file in files_of("--configfile", words):
        configuration.load(folder / file)
    verb = words[0]
    ids = files_of("--ids", words)
    if {"--help", "--version"} & set(words) or (verb == "config" and "--write" not in words):
        assert status(tuple(words)) == 0
    elif verb == "doctor" and "--fetch" not in words:
        assert status(tuple(words)) in (0, 1)
    elif verb == "standin" and ids and ids[0].isdigit() and "256" in words:
        one_standin(tuple(words[1:]))


@cache
def status(words: tuple[str, ...]) -> int:
    try:
        return main(list(words))
    except SystemExit as end:  # --help
        return int(end.code or 0)


@cache
def one_standin(words: tuple[str, ...]) -> None:
    """One stand-in, in the working folder."""
    assert main(["standin", *words]) == 0
    out = Path(words[words.index("--out") + 1])
    assert list(out.glob("THuman2.0_Release/*/*.obj")) and list(out.glob("models/smplx/*.npz"))


@cache
def planned(words: tuple[str, ...], folder: Path) -> tuple[int, str]:
    """Exit status and output of a dry-run."""
    command = [sys.executable, "-m", "snakemake", "--nolock", *words]
    if not {"-n", "--dry-run", "--dryrun"} & set(words):
        command.append("--dry-run")
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def snakemake(words: list[str], folder: Path) -> None:
    """Planned, if its people are stand-ins; else its arguments are parsed, and its configuration is
    read."""
    files = files_of("--configfile", words)
    resolved = configuration.load(folder / files[0]) if files else configuration.resolve({})
    source = resolved.scans.source if files else resolved["scans"]["source"]
    if source == "standin" and not {"--profile", "--executor", "--lint", "--unlock"} & set(words):
        code, output = planned(tuple(words), folder)
        assert code == 0, output[-2000:]
        return
    from snakemake.cli import parse_args

    if profile := files_of("--profile", words):
        assert (ROOT / profile[0] / "profile.yaml").exists() or (
            ROOT / profile[0] / "config.yaml"
        ).exists(), profile
    kept = [
        w
        for w in words
        if w not in ("--profile", "--executor", *profile, *files_of("--executor", words))
    ]
    parse_args(kept)


def make(words: list[str], folder: Path) -> None:
    done = subprocess.run(["make", "--dry-run", *words], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def script(words: list[str], folder: Path) -> None:
    """`python FILE …`: the file compiles and knows its options."""
    file = ROOT / words[0]
    text = file.read_text()
    ast.parse(text)
    assert all(w.split("=")[0] in text for w in words[1:] if w.startswith("--")), words


def pip(words: list[str], folder: Path) -> None:
    assert words[0] in ("install", "uninstall", "download"), words
    for name in (n for option in ("-r", "--requirement", "-e") for n in files_of(option, words)):
        assert (ROOT / name).exists(), name


def gpu_checks(words: list[str], folder: Path) -> None:
    runpy.run_path(str(ROOT / "tests/gpu/__main__.py"), run_name="checks")["options"](words)


def pytest_command(words: list[str], folder: Path) -> None:
    assert all((ROOT / w.split("::")[0]).exists() for w in words if w.startswith("tests/")), words


def tool(words: list[str], folder: Path) -> None:
    """A program of others: only that it is one of those listed."""


CLASSES = {
    "hgm": hgm,
    "snakemake": snakemake,
    "make": make,
    "python": script,
    "python3": script,
    "pip": pip,
    "pytest": pytest_command,
    "tests.gpu": gpu_checks,
    **dict.fromkeys(OTHERS | FILES, tool),
}


def check(command: Command, folder: Path) -> None:
    words = list(command.words)
    if words[1:2] == ["-m"] and words[0].startswith("python"):
        words = words[2:]
    words[0] = {"hgm.cli": "hgm"}.get(words[0], words[0])
    assert words[0] in CLASSES, (
        f"{command}: a command of no known class; add it to CLASSES, or tag the block ```text"
    )
    CLASSES[words[0]](words[1:], folder)


FOUND = [b for page in PAGES for b in blocks(page)]
# those of a system that the page itself writes are run by tests/runs/test_new_system.py
COMMANDS = [
    c
    for b in FOUND
    if kind(b) == "commands"
    for c in commands(b)
    if b.page != "docs/new-system.md" or c.words[0] == "make"
]


@pytest.mark.parametrize("block", [b for b in FOUND if b.language not in TEXT], ids=str)
def test_a_block_is_of_a_known_kind(block):
    assert kind(block) != "unknown", (
        f"{block}: neither commands nor a drawing, YAML or paths; name its language, as ```text"
    )
    assert block.language in TEXT | SHELL, (
        f"{block}: language {block.language} is in none of the classes"
    )


@pytest.mark.parametrize("command", COMMANDS, ids=str)
def test_a_command_works(command, folder, monkeypatch):
    monkeypatch.chdir(folder)
    check(command, folder)


def test_verbs_named_in_sentences_exist():
    verbs = set(next(a for a in parser()._actions if a.dest == "verb").choices)
    for page in PAGES:
        named = set(re.findall(r"`hgm ([a-z][a-z-]*)", page.read_text()))
        assert named <= verbs, f"{page.name}: {named - verbs}"


@pytest.mark.parametrize(
    "text",
    [
        "podmon run x",
        "hgm reconstrct a.png",
        "hgm standin",
        "make dema",
        "snakemake --configfile config/none.yaml --cores 1",
        "snakemake --cores 2 no_such_target",
        "python benchmarks/none.py",
        "python benchmarks/splatting.py --no-such-option",
        "hgm config --check config/none.yaml",
        "hgm doctor --configfile config/none.yaml",
        "hgm nothing --help",
        "pip install -r none.txt",
        "make test && podmon run x",
        'hgm bench "',
        "for f in a b; do podmon $f; done",
    ],
)
def test_a_wrong_command_is_found(text, folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    with pytest.raises((AssertionError, SystemExit, ValueError, OSError)):
        for command in commands(Block("x.md", 1, "sh", text, "")):
            check(command, folder)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("make demo  # all", "commands"),
        (".venv/bin/hgm doctor", "commands"),
        ("X=1 hgm bench", "commands"),
        ("a ─ b", "drawing"),
        ("a/b.npz\nc/d.npz", "paths"),
        ("hgm --help", "commands"),
        ("coarse:\n  steps: 1", "yaml"),
        ("podmon run x", "unknown"),
    ],
)
def test_kinds_of_blocks_are_told_apart(text, what):
    assert kind(Block("x.md", 1, "", text, "")) == what
