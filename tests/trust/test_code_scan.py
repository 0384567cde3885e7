"""No place in the package can run what a file, a name or a configuration says, but for those listed
here with their reason."""

import ast
import re
from collections.abc import Iterator

import pytest
from checkouts import ROOT

EVALUATES = {
    "eval",
    "exec",
    "__import__",
    "importlib.import_module",
    "runpy.run_path",
    "runpy.run_module",
}
PICKLES = {
    f"{module}.{name}"
    for module in ("pickle", "_pickle", "dill", "cloudpickle")
    for name in ("load", "loads", "Unpickler", "_Unpickler", "_load", "_loads")
}
READS = {
    "joblib.load",
    "marshal.load",
    "marshal.loads",
    "shelve.open",
    "pandas.read_pickle",
    "torch.jit.load",
    "torch.hub.load",
    "yaml.load",
    "yaml.load_all",
    "yaml.unsafe_load",
    "yaml.full_load",
    "yaml.Loader",
    "yaml.UnsafeLoader",
    "yaml.FullLoader",
}
SHELLS = {
    "os.system",
    "os.popen",
    "subprocess.getoutput",
    "subprocess.getstatusoutput",
    "asyncio.create_subprocess_shell",
    "pty.spawn",
    *(
        f"os.{kind}{how}"
        for kind in ("exec", "spawn")
        for how in ("l", "le", "lp", "lpe", "v", "ve", "vp", "vpe")
    ),
}
UNPACKS = {"shutil.unpack_archive", "tarfile.open", "tarfile.TarFile"}
FORBIDDEN = EVALUATES | PICKLES | READS | SHELLS | UNPACKS
STARTS = {
    "subprocess.run",
    "subprocess.Popen",
    "subprocess.call",
    "subprocess.check_call",
    "subprocess.check_output",
}
METHODS = {"extract", "extractall"}  # of archives: they write where a member says
KEYWORDS = {"shell", "allow_pickle", "trust_remote_code"}  # that must not be true
SHORT = {"np": "numpy"}

LISTED = {
    ("hgm/core/pickles.py", "pickle._Unpickler"): "the restricted unpickler itself",
    ("hgm/core/joblib_pickles.py", "pickle._Unpickler"): "the restricted unpickler for joblib",
    (
        "hgm/body/estimators/child.py",
        "os.execve",
    ): "becomes the user's own estimator, a list of words",
    ("hgm/geometry/rays.py", "importlib.import_module"): "of a part that is listed there",
    ("hgm/nets/lightning.py", "pickle.Unpickler"): "the unpickler that imports nothing",
    ("hgm/nets/lightning.py", "torch.load without weights_only=True"): "with that unpickler",
    ("hgm/render/worker.py", "importlib.import_module"): "of a task that a module of ours names",
    ("hgm/splat/gsplat_kernels.py", "importlib.import_module"): "of a name written there",
    ("hgm/systems/__init__.py", "importlib.import_module"): "of a system that is listed there",
    (
        "hgm/systems/hgm/__init__.py",
        "importlib.import_module",
    ): "a lazy import of a name written there",
    ("hgm/standin/__init__.py", "importlib.import_module"): "a lazy import of a name written there",
}


def faults(text: str) -> Iterator[str]:
    """What is dangerous in a source file, by its full name, whether it is called or only named."""
    tree = ast.parse(text)
    names = aliases(tree)
    calls = {id(node.func): node for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield from keyword_faults(node)
            if isinstance(node.func, ast.Attribute) and node.func.attr in METHODS:
                yield f".{node.func.attr}()"
        if not isinstance(node, ast.Attribute | ast.Name):
            continue
        full = full_name(node, names)
        if full in FORBIDDEN:
            yield full
        elif full == "torch.load" and not is_true(calls.get(id(node)), "weights_only"):
            yield "torch.load without weights_only=True"
        elif full in STARTS and not starts_a_list(calls.get(id(node))):
            yield f"{full} of something that is no list"


def aliases(tree: ast.AST) -> dict[str, str]:
    """Local name -> what it stands for by the import statements."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(
                {
                    a.asname or a.name.split(".")[0]: a.name if a.asname else a.name.split(".")[0]
                    for a in node.names
                }
            )
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.update({a.asname or a.name: f"{node.module}.{a.name}" for a in node.names})
    return found


def full_name(node: ast.expr, names: dict[str, str]) -> str:
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return ""
    first = names.get(
        node.id, node.id if node.id in EVALUATES and not parts else f"local {node.id}"
    )
    return ".".join([SHORT.get(first, first), *reversed(parts)])


def keyword_faults(call: ast.Call) -> Iterator[str]:
    for keyword in call.keywords:
        if keyword.arg in KEYWORDS and not (
            isinstance(keyword.value, ast.Constant) and keyword.value.value is False
        ):
            yield f"{keyword.arg}={ast.unparse(keyword.value)}"


def is_true(call: ast.Call | None, name: str) -> bool:
    keywords = [] if call is None else call.keywords
    return any(
        k.arg == name and isinstance(k.value, ast.Constant) and k.value.value is True
        for k in keywords
    )


def starts_a_list(call: ast.Call | None) -> bool:
    """A list of words, written there or put together in a variable; text would be split or given to
    a shell."""
    return call is not None and bool(call.args) and isinstance(call.args[0], ast.List | ast.Name)


def test_the_package_runs_nothing_that_it_reads():
    files = [*(ROOT / "hgm").rglob("*.py"), *(ROOT / "scripts").glob("*.py")]
    assert len(files) > 200
    found = {
        (path.relative_to(ROOT).as_posix(), fault)
        for path in files
        for fault in faults(path.read_text())
    }
    assert found - set(LISTED) == set()
    assert set(LISTED) - found == set(), "a place that is listed and not there any more"


@pytest.mark.parametrize(
    "text",
    [
        "import torch\ntorch.load(f)",
        "import torch as t\nt.load(f, weights_only=False)",
        "from torch import load\nload(f)",
        "import torch\nread = torch.load",
        "import numpy as np\nnp.load(f, allow_pickle=True)",
        "import numpy\nnumpy.load(f, allow_pickle=x)",
        "import pickle\npickle.load(f)",
        "from pickle import loads as read\nread(b)",
        "import pickle\nclass A(pickle.Unpickler): ...",
        "import joblib\njoblib.load(f)",
        "import yaml\nyaml.load(f, Loader=yaml.SafeLoader)",
        "import yaml\nyaml.unsafe_load(f)",
        "eval(x)",
        "exec(x)",
        "__import__(x)",
        "f = eval",
        "import os\nos.system(x)",
        "from os import popen\npopen(x)",
        "import os\nos.execvp(a, b)",
        "import subprocess\nsubprocess.run(x.y, shell=True)",
        "import subprocess\nsubprocess.run('ls')",
        "import subprocess\nsubprocess.Popen(f'ls {x}')",
        "from subprocess import run\nrun('a b'.split())",
        "import subprocess\nr = subprocess.run",
        "import shutil\nshutil.unpack_archive(f)",
        "import tarfile\ntarfile.open(f)",
        "import zipfile\nzipfile.ZipFile(f).extractall(d)",
        "from_pretrained(f, trust_remote_code=True)",
        "import importlib\nimportlib.import_module(x)",
    ],
)
def test_a_dangerous_place_is_found(text):
    assert list(faults(text))


@pytest.mark.parametrize(
    "text",
    [
        "import torch\ntorch.load(f, weights_only=True)",
        "import numpy as np\nnp.load(f, allow_pickle=False)",
        "import yaml\nyaml.safe_load(f)",
        "import subprocess\nsubprocess.run([a, b])",
        "import re\nre.compile(x)",
        "model.eval()",
        "import pickle\npickle.dumps(x)",
        "import json\njson.load(f)",
        "import numpy as np\nnp.load(f)",
    ],
)
def test_a_harmless_place_is_not(text):
    assert list(faults(text)) == []


def test_rules_hold_no_shell_text():
    for path in [ROOT / "Snakefile", *(ROOT / "rules").rglob("*.smk")]:
        assert not re.search(
            r"^ +(shell|run):|\b(eval|exec|shell)\(", path.read_text(), re.MULTILINE
        ), path
