"""First bodies by an external program: PIXIE or PyMAF-X, run on the front views of test subjects or
on photos."""

from __future__ import annotations

import dataclasses
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hgm.body.estimates import check_estimate
from hgm.body.estimators.files import estimate_file
from hgm.body.estimators.programs import PICTURES, RESULTS, Installed, picture_name
from hgm.body.estimators.running import run_program
from hgm.core.devices import select_device
from hgm.core.items import Outcome, finished, for_each
from hgm.core.job import Job
from hgm.core.keys import file_digest, key_of
from hgm.core.manifests import read_json
from hgm.errors import InputError, Interrupted
from hgm.images.photos.framing import open_photo
from hgm.images.photos.learned import mattings_without_mask
from hgm.images.photos.matting import Matting
from hgm.images.photos.sources import BODY, Photo, find_photos
from hgm.images.viewpoints import Viewpoints
from hgm.images.views import save_image, view_path

PHOTO_SIZE = (
    512  # pixels, the edge of the square picture that a program gets; as in the paper's views
)
IDLE_RUNS = 2  # runs in a row without a result, after which no picture is to blame

log = logging.getLogger(__name__)
# writes the picture of a person as PNG; raises InputError where there is none
Draw = Callable[[Path], object]


@dataclass
class ProgramResults:
    """The results of runs of a program. files: by person, the program's files by the name under
    which they are kept. reasons: by person, why there is no result."""

    files: dict[str, dict[str, Path]] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    stopped: str = ""  # how the program was ended from outside, if it was


def run_job(job: Job, name: str) -> Outcome:
    """Run the program `name` for a job: on the front views of a chunk (input `views`) or on the
    photos without a body (input `photos`).

    Writes the program's files, as `hgm.body.estimates` reads them, to a folder for each person
    below `people_folder` of the manifest.
    """
    manifest = job.path("manifest")
    code = job.params["code"]
    installed = Installed.of(name, job.params["estimate"])
    program = [file_digest(path) for path in job.paths("program")]
    mattings = mattings_without_mask()
    people: dict[str, Draw] = {}
    keys: dict[str, str] = {}
    for views in job.paths("views"):
        for subject, key in sorted(read_json(views)["members"].items()):
            people[subject] = _front_view(views.parent / subject)
            keys[subject] = key_of(code, program, key)
    for photo in photos_without_body([p for p in job.paths("photos") if p.suffix != BODY]):
        people[photo.name] = _photo(photo, mattings)
        keys[photo.name] = key_of(code, program, [file_digest(p) for p in photo.files])
    return estimate_people(
        installed,
        people,
        folder=people_folder(manifest),
        keys=keys,
        stage=job.rule,
        log_file=Path(job.log or os.devnull),
        device=select_device(job.params["device"]),
        minutes=job.params["estimate"]["minutes"],
    )


def people_folder(manifest: Path) -> Path:
    """The folder of a job's results by person. Each manifest has its own, since a photo may have
    the name of a scan."""
    return manifest.with_suffix("")


def photos_without_body(places: Sequence[Path]) -> list[Photo]:
    """The photos that have no body file beside them, under the names that they have among all
    photos."""
    return [photo for photo in find_photos(places) if photo.body is None]


def estimate_people(
    installed: Installed,
    people: Mapping[str, Draw],
    *,
    folder: Path,
    keys: Mapping[str, str],
    stage: str,
    log_file: Path,
    device: str,
    minutes: float,
) -> Outcome:
    """Run a program on the pictures of all people whose folder `folder`/<person> has no result with
    the same key.

    A person without a usable result is set aside with the reason, and the others go on. Raises
    InputError where the program gives nobody a result. Raises Interrupted where it was ended from
    outside, after the results so far are saved.
    """
    todo = [name for name in people if not finished(folder / name, stage, keys[name])]
    copies: dict[Path, Path] = {}
    with tempfile.TemporaryDirectory(prefix="hgm-estimator-") as scratch:
        results = (
            _run_program(
                installed,
                {name: people[name] for name in todo},
                Path(scratch),
                log_file,
                device,
                60 * minutes,
            )
            if todo
            else ProgramResults()
        )

        def work(name: str, out: Path) -> None:
            if name in results.reasons:
                raise InputError(results.reasons[name])
            for place, file in results.files[name].items():
                _keep(file, out / place, copies)

        there = [name for name in people if name not in todo or name in results.files]
        if results.stopped:
            for_each(there, stage, folder=lambda n: folder / n, key=lambda n: keys[n], work=work)
            raise Interrupted(
                f"{installed.program.title} {results.stopped}; run again, with more memory if it "
                "happens again"
            )
        return for_each(
            list(people), stage, folder=lambda n: folder / n, key=lambda n: keys[n], work=work
        )


def _run_program(
    installed: Installed,
    people: Mapping[str, Draw],
    scratch: Path,
    log_file: Path,
    device: str,
    seconds: float,
) -> ProgramResults:
    """Run the program until every picture has a result or a reason. After a failure it runs again
    without the picture at which it failed."""
    program = installed.program
    results = ProgramResults()
    idle = 0
    turn = 0
    drawn: dict[str, Path] = {}
    for name, draw in people.items():
        try:
            draw(scratch / f"{picture_name(name)}.png")
            drawn[name] = scratch / f"{picture_name(name)}.png"
        except InputError as error:
            results.reasons[name] = str(error)
    rest = sorted(drawn, key=picture_name)  # the order in which the programs work
    while rest:
        place = scratch / f"run{turn}"
        (place / PICTURES).mkdir(parents=True)
        (place / RESULTS).mkdir()
        for name in rest:
            shutil.copyfile(drawn[name], place / PICTURES / drawn[name].name)
        log.info("%s: %d pictures", program.title, len(rest))
        ended = run_program(
            program.command(installed.python, place, device),
            cwd=installed.checkout,
            log=log_file,
            seconds=seconds * len(rest),
        )
        lacking: dict[str, str] = {}
        for name in rest:
            files = program.files(place, picture_name(name))
            try:
                _check(files, place / RESULTS, picture_name(name), program.title)
                results.files[name] = files
            except InputError as error:
                lacking[name] = str(error)
        gave = len(rest) > len(lacking)
        rest = list(lacking)
        if ended.stopped:
            results.stopped = ended.how
            break
        if ended.code == 0:
            results.reasons |= lacking
            break
        idle = 0 if gave else idle + 1
        if idle == IDLE_RUNS:
            raise InputError(f"{program.title} {ended.how}; all that it said is in {log_file}")
        if rest:
            results.reasons[rest[0]] = f"{program.title} {ended.how} at the picture of {rest[0]}"
        rest = rest[1:]
        turn = turn + 1
    return results


def _check(files: Mapping[str, Path], results: Path, picture: str, title: str) -> None:
    """Raises InputError where files of one picture are missing, damaged or hold no person."""
    for file in files.values():
        if not file.is_file():
            raise InputError(
                f"{title} wrote no {file.relative_to(results)}: it found nobody in the picture, "
                "or left it out"
            )
    try:
        check_estimate(next(iter(files.values())), picture)
    except InputError as error:
        raise InputError(
            f"{title} left nothing of use: {str(error).replace(f'{results}/', '')}"
        ) from None


def _keep(file: Path, target: Path, copies: dict[Path, Path]) -> None:
    """Copy a file; a file that many people share is stored once, by hard links."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)  # writing to a hard link would change the files of others
    try:
        target.hardlink_to(copies[file])
    except (KeyError, OSError):
        shutil.copyfile(file, target)
        copies[file] = target


def _front_view(folder: Path) -> Draw:
    return lambda path: shutil.copyfile(
        view_path(folder, "rgb", Viewpoints.read(folder).front), path
    )


def _photo(photo: Photo, mattings: Sequence[Matting]) -> Draw:
    """Draws the largest person of a photo, cut out and centered on white as in the input of the
    networks."""
    return lambda path: save_image(path, open_photo(photo, PHOTO_SIZE, mattings).image)


def estimate_photos(
    photos: Sequence[Photo], name: str, section: Mapping[str, Any], out: Path, *, device: str
) -> list[Photo]:
    """Photos outside a run, with bodies by a program (section `estimate` of the configuration) for
    those without one. The bodies are in `out`/estimates, the program's output in
    `out`/estimator.log. A photo for which there is no result has the reason in `lacks`."""
    lacking = [photo for photo in photos if photo.body is None and photo.path.is_file()]
    if not lacking:
        return list(photos)
    try:
        installed = Installed.of(name, section)
        program = [file_digest(path) for path in installed.files]
        mattings = mattings_without_mask()
        out.mkdir(parents=True, exist_ok=True)
        outcome = estimate_people(
            installed,
            {photo.name: _photo(photo, mattings) for photo in lacking},
            folder=out / "estimates",
            keys={
                photo.name: key_of(program, [file_digest(p) for p in photo.files])
                for photo in lacking
            },
            stage=name,
            log_file=out / "estimator.log",
            device=device,
            minutes=section["minutes"],
        )
    except InputError as error:
        outcome = Outcome(failed={photo.name: str(error) for photo in lacking})
    return with_bodies(photos, out / "estimates", outcome)


def with_bodies(photos: Sequence[Photo], folder: Path, estimated: Outcome) -> list[Photo]:
    """The photos, where those without a body get the body that a program wrote to `folder`, or the
    reason why there is none."""
    found = []
    for photo in photos:
        if photo.body is None and photo.name in estimated.members:
            picture = picture_name(photo.name)
            photo = dataclasses.replace(
                photo, body=estimate_file(folder / photo.name, picture), subject=picture
            )
        elif photo.body is None:
            photo = dataclasses.replace(photo, lacks=estimated.failed.get(photo.name, ""))
        found.append(photo)
    return found
