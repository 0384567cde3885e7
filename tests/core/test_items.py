import pytest

from hgm.core.items import MemberTimes, finished, for_each, read_times
from hgm.errors import InputError, ScanError


def run(root, names, done, key=lambda n: "k", bad=()):
    def work(name, folder):
        if name in bad:
            raise ScanError(f"{name}: broken")
        done.append(name)
        (folder / "result").write_text(name)

    return for_each(names, "stage", folder=lambda n: root / n, key=key, work=work)


def test_members_are_done_once_for_a_key(tmp_path):
    done: list[str] = []
    run(tmp_path, ["a", "b"], done)
    run(tmp_path, ["a", "b", "c"], done)
    assert done == ["a", "b", "c"]
    run(tmp_path, ["a"], done, key=lambda n: "new")
    assert done == ["a", "b", "c", "a"] and finished(tmp_path / "a", "stage", "new")


def test_a_bad_member_is_noted_and_the_others_go_on(tmp_path):
    done: list[str] = []
    outcome = run(tmp_path, ["a", "b", "c"], done, bad={"b"})
    assert (
        done == ["a", "c"]
        and outcome.failed == {"b": "b: broken"}
        and list(outcome.members) == ["a", "c"]
    )
    assert outcome.manifest("stage")["failed"] == {"b": "b: broken"}
    assert {path.name for path in tmp_path.iterdir()} == {"a", "c"}  # no empty folder of b


def test_nothing_left_is_an_error(tmp_path):
    with pytest.raises(InputError, match="none of 2 members"):
        run(tmp_path, ["a", "b"], [], bad={"a", "b"})


def test_a_half_done_member_is_done_again(tmp_path):
    with pytest.raises(RuntimeError):
        for_each(
            ["a"],
            "stage",
            folder=lambda n: tmp_path / n,
            key=lambda n: "k",
            work=lambda n, f: crash(),
        )
    assert not finished(tmp_path / "a", "stage", "k")
    done: list[str] = []
    run(tmp_path, ["a"], done)
    assert done == ["a"]


def crash():
    raise RuntimeError("power cut")


def test_a_manifest_names_the_backends_of_all_its_members(tmp_path):
    """Members that were finished before, perhaps on another machine, keep theirs."""

    def job(names, backend):
        return for_each(
            names,
            "stage",
            folder=lambda n: tmp_path / n,
            key=lambda n: "k",
            work=lambda n, folder: (folder / "result").touch(),
            backends={"splat": backend},
        )

    assert job(["a"], "numba").manifest("stage")["backends"] == {"splat": ["numba"]}
    assert job(["a", "b"], "gsplat").manifest("stage")["backends"] == {"splat": ["gsplat", "numba"]}
    assert "backends" not in run(tmp_path, ["c"], []).manifest("stage")


def test_the_time_of_a_member_is_kept_apart_from_its_results(tmp_path):
    path = tmp_path / "benchmarks" / "x.members.json"
    with MemberTimes(path).measured("a") as more:
        more["frames_per_second"] = 3.0
    times = MemberTimes(path)  # a later job does what is left
    with pytest.raises(InputError), times.measured("bad"):
        raise InputError("no")
    with times.measured("b"):
        pass
    found = read_times(path)
    assert (
        set(found) == {"a", "b"}
        and found["a"]["frames_per_second"] == 3.0
        and found["b"]["seconds"] >= 0
    )
    path.write_text("[")
    assert MemberTimes(path).known == {}
