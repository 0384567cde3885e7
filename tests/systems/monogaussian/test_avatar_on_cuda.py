"""An avatar on a pretended CUDA device: trained, measured with published weights, filmed, with all
that it needs on the device."""

import numpy as np
import torch
from pretended_cuda import pretended_cuda, quick_splatting
from small_head import SIZE, footage, subject, tiny

from hgm.metrics.lpips import LPIPS
from hgm.systems.monogaussian.animation import film_avatar
from hgm.systems.monogaussian.avatar import HeadAvatar
from hgm.systems.monogaussian.driving import Driving
from hgm.systems.monogaussian.evaluation import Means, refined
from hgm.systems.monogaussian.losses import VGGLoss
from hgm.systems.monogaussian.settings import Evaluate
from hgm.systems.monogaussian.training import train_avatar
from hgm.systems.monogaussian.variants import VARIANTS


def test_an_avatar_lives_on_cuda(tmp_path):
    film = footage()
    settings = tiny(epochs=1, warm_steps=2, tracking_start=0.0)
    head = subject(film.expression)
    for variant in ("full", "bound"):
        with pretended_cuda(), quick_splatting():
            avatar = train_avatar(
                film,
                head,
                settings,
                VARIANTS[variant],
                tmp_path / variant,
                tmp_path / variant / "state",
                device="cuda",
                vgg=VGGLoss() if variant == "full" else None,
            )
            assert avatar.points.device.type == "cuda"
            loaded = HeadAvatar.load(tmp_path / variant, "cuda")
            expression, pose = refined(
                loaded, film, Evaluate(refine_steps=1), settings, backend="auto"
            )
            driver = Driving(
                "clip",
                tuple("12"),
                film.expression[:2].numpy(),
                film.pose[:2].numpy(),
                np.full((2, 2), 1.6, np.float32),
                np.full((2, 2), 0.5, np.float32),
                film.cameras.world_to_camera[:2].numpy(),
            )
            film_avatar(loaded, driver, tmp_path / variant / "film", size=SIZE)
        assert expression.isfinite().all() and pose.isfinite().all()
        assert (tmp_path / variant / "film/rgb.mp4").stat().st_size > 0


def test_published_measures_are_on_the_device_of_the_pictures():
    with pretended_cuda():
        means = Means(LPIPS().to("cuda"))
        one, two = torch.rand(2, 1, 3, 40, 40).to("cuda")
        means.add("full", "standard", one, two)
        assert np.isfinite(means.table()["full"]["standard"]["lpips"])
