"""Reconstructs photos of a user with the networks of a run: for `hgm reconstruct`, and for the
photos that a configuration names."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from hgm.body.estimates import read_estimate
from hgm.body.estimators.labels import GIVEN
from hgm.body.model import BodyModel
from hgm.core.devices import select_device
from hgm.core.manifests import write_json
from hgm.core.progress import Progress
from hgm.core.run_folder import RunFolder
from hgm.errors import InputError
from hgm.images.photos.framing import FramedPerson, open_photo
from hgm.images.photos.learned import mattings_without_mask
from hgm.images.photos.matting import Matting
from hgm.images.photos.sources import Photo
from hgm.images.viewpoints import Viewpoints, of_the_rig
from hgm.images.views import save_image
from hgm.mesh.settings import Mesh
from hgm.scans.data_source import body_model
from hgm.systems.hgm.backends import job_backends
from hgm.systems.hgm.bodies import place_subject, refine_subject
from hgm.systems.hgm.contact import write_contact_sheet
from hgm.systems.hgm.estimate import BodyEstimate
from hgm.systems.hgm.meshing import mesh_subject, mesh_without_normals
from hgm.systems.hgm.normal_estimators import NormalEstimator, load_estimator
from hgm.systems.hgm.reconstruction import (
    STAGES,
    Reconstruction,
    Reconstructor,
    load_reconstructor,
    write_reconstruction,
)
from hgm.systems.hgm.run_folder import Networks
from hgm.systems.hgm.sections.bodies import Refine
from hgm.systems.hgm.sections.reconstruct import Reconstruct
from hgm.systems.hgm.variants import VARIANTS, Variant

Announce = Callable[[str], None]  # called with the name of a stage when it begins


@dataclass
class PhotoResults:
    """The results of photos. done: folders by the photo's name. notes: what the user should know,
    and failed: reasons, both by the photo's path."""

    done: dict[str, Path] = field(default_factory=dict)
    notes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class PhotoPipeline:
    """Everything that reconstructing photos needs, loaded once."""

    reconstructor: Reconstructor
    variant: Variant
    size: int  # edge of the input picture of the networks in pixels
    backends: Mapping[str, str]  # of `job_backends`
    output: Reconstruct
    refine: Refine
    model: BodyModel | None  # None where the networks have no body branch
    mesh: Mesh | None  # None: no mesh
    # for the refinement of body or mesh; None where neither is refined by normals
    normals: NormalEstimator | None
    mattings: tuple[Matting, ...]  # find the person in photos without a mask

    @classmethod
    def of(
        cls,
        networks: Networks,
        run: RunFolder,
        config: Mapping[str, Any],
        variant: str,
        *,
        device: str = "auto",
        mesh: bool = False,
    ) -> PhotoPipeline:
        """The pipeline of one variant of a run. config: the resolved configuration, or those
        sections of it that are used here. Raises InputError where networks are missing."""
        chosen = VARIANTS[variant]
        device = select_device(device)
        backends = job_backends(config, device)
        refine = Refine(**chosen.refining(config["refine"]))
        reads_normals = chosen.body and (
            (mesh and config["mesh"]["refine_steps"] > 0) or (chosen.refined and refine.normal > 0)
        )
        networks.require(variant, normals=reads_normals and config["normals"]["icon"] is None)
        reconstructor = load_reconstructor(
            networks,
            config,
            device=device,
            backends=backends,
            compiled=config["network"]["compile"],
        )
        with_body = chosen.body and reconstructor.coarse.config.use_body
        return cls(
            reconstructor,
            chosen,
            config["rendering"]["size"],
            backends,
            output=Reconstruct(**config["reconstruct"]),
            refine=refine,
            model=body_model(config["scans"], run, device) if with_body else None,
            mesh=Mesh(**config["mesh"]) if mesh else None,
            normals=load_estimator(
                config["normals"], networks.normals, device=device, backend=backends["splat"]
            )
            if with_body and reads_normals
            else None,
            mattings=mattings_without_mask(),
        )

    @property
    def views(self) -> Viewpoints:
        """The views of a result, with the cut and centered photo as the front view: the rig that
        the networks were trained on."""
        return of_the_rig(self.size)

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages of one photo in order; metrics.json has the seconds of each."""
        return (
            "read",
            *(["refine"] if self.model else []),
            *STAGES,
            "write",
            *(["mesh"] if self.mesh else []),
        )

    def reconstruct(
        self, photo: Photo, folder: Path, announce: Announce = lambda stage: None
    ) -> FramedPerson:
        """Write all files of one photo to `folder`, `metrics.json` last. Raises InputError with
        what is wrong with the photo."""
        seconds: dict[str, float] = {}

        @contextmanager
        def timed(stage: str) -> Iterator[None]:
            announce(stage)
            begun = time.perf_counter()
            yield
            seconds[stage] = time.perf_counter() - begun

        with timed("read"):
            person = open_photo(photo, self.size, self.mattings)
            start = self._estimate(photo)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "metrics.json").unlink(missing_ok=True)
        vertices = None
        if start is not None:
            with timed("refine"):
                vertices = self._body(start, person, folder)
        result = self.reconstructor.reconstruct(
            person.image, vertices, self.variant, self.views, announce=announce
        )
        seconds |= result.seconds
        with timed("write"):
            write_reconstruction(
                result,
                person.image,
                folder,
                self.output,
                self.views.cameras,
                backend=self.backends["splat"],
            )
            save_image(folder / "mask.png", person.mask)
        if self.mesh is not None:
            with timed("mesh"):
                self._mesh(result, vertices, folder, self.mesh)
        write_json(
            folder / "metrics.json",
            {
                "seconds": {stage: round(value, 3) for stage, value in seconds.items()},
                "matting": person.matting,
                "notes": list(person.notes),
            },
        )
        return person

    def _estimate(self, photo: Photo) -> BodyEstimate | None:
        if self.model is None:
            return None
        if photo.body is None and photo.lacks:
            raise InputError(f"{photo.path}: no first SMPL-X estimate: {photo.lacks}")
        if photo.body is None:
            raise InputError(
                f"{photo.path}: no first SMPL-X estimate; give --body FILE, put "
                f"{photo.path.stem}.npz beside the photo, or take networks that need none: "
                "--variant no_body"
            )
        seen = read_estimate(photo.body, self.model, photo.subject or photo.path.stem)
        # The photo has been cut out and centered, so a camera in the body's file does not apply to
        # it.
        return BodyEstimate(seen.params, GIVEN + photo.body.name)

    def _body(self, start: BodyEstimate, person: FramedPerson, folder: Path) -> Tensor:
        """Vertices [10475, 3] NU, refined if the variant refines bodies."""
        assert self.model is not None
        camera = self.views.cameras[self.views.front]
        if not self.variant.refined:
            return place_subject(start, person.mask, self.model, camera, folder)
        return refine_subject(
            start,
            person.image,
            person.mask,
            camera,
            self.model,
            self.reconstructor,
            folder,
            self.refine,
            normals=self.normals,
            backend=self.backends["splat"],
        )

    def _mesh(
        self, result: Reconstruction, vertices: Tensor | None, folder: Path, settings: Mesh
    ) -> None:
        if vertices is None or self.model is None or self.normals is None:
            mesh_without_normals(result.gaussians, folder, settings, backend=self.backends["splat"])
            return
        mesh_subject(
            result.gaussians,
            vertices,
            self.model.faces,
            self.normals,
            folder,
            settings,
            backend=self.backends["splat"],
        )


class TimeLeft:
    """Measures how long the stages of photos take, and predicts the time left."""

    def __init__(self, stages: Sequence[str], photos: int) -> None:
        self.stages = stages
        self.photos = photos
        self.took: dict[str, list[float]] = {stage: [] for stage in stages}
        self.now: tuple[str, float] | None = None  # the current stage and when it began

    def begin(self, stage: str, photos_done: int) -> float | None:
        """A stage of the next photo begins. Returns the seconds until all photos are done, None
        until every stage has been measured once."""
        self.end()
        self.now = stage, time.perf_counter()
        if not all(self.took.values()):
            return None
        mean = {name: sum(times) / len(times) for name, times in self.took.items()}
        ahead = sum(mean[name] for name in self.stages[self.stages.index(stage) :])
        return ahead + (self.photos - photos_done - 1) * sum(mean.values())

    def end(self) -> None:
        """The current stage has ended."""
        if self.now is not None:
            stage, begun = self.now
            self.took[stage].append(time.perf_counter() - begun)
            self.now = None


def reconstruct_photos(photos: Sequence[Photo], pipeline: PhotoPipeline, out: Path) -> PhotoResults:
    """Reconstruct photos one after the other to `out`/<name>, then write `out`/contact.png of those
    that succeeded.

    A bad photo is noted and the others go on. Shows photo, stage and time left. Raises InputError
    where `out` cannot be made.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"--out: {out} cannot be made ({error.strerror}); name a folder of yours"
        ) from None
    results = PhotoResults()
    time_left = TimeLeft(pipeline.stages, len(photos))
    with Progress("reconstruct", len(photos) * len(pipeline.stages)) as progress:
        for i, photo in enumerate(photos):

            def announce(stage: str, photos_done: int = i, name: str = photo.name) -> None:
                left = time_left.begin(stage, photos_done)
                progress.update(
                    photos_done * len(time_left.stages) + time_left.stages.index(stage),
                    f"{name}: {stage}",
                    left,
                )

            try:
                person = pipeline.reconstruct(photo, out / photo.name, announce)
                results.done[photo.name] = out / photo.name
                results.notes[str(photo.path)] = (*person.notes, *_namesake(photo))
            except InputError as error:
                results.failed[str(photo.path)] = str(error)
            time_left.end()
            progress.update((i + 1) * len(time_left.stages), photo.name)
    write_contact_sheet(results.done, out / "contact.png")
    return results


def _namesake(photo: Photo) -> tuple[str, ...]:
    """A note that says where the results of a photo are whose name was taken by another photo."""
    stem = photo.path.stem
    return (
        ()
        if photo.name == stem
        else (f"another photo is called {stem}; this one's results are in {photo.name}",)
    )
