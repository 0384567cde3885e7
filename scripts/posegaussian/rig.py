"""Read the photos of a real rig and rectify them."""

import logging
from functools import partial
from pathlib import Path
from typing import Any

from hgm.core.items import do_items
from hgm.core.job import Job, run
from hgm.core.keys import key_of
from hgm.core.manifests import write_json
from hgm.systems.posegaussian.capture import frame_key, frames_in, heat_of_photos, read_frame
from hgm.systems.posegaussian.check import remarks
from hgm.systems.posegaussian.rectify import write_pair
from hgm.systems.posegaussian.settings import HeatMaps


def main(job: Job) -> None:
    manifest, params = job.path("manifest"), job.params
    root, cameras = Path(params["capture"]["root"]), params["capture"]["cameras"]
    heat = heat_of_photos(HeatMaps(**params["heatmaps"])) if params["heat"] else None
    size, centers = params["pairs"]["size"], params["rectify"]["centers"]

    def work(name: str, mark: Path) -> dict[str, Any]:
        read = partial(read_frame, root, name, cameras, size, heat)
        found = write_pair(read, centers, manifest.parent / f"{name}.npz", mark)
        for remark in remarks(found):
            logging.warning("%s: %s", root / "img" / name, remark)
        return found

    def key(name: str) -> str:
        return key_of(dict(params), frame_key(root, name, cameras, heat))

    marks = manifest.parent / ".pairs"
    outcome = do_items(job, frames_in(root), key=key, work=work, folder=lambda name: marks / name)
    write_json(manifest.with_name("checks.json"), outcome.facts)


if __name__ == "__main__":
    run(main)
