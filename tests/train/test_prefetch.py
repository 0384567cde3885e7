"""Batches made ahead are the same batches, in the same order, and errors arrive where they
belong."""

import threading

import pytest

from hgm.train.prefetch import Prefetch


def test_threads_change_neither_what_is_made_nor_its_order():
    for threads in (0, 3):
        batches = Prefetch(lambda i: i * i, stride=2, threads=threads)
        assert [batches[i] for i in range(5, 45, 2)] == [i * i for i in range(5, 45, 2)]
        batches.close()


def test_the_next_ones_are_begun_before_they_are_asked_for():
    made = set()
    enough = threading.Event()

    def make(i):
        made.add(i)
        if len(made) >= 4:
            enough.set()
        return i

    batches = Prefetch(make, threads=2, ahead=3)
    assert batches[10] == 10
    assert enough.wait(60) and made >= {10, 11, 12, 13}
    batches.close()


def test_an_error_is_raised_by_the_batch_it_belongs_to():
    def make(i):
        if i == 2:
            raise ValueError("scan 2")
        return i

    batches = Prefetch(make, threads=2)
    assert [batches[0], batches[1]] == [0, 1]
    with pytest.raises(ValueError, match="scan 2"):
        batches[2]
    assert batches[3] == 3
    batches.close()


def test_the_last_one_may_be_asked_for_again():
    for threads in (0, 2):
        made = []
        batches = Prefetch(lambda i, made=made: made.append(i) or [i], threads=threads, ahead=1)
        assert batches[3] is batches[3] and batches[4] == [4] and made.count(3) == 1
        batches.close()
