"""Checks of the assets that a configuration needs: what is missing, what is damaged, what to do
about it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

from hgm.body.estimators.programs import Installed
from hgm.errors import InputError, ScanError
from hgm.scans import catalogue
from hgm.scans.obj import MATERIALS
from hgm.scans.preflight import check_texture, texture_of
from hgm.scans.thuman import fit_places, scan_folder
from hgm.systems import optional_part
from hgm.workflow.configuration import Config
from hgm.workflow.doctor.diffusers_folders import check_base, check_controlnet
from hgm.workflow.doctor.entries import Asset
from hgm.workflow.doctor.findings import Finding, State, first_few
from hgm.workflow.doctor.weight_files import check_icon, check_weights

Result = tuple[State, str]
STARTS = 60.0  # timeout in seconds of `python --version`
HEAD = 65536  # bytes of an OBJ in which its mtllib line is looked for


def check(asset: Asset, config: Config) -> Finding:
    """The state of one asset for a configuration."""
    rules = tuple(asset.rules)
    if asset.check is None or not asset.needed(config):
        return Finding(asset.title, "not needed")
    path = asset.path(config)
    if path is None:
        return Finding(
            asset.title, "missing", f"{asset.key} is null; {_step(asset)} and set it", rules
        )
    try:
        if not Path(path).exists():
            return Finding(
                asset.title, "missing", f"{asset.key}: {path} does not exist; {_step(asset)}", rules
            )
        own = optional_part(config.system, "doctor")
        checks = CHECKS | (own.CHECKS if own else {})
        state, note = checks[asset.check](asset, config, Path(path))
    except InputError as error:
        state = "damaged"
        note = str(error)
    except OSError as error:
        state = "damaged"
        note = f"{error.filename or path}: cannot be read ({error.strerror or error})"
    # a broken file may make its reader raise anything; it becomes a line of the table too
    except Exception as error:
        state = "damaged"
        note = f"{path}: not readable ({type(error).__name__}: {error})"
    if state == "missing":
        note = f"{note}; {_step(asset)}"
    return Finding(asset.title, state, note, rules)


def _step(asset: Asset) -> str:
    if asset.free:
        return "it is free: add --fetch to this command"
    return f"get it: {asset.get}" + (f" ({asset.url})" if asset.url else "")


def configured_scans(config: Config, *splits: str) -> list[str]:
    """Ids of the scans of the given splits, all by default."""
    return [
        e.scan
        for e in catalogue.configured_entries(config.scans.model_dump())
        if not splits or e.split in splits
    ]


def _own_scans(config: Config) -> list[str]:
    """Ids of the scans of scans.source."""
    return configured_scans(config, *catalogue.data_sets(config.scans.model_dump())[0][1])


def _each(names: list[str], look: Callable[[str], str | None], what: str, place: Path) -> Result:
    """Apply `look` to each name. It returns the path of a file that is missing, or None, and raises
    InputError or OSError for a damaged one."""
    missing: dict[str, str] = {}
    damaged: dict[str, str] = {}
    for name in names:
        try:
            lacks = look(name)
            if lacks is not None:
                missing[name] = lacks
        except InputError as error:
            damaged[name] = str(error)
        except OSError as error:
            damaged[name] = f"{error.filename}: cannot be read ({error.strerror})"
    notes = []
    if missing:
        notes.append(
            f"{place}: {len(missing)} of {len(names)} {what} lack a file "
            f"{first_few(list(missing))}, the first {next(iter(missing.values()))}"
        )
    if damaged:
        notes.append(
            f"{place}: {len(damaged)} of {len(names)} {what} are damaged "
            f"{first_few(list(damaged))}, the first: {next(iter(damaged.values()))}"
        )
    if not notes:
        return "present", f"{len(names)} {what}"
    return ("missing" if missing else "damaged"), "; ".join(notes)


def _scans(asset: Asset, config: Config, root: Path) -> Result:
    """Whether each OBJ exists, the material that it names, and both ends of the texture file; the
    rule `catalogue` reads every file in full."""
    names = _own_scans(config)
    try:
        folder = scan_folder(root)
    except InputError as error:
        return "missing", str(error)

    def look(name: str) -> str | None:
        obj = folder / name / f"{name}.obj"
        if not obj.is_file():
            return str(obj.relative_to(root))
        with open(obj, "rb") as file:
            head = file.read(HEAD)
        if not head:
            raise InputError(f"{obj}: an empty file; copy scan {name} again")
        if match := MATERIALS.search(head):
            material = obj.parent / match[1].decode("utf-8", "replace").strip().replace("\\", "/")
            if not material.is_file():
                return str(material.relative_to(root))
            check_texture(texture_of(material))
        return None

    return _each(names, look, "scans", root)


def _fits(asset: Asset, config: Config, root: Path) -> Result:
    """Reads every fit with the reader of the workflow."""
    from hgm.body.fits import thuman_numbers

    try:
        folder = scan_folder(root)
    except InputError:
        folder = root

    def look(name: str) -> str | None:
        places = fit_places(root, folder, name)
        found = next((place for place in places if place.is_file()), None)
        if found is None:
            return str(places[0].relative_to(root))
        thuman_numbers(found, config.scans.gender)
        return None

    state, note = _each(_own_scans(config), look, "fits", root)
    return ("intact" if state == "present" else state), note


def _custom_humans(asset: Asset, config: Config, root: Path) -> Result:
    """Whether mesh and fit of the test scans exist."""
    from hgm.scans.custom import locate_custom

    def look(name: str) -> str | None:
        try:
            locate_custom(root, name)
        except ScanError as error:
            return str(error)
        return None

    return _each(configured_scans(config, "test"), look, "test scans", root)


def _humman(asset: Asset, config: Config, root: Path) -> Result:
    """Whether pictures, masks, cameras and fit of the sequences to test or to train on exist."""
    from hgm.scans.humman import HummanFiles

    def look(name: str) -> str | None:
        return next(
            (
                str(path.relative_to(root))
                for path in HummanFiles(root, name).own_files()
                if not path.is_file()
            ),
            None,
        )

    if asset.key == "scans.test_root":
        return _each(configured_scans(config, "test"), look, "test sequences", root)
    return _each(_own_scans(config), look, "sequences", root)


def _smpl(asset: Asset, config: Config, models: Path) -> Result:
    from hgm.body.smpl import load_smpl, smpl_file

    path = smpl_file(models)
    if not path.is_file():
        return "missing", f"{path} does not exist"
    load_smpl(models)
    return "intact", str(path)


def _body_model(asset: Asset, config: Config, models: Path) -> Result:
    from hgm.body.model import read_model
    from hgm.standin.body.core import is_standin

    for gender in dict.fromkeys(
        data["gender"] for data, _ in catalogue.data_sets(config.scans.model_dump())
    ):
        path = models / "smplx" / f"SMPLX_{gender.upper()}.npz"
        if not path.is_file():
            return "missing", f"{path} does not exist"
        read_model(path)
    scans = config.scans.root
    if (
        is_standin(models)
        and config.scans.source != "standin"
        and not (scans is not None and is_standin(scans))
    ):
        return (
            "damaged",
            f"{models}: holds the stand-in body model, which does not fit real scans; "
            f"{_step(asset)}",
        )
    return "intact", "all keys and shapes"


def _estimates(asset: Asset, config: Config, folder: Path) -> Result:
    from hgm.body.estimates import open_estimate
    from hgm.body.estimators.files import find_estimate

    def look(name: str) -> str | None:
        path = find_estimate(folder, name)
        if path is None:
            return f"{name}/smplx.npz"
        open_estimate(path)
        return None

    return _each(configured_scans(config, "test"), look, "test subjects", folder)


def _estimator(asset: Asset, config: Config, checkout: Path) -> Result:
    """Whether the files that a run needs exist, none is a web page saved in place of a download,
    and the interpreter starts."""
    try:
        installed = Installed.of(asset.name, config.estimate.model_dump())
    except InputError as error:
        return "missing", str(error)
    for file in installed.files:
        with open(file, "rb") as opened:
            head = opened.read(HEAD).lstrip()
        if not head or (file.suffix in (".tar", ".pt", ".npz", ".npy") and head.startswith(b"<")):
            raise InputError(
                f"{file}: empty, or a web page in place of the file; fetch it again, with the "
                "right account"
            )
    try:
        done = subprocess.run(
            [str(installed.python), "--version"], capture_output=True, text=True, timeout=STARTS
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InputError(
            f"estimate.{asset.name}_python: {installed.python} does not start ({error})"
        ) from None
    if done.returncode:
        raise InputError(
            f"estimate.{asset.name}_python: {installed.python} does not start (status "
            f"{done.returncode})"
        )
    return "present", f"{(done.stdout + done.stderr).strip()}; its packages are not looked at"


CHECKS: dict[str, Callable[[Asset, Config, Path], Result]] = {
    "scans": _scans,
    "fits": _fits,
    "customhumans": _custom_humans,
    "humman": _humman,
    "smpl": _smpl,
    "body_model": _body_model,
    "estimates": _estimates,
    "base": check_base,
    "controlnet": check_controlnet,
    "vgg16": check_weights,
    "lpips": check_weights,
    "inception": check_weights,
    "icon": check_icon,
    "pixie": _estimator,
    "pymafx": _estimator,
}
