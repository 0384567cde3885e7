"""`make` in a folder of any name and under any shell: really run, with what users set for other
work."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from checkouts import ROOT, copy_checkout, make_environment
from hostile_names import PWNED

NAMES = {
    "friend": "My Friend's [odd] Projects",
    "rest": f'é漢😀 "q"\n`touch {PWNED}`; touch {PWNED} & a\\n #%s *? (x) -x =,~!|^@',
}
BROKEN = "raise SystemExit('the numpy of another environment')\n"
LOCK = "requirements.lock"
TELLING = """
import sys
import numpy
with open("told", "w") as file:
    file.write(f"é {file.encoding} {sys.flags.safe_path}")
"""
FIRST = ("results/tiny/run.json", "results/tiny/standin/models.json")


def make(folder: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """make in an otherwise plain shell."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "PIP_", "XDG_"))
    }
    return subprocess.run(
        ["make", f"PYTHON={sys.executable}", "CORES=1", *words],
        cwd=folder,
        env={**environment, **variables},
        capture_output=True,
        text=True,
        errors="replace",
    )


@pytest.fixture(scope="module")
def foreign(tmp_path_factory) -> Path:
    """Packages of another environment."""
    folder = tmp_path_factory.mktemp("foreign")
    (folder / "numpy").mkdir()
    (folder / "numpy/__init__.py").write_text(BROKEN)
    (folder / "start.py").write_text(BROKEN)
    user = folder / f"user/lib/python3.{sys.version_info[1]}/site-packages"
    user.mkdir(parents=True)
    shutil.copytree(folder / "numpy", user / "numpy")
    return folder


@pytest.fixture(scope="module", params=NAMES)
def checkout(request, tmp_path_factory) -> Path:
    """A copy of the checkout in a folder of such a name, with an environment of its own."""
    folder = copy_checkout(tmp_path_factory.mktemp("any") / NAMES[request.param] / "hgm")
    make_environment(folder)
    return folder


def test_a_run_works_in_any_folder_whatever_the_shell_names(checkout, foreign):
    """Scripts that import numpy and write unicode paths, with all of it at once."""
    done = make(
        checkout,
        "run",
        f"ARGS={' '.join(FIRST)} --configfile config/hgm/tiny.yaml",
        PYTHONPATH=str(foreign),
        PYTHONHOME=str(foreign),
        PYTHONSTARTUP=str(foreign / "start.py"),
        PYTHONUSERBASE=str(foreign / "user"),
        PYTHONIOENCODING="ascii",
        PYTHONUTF8="0",
        PYTHONCOERCECLOCALE="0",
        LC_ALL="C",
        HOME="/dev/null",
        PIP_USER="1",
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert all((checkout / name).stat().st_size for name in FIRST)
    assert (checkout / ".cache/hgm/code_keys.json").exists() and "MPLCONFIGDIR" not in done.stderr
    assert not [path for path in checkout.parents[1].rglob("*") if path.name == PWNED]


@pytest.mark.parametrize(
    "variables",
    [
        {"PYTHONPATH": "{foreign}"},
        {"PYTHONHOME": "{foreign}"},
        {"HOME": "/dev/null"},
        {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"},
    ],
    ids=lambda variables: next(iter(variables)),
)
def test_each_of_them_alone(variables, foreign, tmp_path):
    """As before; what they do to each other is left out. Jobs read and write UTF-8, and find
    nothing in the working folder."""
    folder = copy_checkout(tmp_path / "é")
    make_environment(folder)
    script = folder / "scripts/record.py"
    script.write_text(script.read_text().replace("\n\ndef main", f"\n{TELLING}\n\ndef main"))
    given = {name: value.format(foreign=foreign) for name, value in variables.items()}
    done = make(folder, "run", f"ARGS={FIRST[0]} --configfile config/hgm/tiny.yaml", **given)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert (folder / FIRST[0]).exists() and (folder / "told").read_text("utf-8") == "é utf-8 True"


# a package of one file and a program, that needs nothing to be built
BACKEND = """
import os, tomllib, zipfile

def get_requires_for_build_editable(config_settings=None):
    return []

def build_editable(folder, config_settings=None, metadata_directory=None):
    with open("pyproject.toml", "rb") as file:
        project = tomllib.load(file)["project"]
    own = project["name"].replace("-", "_") + "-0.1.0"
    name = f"{own}-py3-none-any.whl"
    files = {f"__editable__.{own}.pth": os.getcwd() + "\\n",
             f"{own}.dist-info/METADATA": "Metadata-Version: 2.1\\n"
              f"Name: {project['name']}\\nVersion: 0.1.0\\n",
             f"{own}.dist-info/WHEEL": "Wheel-Version: 1.0\\n"
              "Root-Is-Purelib: true\\nTag: py3-none-any\\n"}
    if own.startswith("hgm-"):
        files[f"{own}.dist-info/entry_points.txt"] = "[console_scripts]\\nhgm = hgm.where:main\\n"
    files[f"{own}.dist-info/RECORD"] = "".join(f"{file},,\\n" for file in files)
    with zipfile.ZipFile(os.path.join(folder, name), "w") as wheel:
        for file, text in files.items():
            wheel.writestr(file, text)
    return name
"""


def copy_modules(folder: Path, *more: str) -> None:
    """The modules of the package that say whether a checkout can be where it is, and `more`."""
    own = (
        "__init__.py",
        "errors.py",
        *(f"core/{m}.py" for m in ("__init__", "checkout", "isolation")),
    )
    for name in (*own, *more):
        (folder / "hgm" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / "hgm" / name, folder / "hgm" / name)


@pytest.fixture
def small(tmp_path) -> Path:
    """A checkout whose lock names one package of an index of its own, and whose own package is
    built without any other."""
    folder = copy_checkout(tmp_path / NAMES["rest"] / "hgm", ("Makefile",))
    copy_modules(folder, "workflow/__init__.py", "workflow/launchers.py")
    (folder / "hgm/where.py").write_text(
        "import sys, only\n"
        "def main():\n    print(only.__file__, __file__, sys.flags.isolated, sep='|')\n"
    )
    (folder / "hgm/report/web").mkdir(parents=True)
    (folder / "hgm/report/web/build.sh").write_text("")
    for place, name in ((folder, "hgm"), (folder / "plugins", "hgm-plugins")):
        place.mkdir(exist_ok=True)
        (place / "backend.py").write_text(BACKEND)
        (place / "pyproject.toml").write_text(
            '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
            f'[project]\nname = "{name}"\nversion = "0.1.0"\n'
        )
    (folder / LOCK).write_text("# one\nonly==1.0\n")
    return folder


@pytest.fixture
def index(tmp_path) -> str:
    """The address of an index with the package `only`."""
    import zipfile

    place = tmp_path / "index/only"
    place.mkdir(parents=True)
    name = "only-1.0-py3-none-any.whl"
    files = {
        "only.py": "",
        "only-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: only\nVersion: 1.0\n",
        "only-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\n"
        "Root-Is-Purelib: true\n"
        "Tag: py3-none-any\n",
    }
    with zipfile.ZipFile(place / name, "w") as wheel:
        for file, text in {
            **files,
            "only-1.0.dist-info/RECORD": "".join(f"{file},,\n" for file in files),
        }.items():
            wheel.writestr(file, text)
    (place / "index.html").write_text(f'<a href="{name}">{name}</a>')
    return (tmp_path / "index").as_uri()


@pytest.mark.parametrize("where", ["variables", "pip.conf"])
def test_an_environment_is_made_whatever_pip_is_told_about_places(
    where, small, index, foreign, tmp_path
):
    """The index stays the user's. What it makes works from any folder, also from where it was moved
    to."""
    elsewhere = str(tmp_path / "elsewhere")
    (tmp_path / "pip.conf").write_text(f"[global]\nindex-url = {index}\n[install]\nuser = true\n")
    given = (
        {"PIP_CONFIG_FILE": str(tmp_path / "pip.conf")}
        if where == "pip.conf"
        else {
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_INDEX_URL": index,
            "PIP_USER": "1",
            "PIP_TARGET": elsewhere,
            "PIP_PREFIX": elsewhere,
            "PIP_REQUIRE_VIRTUALENV": "1",
            "PIP_NO_DEPS": "1",
            "PIP_DRY_RUN": "1",
        }
    )
    done = make(
        small, "env", PYTHONPATH=str(foreign), PYTHONUSERBASE=elsewhere, HOME="/dev/null", **given
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert not Path(elsewhere).exists() and (small / ".venv/.ready").exists()
    moved = small.rename(tmp_path / "moved it")
    for program in (moved / ".venv/bin/hgm", tmp_path / "link"):
        if not program.exists():
            program.symlink_to(moved / ".venv/bin/hgm")
        said = subprocess.run(
            [program],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(foreign)},
            capture_output=True,
            text=True,
        )
        found, package, isolated = said.stdout.strip().split("|")
        assert (
            Path(found).is_relative_to(moved / ".venv")
            and Path(package) == moved / "hgm/where.py"
            and isolated == "1"
        ), said.stderr
    assert not [path for path in tmp_path.rglob("*") if path.name == PWNED] and not list(
        (moved / ".venv/bin").glob("activate*")
    )


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("a:b", "':'"),
        ("a{b", "'{'"),
        ("a}b", "'}'"),
        ("a$b", "'$'"),
        ("a%b%c", "'%b%'"),
        (os.fsdecode(b"a\xe9"), "no UTF-8"),
    ],
)
def test_make_refuses_a_folder_that_cannot_be_before_anything_is_made(name, bad, tmp_path):
    folder = copy_checkout(tmp_path / name, ("Makefile", "pyproject.toml", "plugins", LOCK))
    copy_modules(folder)
    done = make(folder, "demo")
    [line] = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert done.returncode != 0 and bad in line and "move the" in line
    assert not list(folder.glob(".venv*")) and not (folder / "results").exists()
