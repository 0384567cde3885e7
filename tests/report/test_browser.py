"""The report in a browser: it draws, nothing is missing or fetched, everything is named, and it
works without WebGL."""

import io
import json
import math
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from hgm.cameras import Cameras, orbit
from hgm.gaussians import Gaussians
from hgm.images.views import save_cameras
from hgm.report.bundle import VIEWER, paper_of
from hgm.rig import FOCAL, RADIUS
from hgm.splat import render
from hgm.systems.hgm.report.page import build_report
from hgm.systems.hgm.report.run import Run
from hgm.systems.hgm.report.tables import write_tables

from .conftest import NASTY, figure, metrics, save_png

PAPER = paper_of("hgm")

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = next(
    (
        path
        for name in ("chromium", "chromium-browser", "google-chrome")
        if (path := shutil.which(name))
    ),
    None,
)
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="there is no Chromium on this machine (apt install chromium)"
)
needs_viewer = pytest.mark.skipif(
    not VIEWER.is_file(), reason="the interactive view is not built (make viewer)"
)
# WebGL without a graphics card
PAINTED = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"]
WITHOUT = ["--disable-gpu", "--disable-3d-apis"]
DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}
# where the view begins: distance, polar angle, azimuth
START = (1.1 * RADIUS, math.pi / 2 - 0.06, 0.45)


class Visit:
    """One page, and all that went wrong on it."""

    def __init__(self, context: Any) -> None:
        self.context = context
        self.page = context.new_page()
        self.faults: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("requestfailed", self._failed)
        self.page.on("request", lambda request: self.asked.append(request.url))

    def _said(self, message: Any) -> None:
        # remarks on the speed of drawing
        if message.type in ("error", "warning") and "GL Driver Message" not in message.text:
            self.faults.append(f"{message.type}: {message.text}")

    def _failed(self, request: Any) -> None:
        # by leaving the page, or by a film that has enough
        if request.failure != "net::ERR_ABORTED":
            self.faults.append(f"failed: {request.url}")

    def open(self, path: Path) -> "Visit":
        self.page.goto(path.as_uri(), wait_until="load")
        return self

    def drawn(self, mode: str) -> None:
        self.page.wait_for_selector(f".viewer[data-drawn={mode}]", timeout=30_000)

    def picture(self, selector: str, size: int | None = None) -> np.ndarray:
        """A part of the page as it is on the screen, float [H, W, 3]."""
        image = Image.open(io.BytesIO(self.page.locator(selector).first.screenshot())).convert(
            "RGB"
        )
        if size is not None:
            image = image.resize((size, size), Image.Resampling.BOX)
        return np.asarray(image) / 255.0

    def until(self, holds: Callable[[], bool]) -> bool:
        """Whether it comes to hold; drawing without a graphics card takes its time."""
        return any(holds() or self.page.wait_for_timeout(100) for _ in range(100))

    def clean(self) -> None:
        assert not self.faults
        assert self.asked and all(url.startswith(("file:", "data:", "blob:")) for url in self.asked)


Go = Callable[..., Visit]


@pytest.fixture(scope="module")
def browsers() -> Iterator[Callable[[bool], Any]]:
    with playwright.sync_playwright() as made:
        open_ones: dict[bool, Any] = {}

        def get(webgl: bool) -> Any:
            if webgl not in open_ones:
                open_ones[webgl] = made.chromium.launch(
                    executable_path=CHROMIUM, args=PAINTED if webgl else WITHOUT
                )
            return open_ones[webgl]

        yield get
        for browser in open_ones.values():
            browser.close()


@pytest.fixture
def go(browsers: Callable[[bool], Any]) -> Iterator[Go]:
    contexts = []

    def visit(
        path: Path,
        *,
        webgl: bool = True,
        scheme: str = "light",
        size: dict[str, int] = DESKTOP,
        still: bool = True,
    ) -> Visit:
        context = browsers(webgl).new_context(
            viewport=size,
            color_scheme=scheme,
            offline=True,
            reduced_motion="reduce" if still else "no-preference",
        )
        contexts.append(context)
        return Visit(context).open(path)

    yield visit
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def report(finished: tuple[Path, dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    run, config = finished
    write_tables(Run(run, config), PAPER)
    return build_report(run, tmp_path_factory.mktemp("browser"), config).parent


def spread(image: np.ndarray) -> float:
    """Share of pixels that are not white."""
    return float((image.min(-1) < 0.97).mean())


# pieces of text whose contrast with their ground is under 4.5, which WCAG 2 asks of text
CONTRAST = """() => {
  const linear = (v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const rgba = (text) => {
    const v = text.match(/[\\d.]+/g).map(Number);
    return [v[0], v[1], v[2], v[3] ?? 1];
  };
  const found = {}, walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const node = walk.currentNode, element = node.parentElement;
    if (!node.data.trim() || element.closest("svg, script, .banner, .tag, option")) continue;
    if (!element.checkVisibility()) continue;
    let behind = element, back = [0, 0, 0, 0];
    while (behind && back[3] < 1) {
      back = rgba(getComputedStyle(behind).backgroundColor);
      behind = behind.parentElement;
    }
    const text = light(rgba(getComputedStyle(element).color));
    const [a, b] = [text, light(back)].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) found[node.data.trim().slice(0, 40)] = ratio.toFixed(2);
  }
  return found;
}"""


@pytest.mark.parametrize(
    ("scheme", "size"), [("light", DESKTOP), ("dark", PHONE)], ids=["desktop", "phone, dark"]
)
def test_pages_open_whole_readable_and_without_network(
    go: Go, report: Path, scheme: str, size: dict[str, int]
) -> None:
    for name in ("index.html", "people/0001.html", "people/0003.html"):
        visit = go(report / name, scheme=scheme, size=size)
        if VIEWER.is_file():
            visit.page.locator(".viewer").scroll_into_view_if_needed()
            visit.drawn("gaussians")
        visit.page.evaluate("for (const image of document.images) image.loading = 'eager'")
        visit.page.wait_for_function("[...document.images].every((image) => image.complete)")
        assert (
            visit.page.evaluate(
                "[...document.images].filter((image) => !image.naturalWidth).length"
            )
            == 0
        )
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= size["width"], name
        assert visit.page.evaluate(CONTRAST) == {}, name
        visit.clean()


@needs_viewer
def test_the_viewer_draws_the_gaussians_as_our_own_renderer_does(
    go: Go, report: Path, finished: tuple[Path, dict[str, Any]]
) -> None:
    visit = go(report / "people" / "0001.html")
    visit.drawn("gaussians")
    run, config = finished
    radius, polar, azimuth = START
    # to the camera
    z = np.array(
        [math.sin(polar) * math.sin(azimuth), math.cos(polar), math.sin(polar) * math.cos(azimuth)]
    )
    x = np.cross([0, 1, 0], z)
    x /= np.linalg.norm(x)
    world_to_camera = torch.eye(4)
    world_to_camera[:3, :3] = torch.tensor(np.stack([x, -np.cross(z, x), -z]))
    world_to_camera[2, 3] = radius
    # a pixel of this size has at the camera's distance the extent that one of the training pictures
    # has at the rig's
    size = round(config["rendering"]["size"] * radius / RADIUS)
    K = torch.tensor([[FOCAL * size, 0, size / 2], [0, FOCAL * size, size / 2], [0, 0, 1]])
    truth = (
        render(
            Gaussians.load_ply(run / "subjects" / "full" / "0505" / "gaussians.ply"),
            Cameras(K[None], world_to_camera[None], size, size),
        )
        .rgb[0]
        .movedim(0, -1)
        .numpy()
    )
    person = truth.min(-1) < 0.8
    assert 0.04 < spread(truth) < 0.5

    def difference() -> np.ndarray:
        found = np.abs(visit.picture(".viewer canvas", size) - truth)
        # the frame and its round corners
        found[:3] = 0
        found[-3:] = 0
        found[:, :3] = 0
        found[:, -3:] = 0
        return found

    assert visit.until(lambda: difference().mean() < 0.01) and difference()[person].mean() < 0.06
    visit.clean()


@needs_viewer
def test_the_viewer_draws_the_mesh_and_turns_it(go: Go, report: Path) -> None:
    visit = go(report / "people" / "0001.html")
    visit.drawn("gaussians")
    visit.page.click("text='Mesh'")
    visit.drawn("mesh")

    def middle() -> np.ndarray:
        return visit.picture(".viewer canvas", 200)[90:110, 90:110].reshape(-1, 3).mean(0)

    def share() -> float:
        return spread(visit.picture(".viewer canvas", 200)[4:-4, 4:-4]) * 0.96**2

    # a ball of radius 0.5 as wide as tan asin(0.5 / distance) at the focal length
    radius = FOCAL * math.tan(math.asin(0.5 / START[0]))
    assert visit.until(lambda: share() == pytest.approx(math.pi * radius**2, rel=0.03))
    red, green, blue = middle()
    assert red > 2 * green and red > 2 * blue
    canvas = visit.page.locator(".viewer canvas")
    canvas.focus()
    for _ in range(21):
        visit.page.keyboard.press("ArrowRight")
    assert visit.until(lambda: middle()[2] > 1.5 * middle()[0])
    visit.page.keyboard.press("+")
    assert visit.until(lambda: share() > 1.15 * math.pi * radius**2)
    visit.page.click("text='Mesh without color'")
    visit.drawn("shape")
    assert visit.until(lambda: np.ptp(middle()) < 0.06 and middle().mean() < 0.95)
    assert visit.page.get_attribute("[data-mode=shape]", "aria-pressed") == "true"
    visit.page.click("[data-mode=film]")
    assert visit.page.locator(".viewer video").is_visible() and not canvas.is_visible()
    visit.clean()


@needs_viewer
def test_dragging_turns_and_the_wheel_scrolls(go: Go, report: Path) -> None:
    visit = go(report / "people" / "0001.html")
    visit.drawn("gaussians")
    before = visit.picture(".viewer canvas", 100)
    frame = visit.page.locator(".viewer canvas").bounding_box()
    x = frame["x"] + frame["width"] / 2
    y = frame["y"] + frame["height"] / 2
    visit.page.mouse.move(x, y)
    visit.page.mouse.down()
    visit.page.mouse.move(x + 150, y, steps=5)
    visit.page.mouse.up()
    assert visit.until(lambda: np.abs(visit.picture(".viewer canvas", 100) - before).mean() > 0.01)
    visit.page.wait_for_timeout(500)
    after = visit.picture(".viewer canvas", 100)
    visit.page.mouse.move(x, y)
    visit.page.mouse.wheel(0, 300)
    visit.page.wait_for_function("scrollY > 100")
    visit.page.wait_for_timeout(300)
    assert np.abs(visit.picture(".viewer canvas", 100) - after).mean() < 0.002  # zooming takes ctrl
    visit.clean()


@needs_viewer
def test_without_webgl_there_is_the_film(go: Go, report: Path) -> None:
    visit = go(report / "people" / "0001.html", webgl=False, still=False)
    visit.page.wait_for_selector(".viewer .note:has-text('no WebGL')")
    visit.page.wait_for_function("document.querySelector('.viewer video').currentTime > 0.2")
    assert (
        visit.page.locator("canvas").count() == 0 and not visit.page.locator(".modes").is_visible()
    )
    assert 0.03 < spread(visit.picture(".viewer video")) < 0.7
    visit.clean()


def test_a_slider_uncovers_the_truth(go: Go, report: Path) -> None:
    visit = go(report / "people" / "0001.html")
    control = visit.page.locator(".slider input").nth(1)
    control.scroll_into_view_if_needed()
    visit.page.add_style_tag(
        content=".slider .pair::after, .slider .tag { display: none !important }"
    )

    def at(keys: list[str]) -> np.ndarray:
        for key in keys:
            control.press(key)
        visit.page.wait_for_function(
            "[...document.querySelectorAll('.slider img')].every((image) => image.complete)"
        )
        box = visit.page.locator(".slider .pair").nth(1)
        return (
            np.asarray(Image.open(io.BytesIO(box.screenshot())).convert("RGB").resize((90, 90)))
            / 255.0
        )

    middle = at([])
    truth = at(["Home"])
    ours = at(["End"])
    assert np.abs(truth - ours).mean() > 0.004
    assert (
        np.abs(middle[:, :42] - ours[:, :42]).mean() < 0.002
        and np.abs(middle[:, 48:] - truth[:, 48:]).mean() < 0.002
    )
    assert control.get_attribute("aria-label").startswith("90°")
    visit.clean()


def test_every_part_has_a_name(go: Go, report: Path) -> None:
    """In the tree that screen readers get."""
    named = {
        "button",
        "link",
        "img",
        "image",
        "slider",
        "searchbox",
        "textbox",
        "combobox",
        "video",
        "Video",
        "table",
        "meter",
        "application",
        "navigation",
    }
    for name in ("index.html", "people/0003.html"):
        visit = go(report / name)
        if VIEWER.is_file():
            visit.drawn("gaussians")
        nodes = visit.context.new_cdp_session(visit.page).send("Accessibility.getFullAXTree")[
            "nodes"
        ]
        seen = [
            (n["role"]["value"], n.get("name", {}).get("value", "").strip())
            for n in nodes
            if not n["ignored"]
        ]
        roles = {role for role, _ in seen}
        assert (
            {"link", "table", "searchbox", "combobox"} <= roles
            if name == "index.html"
            else {"slider", "image"} & roles
        )
        assert not [role for role, label in seen if role in named and not label], name
        if name != "index.html":
            assert any(
                NASTY.replace("\n", " ") in re.sub(r"\s+", " ", label)
                for role, label in seen
                if role in ("img", "image")
            )


def test_films_stand_still_where_motion_is_unwanted(go: Go, report: Path) -> None:
    for still in (True, False):
        visit = go(report / "people" / "0001.html", webgl=False, still=still)
        if not still:
            visit.page.wait_for_function("!document.querySelector('video').paused")
        visit.page.wait_for_timeout(300)
        assert visit.page.evaluate("document.querySelector('video').paused") is still


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report on 500 people, small ones that share their files."""
    folder = tmp_path_factory.mktemp("many")
    first = folder / "one"
    save_png(first / "input.png", figure(0, (70, 110, 200), size=24))
    save_cameras(first, orbit(size=24))
    for i in range(12):
        for kind in ("novel", "truth"):
            save_png(
                first / f"{kind}_{i:02d}.png", figure(i * math.pi / 6, (70, 110, 200), size=24)
            )
    for index in range(500):
        place = folder / "run" / "subjects" / "full" / f"person {index:03d}"
        place.mkdir(parents=True)
        for path in first.iterdir():
            os.link(path, place / path.name)
        (place / "metrics.json").write_text(
            json.dumps(metrics(place.name, "full", (index * 7) % 500))
        )
    run = Run(folder / "run", {})
    write_tables(run, PAPER)
    return build_report(run.folder, folder / "report", {}).parent


def test_five_hundred_people_open_at_once(go: Go, many: Path) -> None:
    assert (many / "index.html").stat().st_size < 400_000 and len(
        list(many.glob("people/0*.html"))
    ) == 500
    visit = go(many / "index.html", size=PHONE)
    page = visit.page
    assert page.locator("#gallery li").count() == 24
    # pictures come when they are near
    assert len([url for url in visit.asked if url.endswith((".png", ".jpg"))]) < 12
    page.fill("#find", "Person 49")
    assert page.locator("#gallery li").count() == 10 and page.text_content("#found") == "10 of 500"
    page.fill("#find", "")
    page.select_option("#order", "best")
    order = [
        float(value)
        for value in page.eval_on_selector_all(
            "#gallery li", "items => items.map((i) => i.dataset.value)"
        )
    ]
    assert order == sorted(order, reverse=True) and len(order) == 24
    page.click("#more")
    assert page.locator("#gallery li").count() == 120
    page.fill("#find", "499")
    page.click("#gallery a")
    page.wait_for_selector("h1:has-text('person 499')")
    assert (
        page.get_attribute("a[rel=prev]", "href") == "../people/0499.html"
        and page.locator("a[rel=next]").count() == 0
    )
    page.go_back()
    page.click("text=All 501 rows >> nth=0")
    page.wait_for_selector("tbody th:has-text('person 250')")
    visit.clean()
