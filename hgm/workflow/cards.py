"""What devices do at best, from their makers' data sheets, and what share of that a plan counts on,
which is assumed."""

from __future__ import annotations

from dataclasses import dataclass

from hgm.errors import InputError


@dataclass(frozen=True)
class Card:
    """Peak rates of one device; dense, without sparsity. `source` is where they stand."""

    title: str
    bf16: float  # FLOP/s of matrix products and convolutions
    tf32: float  # … of convolutions of float32, which torch gives to the tensor cores
    memory: float  # bytes/s
    link: float  # bytes/s from card to card
    gpu: bool
    source: str


CARDS = {
    "h100": Card(
        "H100 SXM",
        989.4e12,
        494.7e12,
        3.35e12,
        900e9,
        True,
        "NVIDIA H100 Tensor Core GPU data sheet",
    ),
    "a100": Card(
        "A100 SXM 80 GB",
        312e12,
        156e12,
        2.039e12,
        600e9,
        True,
        "NVIDIA A100 Tensor Core GPU data sheet",
    ),
    "l40s": Card(
        "L40S", 362.05e12, 183e12, 864e9, 64e9, True, "NVIDIA L40S data sheet; cards meet over PCIe"
    ),
    # no data sheet tells what one core of a shared machine does; torch rounds nothing to 16 bits
    # here
    "cpu": Card(
        "CPU, one core a job",
        88e9,
        88e9,
        18e9,
        5e9,
        False,
        "`hgm bench` on one core of an AMD EPYC (docs/benchmarks.md)",
    ),
}


@dataclass(frozen=True)
class Range:
    """A number and what it may be; sums take all that is added as wrong to the same side."""

    low: float = 0.0
    likely: float = 0.0
    high: float = 0.0

    def __add__(self, other: Range) -> Range:
        return Range(self.low + other.low, self.likely + other.likely, self.high + other.high)

    def __mul__(self, factor: float) -> Range:
        return Range(factor * self.low, factor * self.likely, factor * self.high)

    @classmethod
    def within(cls, likely: float, factor: float) -> Range:
        """Up to `factor` times less or more."""
        return cls(likely / factor, likely, likely * factor)


Shares = tuple[float, float, float]  # the best, the likely and the worst that a plan counts on


@dataclass(frozen=True)
class Assumed:
    """Shares of the peak rates, by the kind of work, and seconds a call."""

    networks: Shares  # of the FLOPs of convolutions, matrix products and attention
    memory: Shares  # of bytes between layers and of optimizers
    # of the least that splatting has to move: sorting and blending are most of its work
    splats: Shares
    call: Shares  # seconds of a pass's hundreds of small operations


# Two figures of an H200 frame the first three: the released networks at 125 ms (one and two views,
# eager, 16 bits) and the released renderer at 46 ms (three sets, 12 views, with gradients) near the
# worst, the goals of docs/benchmarks.md near the best.
ON_GPU = Assumed((0.6, 0.35, 0.2), (0.8, 0.6, 0.4), (0.025, 0.01, 0.004), (0.003, 0.008, 0.02))
# fitted to `hgm bench` at the two small presets and the trainings of their runs
ON_CPU = Assumed((0.9, 0.6, 0.3), (0.9, 0.6, 0.3), (0.1, 0.05, 0.025), (0.015, 0.03, 0.06))
HOST: Shares = (0.5, 1.0, 2.0)  # of the seconds of one core: cores differ
LINK = 0.3


def assumed(card: Card) -> Assumed:
    """The shares for a device."""
    return ON_GPU if card.gpu else ON_CPU


def card_for(name: str | None, device: str) -> Card:
    """The device that a plan is for; without a name what suits `device` of the configuration.

    Raises InputError for an unknown name, and for a GPU where the configuration wants none.
    """
    if name is None:
        return CARDS["a100" if device.startswith("cuda") else "cpu"]
    if name not in CARDS:
        raise InputError(f"--device: {name!r} is unknown; expected one of {', '.join(CARDS)}")
    if CARDS[name].gpu and device == "cpu":
        raise InputError(
            f"--device: {name} is a GPU and the configuration says device: cpu; set device: auto "
            "or cuda"
        )
    return CARDS[name]
