"""An avatar on a pretended CUDA device: pretrained, trained with published weights, folded, with
all that it needs on the device."""

import torch
from pretended_cuda import pretended_cuda, quick_splatting
from small_avatar import design, egg, footage, pretraining, training

from hgm.metrics.lpips import LPIPS
from hgm.systems.animatable.avatar import Avatar
from hgm.systems.animatable.pose_map import position_map
from hgm.systems.animatable.pose_space import PoseSpace
from hgm.systems.animatable.training import first_avatar, pretrain, train


def test_an_avatar_lives_on_cuda(tmp_path):
    film = footage(frames=3)
    for variant, lpips in (("full", LPIPS()), ("skinned", None)):
        out = tmp_path / variant
        with pretended_cuda(), quick_splatting():
            avatar = first_avatar(design(variant), egg(), 0).to("cuda")
            pretrain(avatar, film.frames, pretraining(steps=1), out / "start", out / "one")
            avatar = Avatar.load(out / "start", "cuda").requires_grad_(True)
            settings = training(steps=1, mask=0.1, ring=3, whole=0.0, patch=16)
            train(avatar, film, settings, out, out / "two", lpips=lpips)
            loaded = Avatar.load(out, "cuda").fold()
            assert loaded.canonical.positions.device.type == "cuda"
            space = PoseSpace.load(out / "pose_space.npz", "cuda")
            maps = position_map(loaded.canonical, film.frames.poses[:1].to("cuda"))
            camera = film.capture.cameras["cam0"].to("cuda")
            with torch.no_grad():
                output = loaded(
                    space.project(maps, 2.0),
                    film.frames.transforms[:1].to("cuda"),
                    camera.centers[None],
                )
            assert output.gaussians.means.device.type == "cuda"
            assert bool(output.gaussians.packed().cpu().isfinite().all())
