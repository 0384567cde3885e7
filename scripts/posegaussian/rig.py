"""Read the photos of a real rig and rectify them."""

from functools import partial
from pathlib import Path
from typing import Any

from hgm.core.items import do_items
from hgm.core.job import Job, run
from hgm.core.keys import key_of
from hgm.core.manifests import write_json
from hgm.systems.posegaussian.capture import frame_key, frames_in, read_frame
from hgm.systems.posegaussian.check import log_remarks
from hgm.systems.posegaussian.rectify import write_pair


def main(job: Job) -> None:
    manifest, params = job.path("manifest"), job.params
    root, cameras = Path(params["capture"]["root"]), params["capture"]["cameras"]
    decides = cameras, params["size"], params["rectify"], params["code"]

    def work(name: str, mark: Path) -> dict[str, Any]:
        read = partial(read_frame, root, name, cameras, params["size"])
        out, centers = manifest.parent / f"{name}.npz", params["rectify"]["centers"]
        return write_pair(read, centers, out, mark)

    outcome = do_items(
        job,
        frames_in(root),
        key=lambda name: key_of(*decides, frame_key(root, name, cameras)),
        work=work,
        folder=lambda name: manifest.parent / ".pairs" / name,
        may_lack_all=True,
    )
    write_json(job.path("checks"), outcome.facts)
    log_remarks(outcome.facts, params["degrees"])


if __name__ == "__main__":
    run(main)
