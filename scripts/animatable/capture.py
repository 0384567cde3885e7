"""Film some frames of the stand-in's capture, or write what all of its frames share."""

from hgm.core.job import Job, run
from hgm.core.keys import file_digest
from hgm.core.manifests import write_json
from hgm.core.progress import Progress
from hgm.systems.animatable.settings import Standin
from hgm.systems.animatable.standin_capture import make_frames, write_rig


def main(job: Job) -> None:
    params = job.params
    manifest, frames = job.path("manifest"), params["frames"]
    root, standin = manifest.parent, Standin(**params["standin"])
    if not frames:
        files = write_rig(root, standin, params["seed"])
        members = {path.name: file_digest(path) for path in files}
        write_json(manifest, {"stage": job.rule, "members": members})
        return
    outcome = make_frames(
        root,
        standin,
        frames,
        seed=params["seed"],
        scratch=root / f".{job.wildcards['part']}",
        workers=job.threads,
        common=params["code"],
        progress=Progress(job.rule, len(frames)).update,
    )
    write_json(manifest, outcome.manifest(job.rule))


if __name__ == "__main__":
    run(main)
