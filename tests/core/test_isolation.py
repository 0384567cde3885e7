"""What a run's processes are given: an interpreter that a shell takes as one word, variables and
caches of their own."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from snakemake.utils import format as snakemake_format

from hgm.cli import main
from hgm.core import caches, isolation
from hgm.core.isolation import Interpreter, isolate
from hgm.errors import InputError
from hgm.render import blender, pool
from hgm.render.member import TASK, MemberRendering, MemberWork


@pytest.fixture
def process(monkeypatch):
    """This process' variables and interpreter, given back afterwards."""
    before = dict(os.environ)
    monkeypatch.setattr(sys, "executable", sys.executable)
    yield monkeypatch
    os.environ.clear()
    os.environ.update(before)


@pytest.mark.parametrize(
    "path", ["/a b/python", "/it's/python", '/a[0]&;#(x)$HOME`x`"\\\n/python', "/plain/python"]
)
def test_a_formatted_interpreter_is_one_word_of_a_shell(path):
    made = Interpreter(path)
    assert (
        made == path and os.path.dirname(made) == os.path.dirname(path) and os.fspath(made) == path
    )
    assert shlex.split(snakemake_format("{py_exec} {name:q}", py_exec=made, name="a b")) == [
        path,
        "a b",
    ]
    assert shlex.split(f"{made} -m snakemake") == [path, "-m", "snakemake"]
    said = subprocess.run(["sh", "-c", f"printf %s {made}"], capture_output=True, text=True).stdout
    assert said == path


def test_nothing_of_another_python_is_handed_on(process):
    for name in (
        "PYTHONPATH",
        "PYTHONHOME",
        "PYTHONSTARTUP",
        "PYTHONUSERBASE",
        "PYTHONIOENCODING",
        "PYTHONUTF8",
        "PYTHONOPTIMIZE",
    ):
        os.environ[name] = "0"
    isolate()
    left = {name: value for name, value in os.environ.items() if name.startswith("PYTHON")}
    assert left == {
        "PYTHONPATH": f"{isolation.ROOT}{os.pathsep}{isolation.PLUGINS}",
        "PYTHONNOUSERSITE": "1",
        "PYTHONSAFEPATH": "1",
        "PYTHONUTF8": "1",
    }
    assert shlex.split(f"{sys.executable}") == [str(sys.executable)]
    isolate()  # as in a job that starts Snakemake again
    assert shlex.split(f"{sys.executable}") == [str(sys.executable)]


@pytest.mark.parametrize(
    ("name", "bad"), [("a:b", "':'"), ("a{b", "'{'"), (os.fsdecode(b"\xff"), "no UTF-8")]
)
def test_a_checkout_that_cannot_be_shared_is_named(name, bad, process):
    process.setattr(isolation, "ROOT", Path("/x") / name)
    with pytest.raises(InputError, match=rf"the path of the checkout holds .*{bad}"):
        isolate()


@pytest.mark.parametrize("name", ["a$b", "a%b/c%d"])
def test_blender_where_its_colors_would_be_missing_is_refused(name, monkeypatch):
    """OpenColorIO takes $b and %b/c% for variables, and says no more than a line on standard
    error."""
    monkeypatch.delitem(sys.modules, "bpy", raising=False)
    monkeypatch.setattr(
        blender, "find_spec", lambda package: SimpleNamespace(origin=f"/{name}/bpy/__init__.so")
    )
    with pytest.raises(InputError, match="color management"):
        blender.Renderer()


def test_caches_stay_where_they_can_be_written(process, tmp_path):
    for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "MPLCONFIGDIR"):
        os.environ.pop(name, None)
    os.environ["HOME"] = str(tmp_path / "new home")
    caches.settle()
    assert (
        not {"XDG_CACHE_HOME", "MPLCONFIGDIR"} & set(os.environ)
        and not (tmp_path / "new home").exists()
    )
    assert caches.cache_folder() == tmp_path / "new home/.cache/hgm"
    os.environ["XDG_CACHE_HOME"] = str(tmp_path / "mine")
    assert caches.cache_folder() == tmp_path / "mine/hgm"


@pytest.mark.parametrize("home", ["/dev/null", "/dev/null/nobody", "relative"])
def test_caches_go_into_the_checkout_where_the_home_folder_takes_none(home, process, tmp_path):
    for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "MPLCONFIGDIR"):
        os.environ.pop(name, None)
    os.environ["HOME"] = home
    process.setattr(caches, "ROOT", tmp_path)
    caches.settle()
    assert os.environ["XDG_CACHE_HOME"] == str(tmp_path / ".cache")
    assert os.environ["MPLCONFIGDIR"] == str(tmp_path / ".cache/hgm/matplotlib")
    code = (
        "import matplotlib, numba.misc.appdirs as a; print(matplotlib.get_cachedir(), "
        "a.user_cache_dir('numba'))"
    )
    for place in subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split():
        assert Path(place).is_relative_to(tmp_path / ".cache")


def test_a_user_without_a_name_gets_one(process):
    import getpass

    def unknown():
        if os.environ.get("USER"):
            return os.environ["USER"]
        raise KeyError("uid not found: 12345")

    for name in ("USER", "LOGNAME"):
        os.environ.pop(name, None)
    process.setattr(getpass, "getuser", unknown)
    caches.settle()
    assert os.environ["USER"] == str(os.getuid())


def test_a_replayed_job_is_isolated_as_well(process, tmp_path):
    """`hgm replay` in a shell that names another environment."""
    (tmp_path / "pydantic.py").write_text("raise SystemExit('of another environment')\n")
    (tmp_path / "job.json").write_text(
        '{"rule": "record", "input": {}, "output": {"run": "run.json"}, "params": {"config": {}}}'
    )
    os.environ["PYTHONPATH"] = str(tmp_path)
    os.environ["PYTHONOPTIMIZE"] = "x"
    process.chdir(tmp_path)
    assert main(["replay", "job.json"]) == 0 and (tmp_path / "run.json").exists()


def test_a_renderer_is_isolated_as_well(process, tmp_path):
    """Its process is started by jobs and by commands."""
    os.environ["PYTHONHOME"] = str(tmp_path)
    settings = MemberWork(rendering=MemberRendering(size=16), models="x").model_dump()
    job = {"task": TASK, "stage": "render", "settings": settings, "out": "x"}
    (tmp_path / "job.json").write_text(json.dumps(job))
    worker = pool._Worker(tmp_path / "job.json")
    said = worker.output.readline()
    worker.end(kill=True)
    assert "SMPLX_MALE.npz" in said  # it started, and found no body model
