"""A rule that is new in `rules/` is planned, counted and shown without a further list."""

from pathlib import Path

import pytest
from checkouts import WORKFLOW, copy_checkout, said

RULE = """
rule greet:
    input:
        "<results>/run.json",
    output:
        "<results>/greeting/{chunk}.txt",
    log:
        "<logs>/greet/{chunk}.log",
    benchmark:
        "<benchmarks>/greet/{chunk}.jsonl"
    shell:
        "touch {output} {log}"
"""
WANTED = """        other_results,
        expand("<results>/greeting/{chunk}.txt", chunk=plan.chunks),
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> Path:
    """A checkout with one more rule, whose outputs the whole run asks for."""
    folder = copy_checkout(tmp_path_factory.mktemp("rule") / "checkout", WORKFLOW)
    (folder / "rules/greet.smk").write_text(RULE)
    text = (folder / "Snakefile").read_text()
    text = text.replace("        other_results,\n", WANTED)
    text = text.replace("\n\nonstart:", '\ninclude: "rules/greet.smk"\n\n\nonstart:')
    (folder / "Snakefile").write_text(text)
    return folder


def row(text: str) -> list[str]:
    return next(line.split() for line in text.splitlines() if line.startswith("greet"))


def test_a_new_rule_is_shown_everywhere(checkout):
    tiny = ("--configfile", "config/hgm/tiny.yaml")
    assert row(said(checkout, "-m", "hgm.cli", "plan", *tiny))[1:3] == ["3", "3"]
    assert row(said(checkout, "-m", "hgm.cli", "status", *tiny))[1:] == [".", ".", ".", ".", "3"]
    done = said(
        checkout,
        *("-m", "snakemake", "--cores", "1", *tiny),
        *("--workflow-profile", "profiles/default", "--", "results/tiny/greeting/test000.txt"),
    )
    assert "1 of 2  record" in done and "2 of 2  greet/test000" in done
    assert row(said(checkout, "-m", "hgm.cli", "status", *tiny))[1:] == ["1", ".", ".", ".", "2"]
