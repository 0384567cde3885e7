"""docs/data.md: how to get each asset and where to put it, from the list of assets and the preset
of the paper."""

from __future__ import annotations

from hgm.core.checkout import ROOT
from hgm.workflow.configuration import load
from hgm.workflow.doctor.entries import Asset, load_assets

PRESET = "config/hgm/thuman2.yaml"
INTRO = f"""# Data and weights

Generated from `resources/assets.yaml` (`hgm doctor --markdown > docs/data.md`).

The demo needs none of these. A configuration holds their paths; `hgm doctor` says which of them are
missing or damaged:

```
.venv/bin/hgm doctor --configfile {PRESET}            # what is needed, and its state
.venv/bin/hgm doctor --configfile {PRESET} --fetch    # first fetch what is free, into assets/
```

Runs are offline: fetch once, on a machine with internet, then copy the folder. `--into DIR` chooses
another folder, `--fetch NAME …` fetches assets by name, needed or not. An interrupted download
continues where it stopped; a file whose SHA-256 is not the published one is deleted. The exit
status is 0 when all that is needed is there, else 1.

| state | meaning |
|---|---|
| intact | all that can be checked was: a published hash, or the whole content |
| present | there, with the right names, classes and file headers; no published hash |
| missing, damaged | not there, or not what it should be; the last column says what to do |
| not needed | this configuration does not use it |

Of scans, only the presence of files, the material and both ends of the texture are checked; the
rule `catalogue` reads every file in full.
"""


def to_markdown() -> str:
    """The whole page."""
    assets = load_assets()
    preset = load(ROOT / PRESET)
    lines = [
        INTRO,
        "## What there is",
        "",
        "| name | what | for | terms | size | key | read by |",
        "|---|---|---|---|---|---|---|",
    ]
    for a in assets:
        terms = f"{a.license}; {'free to fetch' if a.free else a.gate}"
        key = f"`{a.key}`" if a.key else "–"
        rules = ", ".join(f"`{rule}`" for rule in a.rules) or "–"
        lines.append(
            f"| `{a.name}` | {a.title} | {a.use} | {terms} | {size(a)} | {key} | {rules} |"
        )
    lines += ["", f"## For `{PRESET}`", ""]
    for a in assets:
        if a.needed(preset):
            lines += [
                f"### {a.title}",
                "",
                f"{_link(a)}{_sentence(a.get)}",
                "",
                f"`{a.key}: {a.path(preset)}`",
                "",
            ]
            lines += [
                "```",
                *(f"{_below(a, str(a.path(preset)), pattern)}" for pattern in a.layout),
                "```",
                "",
            ]
            lines += _hashes(a)
    lines += ["## Others", ""]
    for a in assets:
        if not a.needed(preset):
            files = (
                f" Files: {', '.join(f'`{pattern}`' for pattern in a.layout)}." if a.layout else ""
            )
            lines += [f"**{a.title}.** {_link(a)}{_sentence(a.get)}{files}", "", *_hashes(a)]
    return "\n".join(lines).rstrip("\n") + "\n"


def size(asset: Asset) -> str:
    """Size of the download as text, where it is published."""
    if asset.size is not None:
        return asset.size
    if asset.bytes is None:
        return "not published"
    return (
        f"{asset.bytes / 1e9:.2f} GB"
        if asset.bytes >= 1e9
        else f"{asset.bytes / 1e6:.2f} MB"
        if asset.bytes >= 1e4
        else f"{asset.bytes} bytes"
    )


def _below(asset: Asset, path: str, pattern: str) -> str:
    """Path of a file in the listing: the key's value for a single file, a path below it for a file
    of a folder."""
    return path if asset.folder is None and asset.free else f"{path}/{pattern}"


def _link(asset: Asset) -> str:
    return f"<{asset.url}>: " if asset.url else ""


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + "."


def _hashes(asset: Asset) -> list[str]:
    known = [file for file in asset.files if file.sha256 is not None]
    if not known:
        return []
    return [
        "| file | SHA-256 |",
        "|---|---|",
        *(f"| `{file.path}` | `{file.sha256}` |" for file in known),
        "",
    ]
