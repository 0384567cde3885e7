"""The pictures of the report in docs/images, from a finished demo: `python
docs/hooks/screenshots.py results/demo`."""

from __future__ import annotations

import io
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

IMAGES = Path(__file__).parents[1] / "images"
SUBJECT = "people/0003.html"  # 0507
CHROMIUM = "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
MODES = ("gaussians", "mesh", "shape")
GAP = 24  # pixels between the pictures of the modes


def opened(browser: Browser, page: Path, width: int, height: int, scheme: str = "light") -> Page:
    """A page of the report with its viewer drawn."""
    tab = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)  # type: ignore[arg-type]
    tab.goto(page.resolve().as_uri())
    tab.wait_for_selector("[data-drawn]", timeout=60_000)
    tab.wait_for_timeout(1500)
    return tab


def save(tab: Page, name: str, width: int) -> None:
    write(Image.open(io.BytesIO(tab.screenshot())), name, width)


def write(image: Image.Image, name: str, width: int) -> None:
    small = image.convert("RGB").resize(
        (width, round(image.height * width / image.width)), Image.Resampling.LANCZOS
    )
    small.save(IMAGES / f"report_{name}.webp", quality=90, method=6)


def main(run: Path) -> None:
    report = run / "report"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        save(opened(browser, report / "index.html", 1280, 800), "desktop", 960)
        save(opened(browser, report / SUBJECT, 1280, 1480, "dark"), "dark", 880)
        save(opened(browser, report / "index.html", 390, 1500), "phone", 390)
        tab = opened(browser, report / SUBJECT, 1280, 900)
        strips = []
        for mode in MODES:
            tab.click(f'button[data-mode="{mode}"]')
            tab.wait_for_selector(f'[data-drawn="{mode}"]', timeout=60_000)
            tab.wait_for_timeout(1000)
            strips.append(
                Image.open(io.BytesIO(tab.locator("[data-drawn]").first.screenshot())).convert(
                    "RGB"
                )
            )
        browser.close()
    step = strips[0].width + GAP
    row = Image.new(
        "RGB",
        (len(strips) * step - GAP, strips[0].height),
        strips[0].getpixel((0, strips[0].height - 1)),
    )
    for i, strip in enumerate(strips):
        row.paste(strip, (i * step, 0))
    write(row, "viewer", 1200)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
