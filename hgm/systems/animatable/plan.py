"""What the rules of Animatable Gaussians need to know about a configuration, as plain values; it
imports no heavy package."""

from __future__ import annotations

import math
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from hgm.errors import InputError
from hgm.systems.animatable import requests
from hgm.systems.animatable.layout import (
    CALIBRATION,
    MISSING,
    PARAMETERS,
    camera_names,
    frames_of,
    stamp,
    standin_cameras,
)
from hgm.systems.animatable.splits import SPLITS, TEST
from hgm.workflow import plan
from hgm.workflow.plan import ONLY_ASKED, check_pattern

NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}"  # of a motion, which results are called after
RIG = "rig"  # the part of a stand-in's capture that holds cameras and parameters
PART = 40  # frames of any other part, at most
CAMERAS = 16  # of a capture that is still to be brought, as AvatarReX has


class Plan(plan.Plan):
    """The plan of a run of Animatable Gaussians."""

    ON_DEVICE = requests.ON_DEVICE

    def __init__(self, data: Mapping[str, Any]) -> None:
        super().__init__(data)
        places = [(f"capture.{key}", self.config["capture"][key]) for key in ("root", "models")]
        places.append(("template.file", self.config["template"]["file"]))
        places += [("animate.files", path) for path in self.config["animate"]["files"]]
        for key, path in places:
            if path is not None:
                check_pattern(key, path)
        self._check_motions()

    def _check_motions(self) -> None:
        """Raises InputError for motions that are not known, and for names that several have."""
        from hgm.body.motion import CYCLES

        made = self.config["animate"]
        known = (*CYCLES, TEST)
        for name in made["motions"]:
            if name not in known:
                raise InputError(
                    f"animate.motions: {name} is none of {', '.join(known)}; files of motions "
                    "belong into animate.files"
                )
        for path in made["files"]:
            name = motion_of(path)
            if name in known or not re.fullmatch(NAME, name):
                raise InputError(
                    f"animate.files: {path}: its motion is called {name!r}, after the file, or the "
                    f"folder of a {PARAMETERS}; rename it: letters, digits, dots, dashes, but none "
                    f"of {', '.join(known)}"
                )
        if doubled := [name for name, count in Counter(self.motions).items() if count > 1]:
            raise InputError(
                f"animate: two motions are called {doubled[0]}; a file's is that of the file, or "
                f"of the folder of a {PARAMETERS}"
            )

    @property
    def standin(self) -> bool:
        """Whether the run makes its own capture, of a stand-in."""
        return self.config["capture"]["root"] is None

    @cached_property
    def capture(self) -> dict[str, Any]:
        """Section `capture`; frames and cameras of a stand-in's are those that it is made with."""
        section = dict(self.config["capture"])
        if self.standin:
            made = self.config["standin"]
            first, count = made["train_frames"], made["test_frames"]
            section["train"], section["test"] = f"0-{first - 1}", f"{first}-{first + count - 1}"
            section["cameras"], section["held_out"] = standin_cameras(
                made["cameras"], made["held_out"]
            )
        return section

    @cached_property
    def cameras(self) -> list[str]:
        """The cameras that are trained on; those of a calibration that is there now where the
        configuration names none."""
        section = self.capture
        if section["cameras"]:
            return list(section["cameras"])
        found = camera_names(Path(section["root"]), section["layout"])
        return [name for name in found if name not in section["held_out"]]

    def frames(self, kind: str) -> list[int]:
        """The frames of `train` or `test`."""
        return frames_of(self.capture[kind])

    @property
    def variants(self) -> list[str]:
        return list(dict.fromkeys(self.config["evaluate"]["variants"]))

    @property
    def splits(self) -> list[str]:
        """What avatars are measured on; without held-out cameras nothing is seen by them."""
        apart = bool(self.capture["held_out"])
        return [name for name, split in SPLITS.items() if apart or not split.held_out]

    @property
    def motions(self) -> list[str]:
        """Names of what avatars are driven by."""
        made = self.config["animate"]
        return [*made["motions"], *map(motion_of, made["files"])]

    @cached_property
    def parts(self) -> list[str]:
        """The parts of a stand-in's capture, each made by one job."""
        return [RIG, *(f"{kind}{i:03d}" for kind in ("train", "test") for i in self._chunks(kind))]

    def _chunks(self, kind: str) -> range:
        return range(math.ceil(len(self.frames(kind)) / PART))

    def part_frames(self, part: str) -> list[int]:
        """The frames whose pictures a part holds."""
        if part == RIG:
            return []
        kind, number = part[:-3], int(part[-3:])
        frames, count = self.frames(kind), len(self._chunks(kind))
        return [frames[i] for i in range(len(frames)) if i * count // len(frames) == number]

    def capture_of(self, kind: str) -> dict[str, Any]:
        """The settings of jobs on the frames to train on (`train`), or on those to measure on, too
        (`test`). The first do not hold the test frames, so that others train nothing anew."""
        return {k: value for k, value in self.capture.items() if kind == "test" or k != "test"}

    def capture_parts(self, kind: str) -> list[str]:
        """What the jobs write that make the frames to train on, or all of them; nothing where a
        user brings a capture."""
        if not self.standin:
            return []
        wanted = [part for part in self.parts if kind == "test" or not part.startswith(TEST)]
        return [f"<results>/capture/{part}.json" for part in wanted]

    def capture_files(self) -> list[str]:
        """The files of a user's capture but its pictures."""
        if self.standin:
            return []
        root = Path(self.capture["root"])
        needed = [root / CALIBRATION[self.capture["layout"]], root / PARAMETERS]
        missing = root / MISSING
        return self.users([*needed, *([missing] if missing.is_file() else [])])

    def pictures(self) -> str | None:
        """A digest that tells whether a user's pictures changed; None for a stand-in's, and in a
        process that only plans."""
        if self.standin or ONLY_ASKED in os.environ:
            return None
        return stamp(Path(self.capture["root"]))

    # of the stand-in body, which the run writes
    made_body = "<results>/standin/models.json"

    def body_files(self) -> list[str]:
        """The body model that the run writes, or the file that a user brings."""
        section = self.config["capture"]
        if section["models"] is None:
            return [self.made_body]
        return self.users([f"{section['models']}/smplx/SMPLX_{section['gender'].upper()}.npz"])

    def mesh_files(self) -> list[str]:
        """The mesh of a user's template."""
        file = self.config["template"]["file"]
        return [] if file is None else self.users([file])

    def template_files(self) -> list[str]:
        """What the template's job writes; nothing where the body itself is the surface."""
        if self.config["template"]["source"] == "body":
            return []
        return ["<results>/template/template.ply", "<results>/template/weights.npz"]

    def motion_files(self, name: str) -> list[str]:
        """The file that a motion is read from; none for motions of ours and the held-out one."""
        files = self.config["animate"]["files"]
        return self.users([path for path in files if motion_of(path) == name])

    def film_kind(self, name: str) -> str:
        """What of the capture a film follows: its test frames, or those trained on."""
        return "test" if name == TEST else "train"

    def filming(self, name: str) -> dict[str, Any]:
        """The settings of a motion's film. The list of motions is not among them, so that a longer
        one reruns no other film; the length is only that of motions of ours."""
        keys = set(self.config["animate"]) - {"motions", "files"}
        if name == TEST or name not in self.config["animate"]["motions"]:
            keys -= {"seconds"}
        return {key: self.config["animate"][key] for key in sorted(keys)}

    def people(self, rule: str, wildcards: Mapping[str, str]) -> Sequence[str]:
        """The frames of a part of a stand-in's capture, which one job makes one after the other."""
        if rule == "capture":
            return [str(frame) for frame in self.part_frames(wildcards["part"])]
        return []

    def views(self, split: str) -> int:
        """Pictures that a split is measured on."""
        every = self.config["evaluate"]["every"]
        frames = self.frames(SPLITS[split].frames)[::every]
        apart = SPLITS[split].held_out
        cameras = self.capture["held_out"] if apart else self.cameras
        return len(frames) * (len(cameras) or CAMERAS)

    def film_frames(self, name: str) -> int:
        """Pictures of a motion's film; of a file, whose length is not known here, as many as a
        motion of ours has."""
        made = self.config["animate"]
        if name == TEST:
            return len(self.frames("test"))
        return max(1, round(made["seconds"] * made["fps"]))

    def gpus(self, rule: str) -> int:
        """One GPU for what works on the device, unless the configuration says cpu."""
        return int(rule in self.ON_DEVICE and self.config["device"] != "cpu")

    def threads(self, rule: str) -> int:
        """Threads of a job."""
        return 1

    def memory(self, rule: str) -> int:
        """Megabytes of host memory of a job."""
        return requests.memory_mb(self.config, rule, len(self.cameras) or CAMERAS)


def motion_of(path: str) -> str:
    """The name of the motion in a file: that of the file, or of the folder of a capture's
    parameters."""
    file = Path(path)
    return file.resolve().parent.name if file.name == PARAMETERS else file.stem
