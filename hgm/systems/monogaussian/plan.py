"""What MonoGaussianAvatar's rules need to know about a configuration, as plain values; it imports
no heavy package."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from hgm.body.flame_files import HEAD_FILE, LANDMARKS_FILE, head_file
from hgm.errors import InputError
from hgm.systems.monogaussian import requests
from hgm.systems.monogaussian.layout import PARAMETERS, files_beside
from hgm.workflow import plan
from hgm.workflow.plan import check_pattern

NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}"  # of a driver, which results are called after
FILMS = ("sweep", "orbit")  # drivers that no file holds


class Plan(plan.Plan):
    """The plan of a run of MonoGaussianAvatar."""

    ON_DEVICE = requests.ON_DEVICE

    def __init__(self, data: Mapping[str, Any]) -> None:
        super().__init__(data)
        video = self.config["video"]
        for key in ("root", "models"):
            if video[key] is not None:
                check_pattern(f"video.{key}", video[key])
        for path in self.config["animate"]["files"]:
            check_pattern("animate.files", path)
        self._check_drivers()

    def _check_drivers(self) -> None:
        """Raises InputError for drivers that are not known, and for names that several have."""
        made = self.config["animate"]
        for name in made["drivers"]:
            known = (*FILMS, *self.clips)
            if name not in known and (self.standin or not Path(self.clip(name)).is_file()):
                raise InputError(
                    f"animate.drivers: {name} is neither one of {', '.join(known)} nor another "
                    "clip of the subject"
                )
        for path in made["files"]:
            name = driver_of(path)
            if name in FILMS or not re.fullmatch(NAME, name):
                raise InputError(
                    f"animate.files: {path}: its driver is called as the file's folder, {name!r}; "
                    f"rename the folder: letters, digits, dots, dashes, but none of "
                    f"{', '.join(FILMS)}"
                )
        if doubled := [name for name, count in Counter(self.drivers).items() if count > 1]:
            raise InputError(
                f"animate: two drivers are called {doubled[0]}; a file's is that of its folder"
            )

    @property
    def standin(self) -> bool:
        """Whether the run makes its own video, of a stand-in."""
        return self.config["video"]["root"] is None

    @property
    def training_clips(self) -> list[str]:
        return list(self.config["video"]["train"])

    @property
    def clips(self) -> list[str]:
        """The clips that the run trains on, then the one that it measures on."""
        return [*self.training_clips, self.config["video"]["test"]]

    @property
    def variants(self) -> list[str]:
        return list(dict.fromkeys(self.config["evaluate"]["variants"]))

    @property
    def protocols(self) -> list[str]:
        return list(dict.fromkeys(self.config["evaluate"]["protocols"]))

    @property
    def drivers(self) -> list[str]:
        """Names of what avatars are driven by."""
        made = self.config["animate"]
        return [*made["drivers"], *map(driver_of, made["files"])]

    def clip(self, name: str) -> str:
        """The file of a clip's parameters, which its pictures lie beside."""
        video = self.config["video"]
        root = "<results>/video" if video["root"] is None else video["root"]
        return f"{root}/{video['subject']}/{video['subject']}/{name}/{PARAMETERS}"

    @property
    def made_clip(self) -> str:
        """The same for each clip that the run makes."""
        subject = self.config["video"]["subject"]
        return f"<results>/video/{subject}/{subject}/{{clip}}/{PARAMETERS}"

    def staging(self, clip: str) -> dict[str, Any]:
        """The settings that decide a stand-in's clip, with its number of frames."""
        section = dict(self.config["standin"])
        kinds = {kind: section.pop(f"{kind}_frames") for kind in ("train", "test")}
        is_test = clip == self.config["video"]["test"]
        if is_test:  # it is measured by its true parameters
            section |= {"pose_noise": 0.0, "expression_noise": 0.0}
        else:
            section |= {"held_out_every": 0, "lone": 0}
        return {**section, "frames": kinds["test" if is_test else "train"]}

    def measuring(self, protocol: str) -> dict[str, Any]:
        """The settings of a protocol's measurements. The lists of variants and protocols are not
        among them, so that a longer list reruns no other job."""
        keys = ("refine_steps", "refine_lr") if protocol == "imavatar" else ()
        return {key: self.config["evaluate"][key] for key in keys}

    def filming(self, driver: str) -> dict[str, Any]:
        """The settings of a driver's films; a clip has its own number of frames."""
        keys = ("frames", "size", "fps") if driver in FILMS else ("size", "fps")
        return {key: self.config["animate"][key] for key in keys}

    def clip_files(self, name: str) -> list[str]:
        """The clip that the run makes, or the files of a clip that a user brings."""
        if self.standin:
            return self.parameters(name)
        beside = files_beside(Path(self.clip(name)).parent)
        return [*self.parameters(name), *self.users(beside)]

    def parameters(self, name: str) -> list[str]:
        """The file of a clip's parameters, as an input of a job."""
        path = self.clip(name)
        return [path] if self.standin else self.users([path])

    def driver_files(self, name: str) -> list[str]:
        """The file of parameters that a driver follows; none for a film that needs none."""
        if name in FILMS:
            return []
        for path in self.config["animate"]["files"]:
            if driver_of(path) == name:
                return self.users([path])
        return self.parameters(name)

    # the files of the stand-in head, which the run writes
    made_head = f"<results>/standin/models/FLAME2020/{HEAD_FILE}"
    made_landmarks = f"<results>/standin/models/FLAME2020/{LANDMARKS_FILE}"

    def head_files(self) -> list[str]:
        """The head model that the run writes, or the file that a user brings."""
        models = self.config["video"]["models"]
        if models is None:
            return [self.made_head]
        return self.users([head_file(models)])

    def people(self, rule: str, wildcards: Mapping[str, str]) -> Sequence[str]:
        """The frames of a stand-in's clip, which one job makes one after the other."""
        if rule == "head_video":
            return [str(i + 1) for i in range(self.frames(wildcards["clip"]))]
        return []

    def frames(self, clip: str) -> int:
        """Frames of a clip. Of one that cannot be read now, such as that of a video that is still
        to be brought, as many as two minutes of training or half a minute of test have."""
        if self.standin:
            return int(self.staging(clip)["frames"])
        try:
            return len(json.loads(Path(self.clip(clip)).read_text())["frames"])
        except (OSError, ValueError, KeyError, TypeError):
            return 750 if clip == self.config["video"]["test"] else 3000

    @cached_property
    def training_frames(self) -> int:
        """Frames of all training clips."""
        return sum(map(self.frames, self.training_clips))

    def gpus(self, rule: str) -> int:
        """One GPU for what works on the device, unless the configuration says cpu."""
        return int(rule in self.ON_DEVICE and self.config["device"] != "cpu")

    def threads(self, rule: str) -> int:
        """Threads of a job."""
        return 1

    def memory(self, rule: str) -> int:
        """Megabytes of host memory of a job."""
        return requests.memory_mb(self.config, rule, self.training_frames)


def driver_of(path: str) -> str:
    """The name of the driver in a file of parameters: that of the clip's folder."""
    return Path(path).resolve().parent.name
