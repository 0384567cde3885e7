"""The texts under `source` in a body's file, which say where the body comes from, and the words
that tables use for them."""

from __future__ import annotations

from collections.abc import Collection

from hgm.body.estimators.programs import PROGRAMS

# begins the source of a body made in place of an estimator's
DISTURBED = "TRUE FIT DISTURBED BY SEEDED NOISE, no estimator was run"
LANDMARKS = "MediaPipe Pose"  # a body fitted to its landmarks
GIVEN = "given: "
REFINED = "refined from: "
# of whole variants, besides the titles of the programs
DISTURBED_BODIES = "disturbed"
OTHER_BODIES = "given"


def first_bodies(sources: Collection[str]) -> str:
    """One word for what made the first bodies of several people, by the sources of their first or
    refined bodies: the title of a program where it made all, `disturbed` where any is a true fit,
    else `given`."""
    if any(DISTURBED in source for source in sources):
        return DISTURBED_BODIES
    made = {source.removeprefix(REFINED).removeprefix(GIVEN) for source in sources}
    titles = [LANDMARKS, *(program.title for program in PROGRAMS.values())]
    return next((title for title in titles if made == {title}), OTHER_BODIES)
