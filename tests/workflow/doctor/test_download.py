"""Downloads from a real HTTP server on this machine, which can lose the connection, know no ranges,
or serve another file."""

import fcntl
import hashlib
import http.server
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hgm.cli import main
from hgm.errors import InputError
from hgm.workflow.configuration import parse
from hgm.workflow.doctor import download as module
from hgm.workflow.doctor import examination
from hgm.workflow.doctor.download import download, fetch, part_of
from hgm.workflow.doctor.entries import Asset, AssetFile
from hgm.workflow.doctor.examination import fetch_free

CONTENT = bytes(range(256)) * 9000  # 2.3 MB: more than a block
HASH = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Site:
    """What the server has and does."""

    files: dict[str, bytes] = field(
        default_factory=lambda: {"/w.pth": CONTENT, "/config.json": b"{}"}
    )
    ranges: bool = True
    lengths: bool = True  # sends Content-Length
    cut: int | None = None  # closes the connection after so many bytes of an answer
    requests: list[tuple[str, str | None]] = field(default_factory=list)  # path, Range
    sent: int = 0
    url: str = ""


@pytest.fixture
def site() -> Iterator[Site]:
    state = Site()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            state.requests.append((self.path, wanted))
            if self.path == "/moved.pth":
                self.send_response(302)
                self.send_header("Location", "/w.pth")
                self.end_headers()
                return
            data = state.files.get(self.path)
            if data is None:
                self.send_error(404)
                return
            start = (
                int(wanted.removeprefix("bytes=").removesuffix("-"))
                if wanted and state.ranges
                else 0
            )
            if start and start >= len(data):
                self.send_error(416)
                return
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
            if state.lengths:
                self.send_header("Content-Length", str(len(data) - start))
            self.end_headers()
            body = data[start:] if state.cut is None else data[start : start + state.cut]
            state.sent += len(body)
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    yield state
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "für später" / "w.pth"


def test_a_file_arrives_whole(site, target):
    download(f"{site.url}/w.pth", target, sha256=HASH, size=len(CONTENT))
    assert target.read_bytes() == CONTENT and list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("lengths", [True, False])
def test_an_interrupted_download_goes_on(site, target, lengths):
    site.cut = 1_000_000
    site.lengths = lengths
    with pytest.raises(InputError, match=r"broke off after 1000000 bytes .*run the command again"):
        download(f"{site.url}/w.pth", target, sha256=HASH, size=len(CONTENT))
    assert not target.exists() and part_of(target).read_bytes() == CONTENT[:1_000_000]
    site.cut = None
    download(f"{site.url}/w.pth", target, sha256=HASH, size=len(CONTENT))
    assert target.read_bytes() == CONTENT and not part_of(target).exists()
    assert [wanted for _, wanted in site.requests] == [None, "bytes=1000000-"]
    assert site.sent == len(CONTENT)  # no byte twice


def test_a_redirect_keeps_the_range(site, target):
    target.parent.mkdir()
    part_of(target).write_bytes(CONTENT[:500_000])
    download(f"{site.url}/moved.pth", target, sha256=HASH)
    assert target.read_bytes() == CONTENT and site.requests[-1] == ("/w.pth", "bytes=500000-")


def test_a_server_without_ranges_sends_all_again(site, target):
    site.cut = 1_000_000
    with pytest.raises(InputError):
        download(f"{site.url}/w.pth", target, sha256=HASH, size=len(CONTENT))
    site.cut = None
    site.ranges = False
    download(f"{site.url}/w.pth", target, sha256=HASH, size=len(CONTENT))
    assert target.read_bytes() == CONTENT and site.sent == 1_000_000 + len(CONTENT)


@pytest.mark.parametrize("size", [len(CONTENT), None])
def test_another_file_is_refused_and_not_left_behind(site, target, size):
    site.files["/w.pth"] = CONTENT[:-1] + b"?"
    with pytest.raises(InputError, match=f"has SHA-256 .*, published is {HASH}; nothing was kept"):
        download(f"{site.url}/w.pth", target, sha256=HASH, size=size)
    assert list(target.parent.iterdir()) == []


def test_a_part_of_another_file_is_refused(site, target):
    target.parent.mkdir()
    part_of(target).write_bytes(b"x" * 1000)
    with pytest.raises(InputError, match="SHA-256"):
        download(f"{site.url}/w.pth", target, sha256=HASH, size=len(CONTENT))
    assert list(target.parent.iterdir()) == []
    download(f"{site.url}/w.pth", target, sha256=HASH, size=len(CONTENT))
    assert target.read_bytes() == CONTENT


def test_a_refused_file_leaves_the_old_one_alone(site, target):
    target.parent.mkdir()
    target.write_bytes(b"old")
    with pytest.raises(InputError):
        download(f"{site.url}/config.json", target, sha256=HASH)
    assert target.read_bytes() == b"old"


@pytest.mark.parametrize("size", [len(CONTENT), None])
def test_a_part_that_was_whole_is_only_checked(site, target, size):
    target.parent.mkdir()
    part_of(target).write_bytes(CONTENT)
    download(f"{site.url}/w.pth", target, sha256=HASH, size=size)
    assert target.read_bytes() == CONTENT and site.sent == 0


def test_a_file_too_long_is_refused(site, target):
    with pytest.raises(InputError, match="bytes came, the published file has 1000"):
        download(f"{site.url}/w.pth", target, sha256=HASH, size=1000)
    assert list(target.parent.iterdir()) == []


def test_without_a_published_hash_nothing_is_continued(site, target):
    site.cut = 1_000_000
    with pytest.raises(InputError, match="broke off"):
        download(f"{site.url}/w.pth", target)
    assert list(target.parent.iterdir()) == []
    site.cut = None
    part_of(target).write_bytes(b"an older half")
    download(f"{site.url}/w.pth", target)
    assert target.read_bytes() == CONTENT and [wanted for _, wanted in site.requests] == [
        None,
        None,
    ]


def test_what_is_not_there_leaves_nothing(site, target):
    with pytest.raises(InputError, match="the server answers 404"):
        download(f"{site.url}/gone.pth", target, sha256=HASH)
    assert list(target.parent.iterdir()) == []
    with pytest.raises(InputError, match=r"broke off after 0 bytes .*refused"):
        download("http://127.0.0.1:9/w.pth", target, sha256=HASH)
    assert list(target.parent.iterdir()) == []


def test_two_downloads_of_one_file(site, target):
    target.parent.mkdir()
    with open(part_of(target), "ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(InputError, match="another process is downloading"):
            download(f"{site.url}/w.pth", target, sha256=HASH)
    download(f"{site.url}/w.pth", target, sha256=HASH)
    assert target.read_bytes() == CONTENT


def test_a_stop_by_hand_keeps_what_has_come(site, target, monkeypatch, capsys, tmp_path):
    class Hand:
        def __init__(self, *args: object) -> None:
            pass

        def __enter__(self) -> "Hand":
            return self

        def __exit__(self, *reason: object) -> None:
            pass

        def resume(self, step: int) -> None:
            pass

        def update(self, step: int) -> None:
            raise KeyboardInterrupt

    monkeypatch.setattr(module, "Progress", Hand)
    monkeypatch.setattr(module, "LARGE", 0)
    with pytest.raises(KeyboardInterrupt):
        download(f"{site.url}/w.pth", target, sha256=HASH, size=len(CONTENT))
    assert part_of(target).read_bytes() == CONTENT[: module.BLOCK] and not target.exists()
    monkeypatch.setattr(
        examination, "fetch", lambda *args: download(f"{site.url}/w.pth", target, sha256=HASH)
    )
    monkeypatch.chdir(tmp_path)
    assert main(["doctor", "--fetch", "lgm"]) == 130
    assert capsys.readouterr().err.endswith("interrupted; run the same command again to continue\n")


def asset(site: Site, listed: dict[str, Asset], **changes) -> Asset:
    """VGG-16 of the list, served here, with a small file beside it."""
    files = [
        AssetFile(path="sub/w.pth", remote="w.pth", bytes=len(CONTENT), sha256=HASH),
        AssetFile(path="config.json"),
    ]
    return listed["vgg16"].model_copy(
        update={"source": site.url, "folder": "net", "files": files, **changes}
    )


def test_fetch_puts_files_in_their_folder_once(site, listed, tmp_path):
    net = asset(site, listed)
    assert fetch([net], tmp_path).places == {"vgg16": tmp_path / "net"}
    assert (tmp_path / "net/sub/w.pth").read_bytes() == CONTENT and (
        tmp_path / "net/config.json"
    ).read_bytes() == b"{}"
    asked = len(site.requests)
    fetch([net], tmp_path)
    assert len(site.requests) == asked


def test_a_damaged_file_is_fetched_again(site, listed, tmp_path):
    net = asset(site, listed)
    fetch([net], tmp_path)
    (tmp_path / "net/sub/w.pth").write_bytes(CONTENT[:-1] + b"?")
    fetch([net], tmp_path)
    assert (tmp_path / "net/sub/w.pth").read_bytes() == CONTENT


def test_one_failure_does_not_stop_the_others(site, listed, tmp_path):
    bad = asset(site, listed, name="bad", files=[AssetFile(path="gone.pth", sha256=HASH)])
    result = fetch([bad, asset(site, listed)], tmp_path)
    assert set(result.places) == {"vgg16"} and "404" in result.failed["bad"]


def test_no_room(site, listed, tmp_path):
    huge = asset(site, listed, files=[AssetFile(path="w.pth", bytes=10**18, sha256=HASH)])
    assert (
        "are free; make room" in fetch([huge], tmp_path / "new").failed["vgg16"]
        and site.requests == []
    )


def test_a_place_that_cannot_be_made(site, listed, tmp_path):
    (tmp_path / "net").write_text("a file")
    assert "cannot be written" in fetch([asset(site, listed)], tmp_path).failed["vgg16"]


def test_only_what_is_needed_missing_and_free_is_fetched(site, listed, tmp_path, capsys):
    single = asset(
        site, listed, folder=None, files=[AssetFile(path="w.pth", bytes=len(CONTENT), sha256=HASH)]
    )
    assets = [single, listed["scans"]]
    assert fetch_free(parse({}), [], tmp_path, assets) == {} and site.requests == []
    config = parse(
        {
            "scans": {"source": "thuman2"},
            "weights": {"vgg16": str(tmp_path / "w.pth"), "lpips": "x"},
        }
    )
    assert fetch_free(config, [], tmp_path, assets) == {}
    assert (tmp_path / "w.pth").read_bytes() == CONTENT and [path for path, _ in site.requests] == [
        "/w.pth"
    ]
    said = capsys.readouterr().err
    assert "license: BSD" in said and "set weights.vgg16" not in said
    assert fetch_free(config, [], tmp_path, assets) == {} and len(site.requests) == 1
    fetch_free(parse({}), ["vgg16"], tmp_path / "other", assets)
    assert f"set weights.vgg16: {tmp_path}/other/w.pth" in capsys.readouterr().err
    with pytest.raises(InputError, match="scans cannot be fetched freely; expected one of vgg16"):
        fetch_free(config, ["scans"], tmp_path, assets)
