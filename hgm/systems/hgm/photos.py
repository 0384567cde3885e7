"""Reconstructs photos of a user with the networks of a run: for `hgm reconstruct`, and for the
photos that a configuration names."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hgm.body.estimates import read_estimate
from hgm.body.estimators.labels import GIVEN
from hgm.body.files import BODY_FILE
from hgm.body.model import BodyModel
from hgm.core.code_keys import code_key
from hgm.core.items import for_each
from hgm.core.keys import file_digest, key_of
from hgm.core.manifests import write_json
from hgm.errors import InputError
from hgm.images.photos.framing import FramedPerson, open_photo
from hgm.images.photos.learned import mattings_without_mask
from hgm.images.photos.matting import Matting
from hgm.images.photos.sources import Photo
from hgm.images.viewpoints import of_the_rig
from hgm.images.views import save_image
from hgm.systems.hgm.bodies import REFINEMENT
from hgm.systems.hgm.contact import write_contact_sheet
from hgm.systems.hgm.estimate import BodyEstimate
from hgm.systems.hgm.landmarks import PICTURE_SIZE, LandmarkBodies
from hgm.systems.hgm.meshing import MESH, PICTURE
from hgm.systems.hgm.photo_progress import PhotoProgress
from hgm.systems.hgm.pipeline.equipment import Equipment
from hgm.systems.hgm.pipeline.input_view import InputView
from hgm.systems.hgm.pipeline.mesh import MeshStep
from hgm.systems.hgm.pipeline.reconstruct import ReconstructStep
from hgm.systems.hgm.pipeline.refine import RefineStep
from hgm.systems.hgm.reconstruction import STAGES

# of the configuration, which decide the result of a photo
SECTIONS = (
    "rendering",
    "network",
    "back_view",
    "refine",
    "reconstruct",
    "mesh",
    "normals",
)
# what some variants and commands do not write
OPTIONAL = (BODY_FILE, REFINEMENT, MESH, PICTURE)
Announce = Callable[[str], None]  # called with the name of a stage when it begins


@dataclass
class PhotoResults:
    """The results of photos. done: folders by the photo's name. notes: what the user should know,
    and failed: reasons, both by the photo's path. seconds: of each stage that was done now, over
    all photos."""

    done: dict[str, Path] = field(default_factory=dict)
    notes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class PhotoPipeline:
    """Photos through all steps of a variant, everything loaded once."""

    equipment: Equipment
    refine: RefineStep | None  # None where the networks have no body branch
    reconstruct: ReconstructStep
    mesh: MeshStep | None  # None: no mesh
    mattings: tuple[Matting, ...]  # tell people from background in photos without a mask
    bodies: LandmarkBodies  # see the bodies of photos that come without one

    @classmethod
    def of(cls, equipment: Equipment, *, mesh: bool) -> PhotoPipeline:
        """With all that the variant needs loaded. Raises InputError where a network is not
        there."""
        variant = equipment.variant
        reads_normals = variant.body and (
            equipment.refines_by_normals or (mesh and equipment.meshes_by_normals)
        )
        own_normals = reads_normals and equipment.config["normals"]["icon"] is None
        equipment.networks.require(equipment.name, normals=own_normals)
        reconstruct = ReconstructStep.of(equipment)
        networks = reconstruct.reconstructor
        with_body = variant.body and networks.coarse.config.use_body
        return cls(
            equipment,
            RefineStep.of(equipment, networks) if with_body else None,
            reconstruct,
            MeshStep.of(equipment, with_body=with_body) if mesh else None,
            mattings_without_mask(),
            LandmarkBodies(),
        )

    @property
    def digests(self) -> list[str]:
        """Hash of the weights of the estimator of normals, if a step uses it, for keys."""
        steps = [step for step in (self.refine, self.mesh) if step is not None]
        return sorted({digest for step in steps for digest in step.digests})

    @property
    def identity(self) -> str:
        """A key of all that decides what becomes of a photo besides its own files."""
        equipment = self.equipment
        own_normals = bool(self.digests) and equipment.config["normals"]["icon"] is None
        files = equipment.networks.files(normals=own_normals)
        return key_of(
            {name: equipment.config[name] for name in SECTIONS},
            [equipment.name, equipment.device, dict(equipment.backends), self.mesh is not None],
            [file_digest(file) for file in files],
            None if self.refine is None else equipment.body_digest,
            self.digests,
            code_key(__file__),
        )

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages of one photo in order; metrics.json has the seconds of each."""
        return (
            "read",
            *(["refine"] if self.refine else []),
            *STAGES,
            "write",
            *(["mesh"] if self.mesh else []),
        )

    def do(
        self, photo: Photo, folder: Path, announce: Announce = lambda stage: None
    ) -> FramedPerson:
        """Write all files of one photo to `folder`, `metrics.json` last; those of an earlier result
        that this one lacks are deleted. Raises InputError with what is wrong with the photo."""
        seconds: dict[str, float] = {}

        @contextmanager
        def timed(stage: str) -> Iterator[None]:
            announce(stage)
            begun = time.perf_counter()
            yield
            seconds[stage] = time.perf_counter() - begun

        with timed("read"):
            size = self.reconstruct.reconstructor.size
            person = open_photo(photo, size, self.mattings)
            view = InputView(person.image, person.mask, of_the_rig(size))
            start = None if self.refine is None else self._first_body(photo)
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("metrics.json", *OPTIONAL):
            (folder / name).unlink(missing_ok=True)
        vertices = None
        if self.refine is not None and start is not None:
            with timed("refine"):
                vertices = self.refine.do(view, start, folder)
        result = self.reconstruct.do(view, vertices, announce=announce)
        seconds |= result.seconds
        with timed("write"):
            self.reconstruct.write(result, view, folder)
            save_image(folder / "mask.png", person.mask)
        if self.mesh is not None:
            with timed("mesh"):
                self.mesh.do(result.gaussians, vertices, folder)
        write_json(
            folder / "metrics.json",
            {
                "seconds": {stage: round(value, 3) for stage, value in seconds.items()},
                "matting": person.matting,
                "notes": list(person.notes),
            },
        )
        return person

    def _first_body(self, photo: Photo) -> BodyEstimate:
        """The body that the refinement of a photo starts from. Raises InputError where its file is
        not readable, or nobody can tell."""
        assert self.refine is not None
        model = self.refine.model
        if photo.body is not None:
            return given_body(photo, photo.body, model)
        try:
            if photo.lacks:
                raise InputError(photo.lacks)
            person = open_photo(photo, PICTURE_SIZE, self.mattings)
            camera = of_the_rig(PICTURE_SIZE).cameras[0]
            return self.bodies.estimate(person.image, person.mask, camera, model)
        except InputError as error:
            raise InputError(
                f"{photo.path}: no first SMPL-X estimate: {error}; give --body FILE, put "
                f"{photo.path.stem}.npz beside the photo, or take networks that need none: "
                "--variant no_body"
            ) from None


def given_body(photo: Photo, file: Path, model: BodyModel) -> BodyEstimate:
    """The body in a photo's file. Raises InputError where that is not readable."""
    found = read_estimate(file, model, photo.subject or photo.path.stem)
    # The photo has been cut out and centered, so a camera in the body's file does not apply to it.
    return BodyEstimate(found.params, GIVEN + file.name)


def reconstruct_photos(photos: Sequence[Photo], pipeline: PhotoPipeline, out: Path) -> PhotoResults:
    """Reconstruct photos one after the other into `out`/<name>, each once, then `out`/contact.png
    of those that succeeded.

    A bad photo is noted and the others go on. A photo whose folder holds its result of the same
    body, networks, settings and code is not done again. Shows photo, stage and time left. Raises
    InputError where `out` cannot be made.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"--out: {out} cannot be made ({error.strerror}); name a folder of yours"
        ) from None
    by_name = {photo.name: photo for photo in photos}
    all_share = pipeline.identity

    def work(name: str, folder: Path) -> Mapping[str, Any]:
        person = pipeline.do(by_name[name], folder, progress.begin)
        return {"notes": list(person.notes)}

    with PhotoProgress(pipeline.stages, len(photos)) as progress:
        outcome = for_each(
            by_name,
            "reconstruct",
            folder=lambda name: out / name,
            key=lambda name: key_of(all_share, [_content(p) for p in by_name[name].files]),
            work=work,
            may_lack_all=True,
            backends=pipeline.equipment.backends,
            progress=progress,
        )
    results = PhotoResults({name: out / name for name in outcome.members})
    results.seconds = progress.time_left.seconds
    for name, photo in by_name.items():
        if name in outcome.failed:
            results.failed[str(photo.path)] = outcome.failed[name]
        else:
            results.notes[str(photo.path)] = (*outcome.facts[name]["notes"], *_namesake(photo))
    write_contact_sheet(results.done, out / "contact.png")
    return results


def _content(file: Path) -> str | None:
    """Hash of a file; of one that cannot be read None, since its reader says what is wrong."""
    try:
        return file_digest(file)
    except OSError:
        return None


def _namesake(photo: Photo) -> tuple[str, ...]:
    """A note that says where the results of a photo are whose name was taken by another photo."""
    stem = photo.path.stem
    return (
        ()
        if photo.name == stem
        else (f"another photo is called {stem}; this one's results are in {photo.name}",)
    )
