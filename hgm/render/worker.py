"""A process that renders scans: `python -m hgm.render.worker JOB.json`, started by
`hgm.render.chunk`.

It reads one scan a line from standard input, {"name", "obj", "fit", "key"}, and answers each with
one line: {"done": name}, {"rejected": name, "reason"} or, of a disk that takes nothing more,
{"storage": number, "path"}. Before the first it says {"ready": device} or {"failed": reason}. It
ends with its input. A process of its own, because a broken scan can take Blender down with it.
"""

from __future__ import annotations

import json
import os
import sys
from functools import partial
from pathlib import Path
from typing import IO

from hgm.core.items import do_once
from hgm.core.processes import die_with_parent
from hgm.errors import STORAGE, InputError
from hgm.render.member import STAGE, MemberRendering, render_member
from hgm.scans.thuman import ScanFiles


def main(job_path: str) -> int:
    die_with_parent()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever else prints must not get between the answers
    job = json.loads(Path(job_path).read_text())
    settings = MemberRendering(**job["settings"])
    out = Path(job["out"])
    try:
        from hgm.render.blender import Renderer

        scratch = Path(job_path).parent  # the parent clears it up, even after a crash
        renderer = Renderer(samples=settings.samples, device=settings.device, scratch=scratch)
        from hgm.body.model import BodyModel
        from hgm.core.processes import use_threads

        use_threads(1)
        model = BodyModel.load(Path(job["models"]), settings.gender)
    except InputError as error:
        _say(answers, failed=str(error))
        return 1
    with renderer:
        _say(answers, ready=renderer.device)
        for line in sys.stdin:
            item = json.loads(line)
            files = ScanFiles(item["name"], Path(item["obj"]), Path(item["fit"]))
            try:
                render = partial(render_member, renderer, model, files, settings)
                do_once(out / files.name, STAGE, item["key"], render)
            except InputError as error:
                _say(answers, rejected=files.name, reason=str(error))
            except OSError as error:
                if error.errno is None or error.errno not in STORAGE:
                    raise
                _say(answers, storage=error.errno, path=str(error.filename))
                return 1
            else:
                _say(answers, done=files.name)
    return 0


def _say(answers: IO[str], **message: str | int) -> None:
    answers.write(json.dumps(message) + "\n")
    answers.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
