"""Training curves as SVG with the page's own colors; the same history gives the same bytes."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from markupsafe import escape

BINS = 200
# Colors that matplotlib draws with, and the style of the page that takes their place.
INK = "#010203"
GRID = "#040506"
SERIES = ("#0a0b01", "#0a0b02", "#0a0b03", "#0a0b04", "#0a0b05", "#0a0b06")
STYLE = {
    INK: "var(--muted)",
    GRID: "var(--line)",
    **{c: f"var(--series-{i})" for i, c in enumerate(SERIES)},
}
LOGGED = {"lr", "grad_norm", "step"}


def binned(
    steps: np.ndarray, values: np.ndarray, bins: int = BINS
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Middle step, mean, lowest and highest value of at most `bins` equal parts of the steps."""
    if len(steps) <= bins:
        return steps, values, values, values
    parts = np.array_split(np.arange(len(steps)), bins)
    pick = lambda f, x: np.array([f(x[p]) for p in parts])  # noqa: E731
    return pick(np.mean, steps), pick(np.mean, values), pick(np.min, values), pick(np.max, values)


def series(history: Sequence[dict[str, float]], key: str) -> tuple[np.ndarray, np.ndarray]:
    """Steps and values of one column where it has any."""
    pairs = [(row["step"], row[key]) for row in history if key in row]
    return np.array([p[0] for p in pairs]), np.array([p[1] for p in pairs])


def panels(history: Sequence[dict[str, float]]) -> list[tuple[str, list[str]]]:
    """What is drawn: the loss, its parts of equal ending (`…_rgb`), and what validation found."""
    names = list(dict.fromkeys(k for row in history for k in row if k not in LOGGED))
    checked = [n for n in names if n.startswith("validation")]
    parts = [n for n in names if n not in checked and n != "loss"]
    found = [("loss", ["loss"])] if "loss" in names else []
    by_end: dict[str, list[str]] = {}
    for name in parts:
        by_end.setdefault(name.rsplit("_", 1)[-1], []).append(name)
    if len(parts) > 1:
        found += [(end, group[: len(SERIES)]) for end, group in by_end.items()]
    found += [
        (name.replace("validation_psnr", "validation PSNR (dB)").replace("_", " "), [name])
        for name in checked
    ]
    return found


def curve_svg(
    history: Sequence[dict[str, float]], stage: str, title: str, keys: Sequence[str]
) -> str | None:
    """One panel as an inline `<svg>`, None without two points; stage and title together are unique
    on the page.

    Positive quantities over a wide range get a logarithmic axis.
    """
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    drawn = [(key, *series(history, key)) for key in keys]
    drawn = [d for d in drawn if len(d[1]) > 1]
    if not drawn:
        return None
    context: Any = {
        "svg.hashsalt": f"{stage} {title}",
        "svg.fonttype": "none",
        "font.size": 9,
        "font.family": "sans-serif",
        "axes.edgecolor": GRID,
        "axes.labelcolor": INK,
        "xtick.color": INK,
        "ytick.color": INK,
        "text.color": INK,
    }
    with matplotlib.rc_context(context):
        figure = Figure(figsize=(4.6, 2.5), layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.add_subplot()
        for color, (key, steps, values) in zip(SERIES, drawn, strict=False):
            x, mean, low, high = binned(steps, values)
            if len(steps) > BINS:
                axes.fill_between(x, low, high, color=color, alpha=0.15, linewidth=0)
            few = len(x) <= 30
            axes.plot(
                x,
                mean,
                color=color,
                linewidth=1.6,
                marker="o" if few else None,
                markersize=3.5,
                label=_label(key),
            )
        everything = np.concatenate([d[2] for d in drawn])
        if (
            (everything > 0).all()
            and not keys[0].startswith("validation")
            and everything.max() > 8 * everything.min()
        ):
            axes.set_yscale("log")
            plain = FuncFormatter(lambda value, _: f"{value:g}")
            axes.yaxis.set_major_formatter(plain)
            axes.yaxis.set_minor_locator(LogLocator(subs=(2, 5)))
            axes.yaxis.set_minor_formatter(
                plain if everything.max() < 300 * everything.min() else NullFormatter()
            )
        axes.set_title(title, loc="left", fontsize=10)
        axes.set_xlabel("step")
        axes.grid(color=GRID, linewidth=0.8)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(length=0, which="both")
        if len(drawn) > 1:
            axes.legend(frameon=False, fontsize=8)
        buffer = io.StringIO()
        figure.savefig(
            buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None}
        )
    return _inline(buffer.getvalue(), f"{stage} {title}")


def _label(key: str) -> str:
    return key.rsplit("_", 1)[0].replace("_", " ") if "_" in key else key


def _short(attribute: str) -> str:
    """A tenth of a point is enough, and letters need no space around them."""
    rounded = re.sub(r"\d+\.\d{2,}", lambda m: f"{float(m[0]):.1f}".removesuffix(".0"), attribute)
    return re.sub(r" ?([MLCQz]) ?", r"\1", rounded)


def _inline(svg: str, name: str) -> str:
    """The `<svg>` element alone, without metadata or links, with the page's colors and names of
    its own."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r' xmlns(:\w+)?="[^"]*"', "", svg)
    svg = re.sub(
        r' width="[\d.]+pt" height="[\d.]+pt"',
        f' role="img" class="curve" aria-label="{escape(name)}"',
        svg,
        count=1,
    )
    svg = re.sub(r"\s*\n\s*", " ", svg)
    svg = re.sub(r' (d|x|y|transform)="[^"]*"', lambda m: _short(m[0]), svg)
    svg = re.sub(r"font(-family)?: ([^;\"]*?)'[^;\"]*?sans-serif", r"font\1: \2sans-serif", svg)
    for color, style in STYLE.items():
        svg = svg.replace(color, style)
    prefix = re.sub(r"\W", "-", name)
    names = set(re.findall(r' id="([^"]+)"', svg))
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', svg))
    svg = re.sub(r' id="([^"]+)"', lambda m: f' id="{prefix}-{m[1]}"' if m[1] in used else "", svg)
    svg = re.sub(
        r'(xlink:)?href="#([^"]+)"',
        lambda m: f'href="#{prefix}-{m[2]}"' if m[2] in names else m[0],
        svg,
    )
    return re.sub(
        r"url\(#([^)]+)\)", lambda m: f"url(#{prefix}-{m[1]})" if m[1] in names else m[0], svg
    )
