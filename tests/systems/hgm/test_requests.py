"""What jobs ask for follows the configuration; the numbers behind it are those of the networks."""

import pytest
from checkouts import ROOT

from hgm.systems.hgm import requests
from hgm.systems.hgm.bench.footprint import footprint, table
from hgm.systems.hgm.networks.config import HGMConfig
from hgm.workflow.configuration import load, parse

PAPER_SCANS = {"train": 500, "val": 5}


def config(name: str, **changes) -> dict:
    """A preset with some values changed, `section__key` or `key`."""
    data = load(ROOT / name).model_dump(mode="json")
    for key, value in changes.items():
        *section, last = key.split("__")
        (data[section[0]] if section else data)[last] = value
    return parse(data).model_dump(mode="json")


def memory(rule: str, scans: dict[str, int] = PAPER_SCANS, **changes) -> int:
    """At the paper's sizes on one GPU."""
    one = {"coarse__gpus": 1, "fusion__gpus": 1}
    return requests.memory_mb(config("config/hgm/thuman2.yaml", **{**one, **changes}), rule, scans)


@pytest.mark.parametrize("preset", requests.NETWORKS)
def test_sizes_of_networks_are_those_that_the_networks_have(preset):
    size, millions, *kept = requests.NETWORKS[preset]
    for views in (1, 2):
        network = getattr(HGMConfig, preset)(views)
        found = footprint(network, precision="fp32")
        assert network.input_size == size
        assert millions == pytest.approx(found.parameters / 1e6, rel=0.01)
        assert kept[views - 1] == pytest.approx(found.networks / 1e6, rel=0.03)
        assert found.lpips / 12 / 1e6 == pytest.approx(requests.LPIPS_IMAGE, rel=0.03)


def test_memory_grows_with_what_is_held():
    one = memory("coarse")
    # 3 GB of process, 6.3 of pictures, 2.1 of batches, 7.7 while weights are written, and a quarter
    assert 18_000 <= one <= 28_000
    assert memory("coarse", coarse__gpus=4) > 50_000
    assert (
        max(memory("coarse", rendering__size=256), memory("coarse", network__preset="medium")) < one
    )
    assert memory("coarse", coarse__batch=8) > one
    assert memory("coarse", {"train": 50, "val": 1}) < one - 5000
    # activations are in host memory
    assert memory("fusion", device="cpu") > memory("coarse", device="cpu") > memory("coarse")
    # Stable Diffusion
    assert memory("reconstruct") - memory("reconstruct", base__folder=None) > 8000
    assert memory("base") <= 1000  # links


def test_the_training_page_says_what_the_paper_s_preset_asks_for():
    text = " ".join((ROOT / "docs/training.md").read_text().split())
    one = memory("coarse") / 1000
    four = memory("coarse", coarse__gpus=4) / 1000
    assert (
        f"At the paper's sizes `coarse` asks for {one:g} GB on one GPU and {four:g} GB on four."
        in text
    )


def test_a_large_data_set_stays_within_the_store():
    many = memory("coarse", {"train": 5000, "val": 5})
    assert many - memory("coarse") < requests.MARGIN * (requests.STORE / 1e6 - 6291) + requests.STEP


@pytest.mark.parametrize("device", ["cuda", "cpu"])
def test_the_processes_of_a_job_hold_their_decoded_pictures_once(device):
    few = {"train": 50, "val": 5}
    one, four = (
        memory("coarse", coarse__gpus=n, device=device)
        - memory("coarse", few, coarse__gpus=n, device=device)
        for n in (1, 4)
    )
    assert abs(one - four) <= requests.STEP and one > 5000


def test_pictures_to_train_on_and_to_watch_share_one_limit():
    assert memory("coarse", {"train": 5000, "val": 5}) == memory(
        "coarse", {"train": 5000, "val": 5000}
    )


@pytest.mark.parametrize(
    ("changes", "asked"),
    [
        ({"device": "cpu"}, set()),
        ({"device": "auto"}, {*requests.ON_DEVICE}),
        ({"device": "cuda"}, {*requests.ON_DEVICE}),
        ({"device": "cuda", "base__folder": "sd"}, {*requests.ON_DEVICE} - {"base"}),
        ({"device": "cpu", "rendering__device": "gpu"}, {"render"}),
    ],
)
def test_a_gpu_is_asked_for_where_one_is_used(changes, asked):
    made = config("config/hgm/tiny.yaml", **changes)
    assert {
        rule
        for rule in (*requests.ON_DEVICE, "render", "estimate", "evaluate")
        if requests.gpus(made, rule)
    } == asked


def test_a_named_gpu_gets_threads_that_read_ahead():
    four = config("config/hgm/tiny.yaml", device="cuda", coarse__gpus=4, coarse__accumulate=4)
    assert requests.gpus(four, "coarse") == 4 and requests.threads(four, "coarse") == 4 * (
        1 + requests.LOADERS
    )
    assert (
        requests.threads(four, "controlnet") == 1 + requests.LOADERS
        and requests.threads(four, "mesh") == 1
    )
    # `auto` may take the CPU, where a thread more would slow the others down
    for device, threads in (("auto", 4), ("cpu", 4)):
        assert requests.threads({**four, "device": device}, "coarse") == threads
        assert requests.threads({**four, "device": device}, "controlnet") == 1


def test_the_table_of_cards_is_the_computed_one():
    assert table() in (ROOT / "docs/training.md").read_text()
