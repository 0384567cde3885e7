"""Poses inside their limits, skinning equal to the smplx package, outfits that fit together."""

from pathlib import Path

import numpy as np
import pytest
import torch

from hgm.body.joints import ACROSS, BODY_NAMES, LIMITS, split_joint
from hgm.standin.assets import FILE_GENDER, load_assets
from hgm.standin.body import core
from hgm.standin.body.pose import TEMPLATES, sample_pose
from hgm.standin.body.skinning import pose_body
from hgm.standin.clothes.outfit import (
    HAIR,
    LOWEST_HEM,
    PATTERNS,
    SHOES,
    TOPS,
    sample_outfit,
    top_level,
)
from hgm.standin.person import arms_are_free, sample_body, sample_looks


def test_templates_name_known_joints() -> None:
    parts = {split_joint(name)[1] for name in BODY_NAMES}
    for template in TEMPLATES.values():
        assert {joint.split("_")[-1] for joint in template.joints} <= parts


def test_poses_stay_inside_the_limits_of_every_joint() -> None:
    rng = np.random.default_rng(1)
    seen = set()
    for _ in range(300):
        name, pose = sample_pose(rng)
        seen.add(name)
        for joint, angles in zip(BODY_NAMES, pose, strict=True):
            side, _, family = split_joint(joint)
            limits = LIMITS[family]
            left = angles * ACROSS if side == "r" else angles
            # central joints may be mirrored as a whole
            both = [left] if side else [left, left * ACROSS]
            inside = [
                ((a >= np.array(limits.low) - 1e-12) & (a <= np.array(limits.high) + 1e-12)).all()
                for a in both
            ]
            assert any(inside), (name, joint, angles)
    assert seen == set(TEMPLATES)


@pytest.fixture(scope="module")
def smplx_body(tmp_path_factory: pytest.TempPathFactory) -> torch.nn.Module:
    smplx = pytest.importorskip("smplx")
    folder = Path(tmp_path_factory.mktemp("models")) / "smplx"
    folder.mkdir()
    np.savez(folder / f"SMPLX_{FILE_GENDER.upper()}.npz", **core.model(FILE_GENDER))
    return smplx.create(
        folder.parent, "smplx", gender=FILE_GENDER, ext="npz", use_pca=True, num_pca_comps=12
    )


@pytest.mark.parametrize(("seed", "gender"), [(0, "female"), (1, "male")])
def test_skinning_equals_the_smplx_package(
    smplx_body: torch.nn.Module, seed: int, gender: str
) -> None:
    assets = load_assets()
    body = sample_body(assets, gender, np.random.default_rng(seed))
    mine = body.posed.carry(body.posed.rest, assets.skeleton.weights)
    with torch.no_grad():
        theirs = (
            smplx_body(**{key: torch.as_tensor(value) for key, value in body.fit.items()})
            .vertices[0]
            .numpy()
        )
    assert np.abs(mine - theirs).max() < 1e-5
    assert np.ptp(mine, axis=0).max() > 1.2


def test_accepted_poses_keep_the_arms_off_the_trunk() -> None:
    assets = load_assets()
    body = sample_body(assets, "male", np.random.default_rng(7))
    assert arms_are_free(assets, body.posed)
    folded = {key: value.copy() for key, value in body.fit.items()}
    shoulder = BODY_NAMES.index("left_shoulder")
    # the arm through the thigh
    folded["body_pose"][0, 3 * shoulder : 3 * shoulder + 3] = (0, 0, -1.6)
    assert not arms_are_free(assets, pose_body(assets.skeleton, folded))


def test_outfits_are_known_words_and_jackets_leave_room() -> None:
    rng = np.random.default_rng(2)
    for gender in ("female", "male") * 60:
        outfit = sample_outfit(gender, rng)
        assert (
            outfit.top in {*TOPS, "dress"} and outfit.shoes in SHOES and outfit.pattern in PATTERNS
        )
        assert outfit.hair in HAIR[gender]
        assert outfit.cut.hem >= LOWEST_HEM and outfit.jacket_hem >= LOWEST_HEM
        assert not (outfit.dress and (outfit.jacket or outfit.bottom != "skirt"))
        assert not (outfit.jacket and outfit.loose > 0.4)
        assert gender == "female" or outfit.bottom != "skirt"


def test_a_top_ends_at_neck_sleeve_and_hem() -> None:
    outfit = sample_outfit("male", np.random.default_rng(3))
    cut = outfit.cut
    points = np.array(
        [[0, 0, 0.1], [0, 0.3, 0.1], [0, outfit.hem - 0.05, 0.1], [cut.sleeve + 0.05, 0.1, 0.0]]
    )
    assert (top_level(points, cut, outfit.hem) > 0).tolist() == [True, False, False, False]


def test_colors_are_colors() -> None:
    rng = np.random.default_rng(4)
    for gender in ("female", "male") * 40:
        looks = sample_looks(gender, rng)
        for color in (looks.skin, looks.hair, looks.brow, looks.lips, looks.nails, looks.iris):
            assert color.shape == (3,) and color.min() >= 0 and color.max() <= 1
        assert gender == "male" or looks.beard == 0


def test_raised_thighs_wear_no_skirt() -> None:
    rng = np.random.default_rng(5)
    assert all(sample_outfit("female", rng, skirts=False).bottom != "skirt" for _ in range(80))
