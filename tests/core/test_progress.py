"""How far a piece of work is: on a terminal, in a job's log, and nowhere else."""

import io
import logging
import os
import sys

import pytest
from terminal import ErrorsOnTerminal, screen

from hgm.core import progress
from hgm.core.progress import Progress, clock


class Watch:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def watch(monkeypatch) -> Watch:
    made = Watch()
    monkeypatch.setattr(progress, "time", made)
    return made


def test_a_terminal_shows_stage_step_rate_time_left_and_note(monkeypatch, watch):
    terminal = ErrorsOnTerminal(monkeypatch)
    with Progress("coarse", 60) as progress:
        for step in (1, 12, 13, 60):
            watch.now = 1000.0 + step / 2
            progress.update(step, f"loss {step / 100}")
    drawn = terminal.end().replace("\r\n", "\n").split("\r\x1b[K")[1:]
    assert drawn == [
        "coarse 0/60",
        "coarse 1/60  2.00/s  0:00:30 left  loss 0.01",
        "coarse 12/60  2.00/s  0:00:24 left  loss 0.12",
        "coarse 13/60  2.00/s  0:00:24 left  loss 0.13",
        "coarse 60/60  2.00/s  in 0:00:30  loss 0.6\n",
    ]


def test_drawings_are_not_faster_than_eyes(monkeypatch, watch):
    terminal = ErrorsOnTerminal(monkeypatch)
    progress = Progress("x", 10000)
    for step in range(1, 1025):
        watch.now += 1 / 1024
        progress.update(step)
    # at the start and at the first step, then one each 0.2 s
    assert 5 <= terminal.end().count("x ") <= 2 + 5


def test_work_that_ends_early_leaves_an_empty_line(monkeypatch):
    terminal = ErrorsOnTerminal(monkeypatch)
    with pytest.raises(ValueError), Progress("reading", 3) as progress:
        progress.update(1, "a")
        raise ValueError
    terminal.stream.write("error: a.png: bad\n")
    assert screen(terminal.end()) == ["error: a.png: bad", ""]


def test_work_whose_steps_nobody_counts_shows_its_name(monkeypatch):
    terminal = ErrorsOnTerminal(monkeypatch)
    with Progress("reading results/demo") as progress:
        progress.update(0)
    text = terminal.end()
    assert "reading results/demo" in text and screen(text) == [""]


def test_a_long_line_is_cut_at_the_edge(monkeypatch):
    import fcntl
    import struct
    import termios

    terminal = ErrorsOnTerminal(monkeypatch)
    fcntl.ioctl(terminal.stream.fileno(), termios.TIOCSWINSZ, struct.pack("HHHH", 24, 40, 0, 0))
    Progress("a stage of many words " * 4, 3)
    shown = screen(terminal.end())
    assert len(shown) == 1 and len(shown[0]) == 39 and shown[0].endswith("…")


def test_a_pipe_gets_nothing(monkeypatch, capsys, caplog):
    with Progress("x", 2) as progress:
        progress.update(1)
        progress.update(2)
    stream = io.StringIO()
    Progress("x", 2, stream=stream).update(2)
    assert capsys.readouterr() == ("", "") and caplog.text == "" and stream.getvalue() == ""


def test_a_job_has_a_line_in_its_log_now_and_then_and_at_the_end(watch, caplog, capsys):
    caplog.set_level(logging.INFO)
    progress = Progress("coarse", 60, every=15.0)
    for step in range(1, 61):
        watch.now = 1000.0 + step
        progress.update(step)
    assert [r.getMessage() for r in caplog.records] == [
        "coarse 5/60  1.00/s  0:00:55 left",
        "coarse 20/60  1.00/s  0:00:40 left",
        "coarse 35/60  1.00/s  0:00:25 left",
        "coarse 50/60  1.00/s  0:00:10 left",
        "coarse 60/60  1.00/s  in 0:01:00",
    ]
    assert capsys.readouterr() == ("", "")


def test_a_job_on_a_terminal_keeps_to_its_log(monkeypatch, caplog):
    """Its messages and the line would run into each other."""
    caplog.set_level(logging.INFO)
    terminal = ErrorsOnTerminal(monkeypatch)
    Progress("x", 2).update(2)
    assert terminal.end() == "" and "x 2/2" in caplog.text


def test_a_resumed_work_counts_its_own_steps(watch):
    progress = Progress("x", 100)
    progress.resume(90)
    watch.now += 10
    assert progress.text(95) == "x 95/100  0.50/s  0:00:10 left" and progress.rate(95) == 0.5
    assert progress.text(90) == "x 90/100"


def test_slow_steps_are_counted_by_the_minute_and_known_times_go_first(watch):
    progress = Progress("x", 4)
    watch.now += 60
    assert progress.text(1) == "x 1/4  1.0/min  0:03:00 left"
    assert progress.text(1, "a", left=3725.0) == "x 1/4  1.0/min  1:02:05 left  a"
    assert clock(None) == "-"


def test_items_as_they_are_worked_on(monkeypatch):
    monkeypatch.setattr(Progress, "PAUSE", 0.0)
    terminal = ErrorsOnTerminal(monkeypatch)
    done = []
    for item in Progress("x", 2).each(iter("ab"), str.upper):
        done.append(item)
        assert sys.stderr is terminal.stream and os.isatty(sys.stderr.fileno())
    text = terminal.end()
    assert (
        done == ["a", "b"]
        and "x 0/2  A" in text
        and "x 1/2  " in text
        and "  B" in text
        and "x 2/2  " in text
    )
