"""Downloads from folder and HTTP mirrors: what arrives, what is refused, what each failure leaves behind."""

from __future__ import annotations

import io
import os
import stat
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from shop import CACHED, PICTURES, Shop, picture

from srlib import datasets, downloads
from srlib._paths import cache_dir
from srlib.datasets import DataError


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    shop = Shop(tmp_path, monkeypatch)
    shop.describe(PICTURES)
    return shop


class Handler(SimpleHTTPRequestHandler):
    """Serves the mirror; `broken` maps a path to (status, number of bytes to cut from the body)."""

    broken: dict[str, tuple[int, int]] = {}  # noqa: RUF012  # set anew for each test by the fixture
    asked: list[str] = []  # noqa: RUF012

    def do_GET(self) -> None:
        self.asked.append(self.path)
        status, cut = self.broken.get(self.path, (200, 0))
        if status != 200:
            return self.send_error(status)
        file = Path(self.translate_path(self.path))
        if not file.is_file():
            return self.send_error(404)
        content = file.read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) - cut])

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server(shop: Shop) -> Iterator[type[Handler]]:
    handler = type("OneTest", (Handler,), {"broken": {}, "asked": []})
    address = ("127.0.0.1", 0)
    with ThreadingHTTPServer(address, partial(handler, directory=str(shop.mirror))) as http:
        shop.monkeypatch.setenv("SRLIB_DATA_MIRROR", f"http://127.0.0.1:{http.server_port}/")
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield handler
        http.shutdown()
        thread.join()


def test_folder_mirror(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    assert datasets.is_cached("tiny")
    folder = datasets.fetch("tiny", progress=False)
    assert folder == cache_dir() / "datasets" / "tiny"
    assert shop.cached() == CACHED
    assert datasets.verify("tiny") == []
    assert capsys.readouterr() == ("", "")
    shop.monkeypatch.delenv("SRLIB_DATA_MIRROR")
    assert datasets.is_cached("tiny")
    assert datasets.fetch("tiny") == folder  # from the cache: no mirror, no network


def test_http_mirror(shop: Shop, server: type[Handler], capsys: pytest.CaptureFixture[str]) -> None:
    assert not datasets.is_cached("tiny")
    datasets.fetch("tiny")
    assert shop.cached() == CACHED
    assert sorted(server.asked) == sorted(f"/{path}" for path in PICTURES)
    assert "100%" in capsys.readouterr().err
    datasets.fetch("tiny")
    assert len(server.asked) == len(PICTURES)


def test_passing_server_error_is_tried_again(shop: Shop, server: type[Handler]) -> None:
    class Mended(dict[str, tuple[int, int]]):
        def get(self, key: str, default: object = None) -> object:  # type: ignore[override]
            return self.pop(key, default)

    server.broken = Mended({"/tiny/one/p0.png": (503, 0), "/tiny/two/p1.png": (200, 5)})
    datasets.fetch("tiny", progress=False)
    assert shop.cached() == CACHED
    assert len(server.asked) == len(PICTURES) + 2


def test_http_shortened(shop: Shop, server: type[Handler]) -> None:
    server.broken["/tiny/one/p1.png"] = (200, 7)
    with pytest.raises(DataError, match=r"tiny/one/p1.png: cannot download http://127.*SRLIB_DATA_MIRROR"):
        datasets.fetch("tiny", progress=False)
    assert set(shop.cached()) <= set(CACHED) - {"datasets/tiny/one/p1.png"}


def test_http_missing_is_not_asked_for_twice(shop: Shop, server: type[Handler]) -> None:
    (shop.mirror / "tiny/two/p2.png").unlink()
    with pytest.raises(DataError, match=r"tiny/two/p2.png: cannot download .*404"):
        datasets.fetch("tiny", progress=False)
    assert server.asked.count("/tiny/two/p2.png") == 1
    assert "datasets/tiny/two/p2.png" not in shop.cached()


def test_no_network(shop: Shop) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        closed = f"http://127.0.0.1:{http.server_port}"
    shop.monkeypatch.setenv("SRLIB_DATA_MIRROR", closed)
    with pytest.raises(DataError, match=r"SRLIB_DATA_MIRROR to a folder.*SRLIB_CACHE(.|\n)*0 of 6 files"):
        datasets.fetch("tiny", progress=False)
    assert shop.cached() == []


def _corrupt(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_corrupt, r"wrong SHA-256 from .*expected [0-9a-f]{64}, got [0-9a-f]{64}"),
        (
            lambda path: path.write_bytes(path.read_bytes()[:-3]),
            r"wrong size from .*expected \d+ bytes, got \d+",
        ),
        (lambda path: path.write_bytes(path.read_bytes() + b"x"), r"wrong size from .*got more than \d+"),
        (Path.unlink, r"the mirror has no readable .*No such file.*unset SRLIB_DATA_MIRROR"),
    ],
    ids=["corrupted", "shortened", "lengthened", "missing"],
)
def test_damaged_mirror_leaves_nothing(shop: Shop, damage: Callable[[Path], object], message: str) -> None:
    damage(shop.mirror / "tiny/one/p1.png")
    with pytest.raises(DataError, match=f"tiny/one/p1.png: {message}"):
        datasets.fetch("tiny", progress=False)
    assert set(shop.cached()) <= set(CACHED) - {"datasets/tiny/one/p1.png"}


def test_interrupted_then_resumed(shop: Shop, server: type[Handler]) -> None:
    shop.monkeypatch.setattr(downloads, "_WORKERS", 1)  # in order, so that half of it is known
    server.broken["/tiny/two/p0.png"] = (404, 0)
    with pytest.raises(DataError, match="3 of 6 files of tiny are in the cache; call again"):
        datasets.fetch("tiny", progress=False)
    assert shop.cached() == CACHED[:3]
    server.broken.clear()
    server.asked.clear()
    datasets.fetch("tiny", progress=False)
    assert shop.cached() == CACHED
    assert server.asked == [f"/{path}" for path in sorted(PICTURES)[3:]]


def test_control_c_leaves_nothing_partial(shop: Shop) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    shop.monkeypatch.setattr(downloads, "as_completed", interrupt)
    with pytest.raises(KeyboardInterrupt):
        datasets.fetch("tiny", progress=False)
    assert set(shop.cached()) <= set(CACHED)
    shop.monkeypatch.undo()


def test_damaged_cache_is_noticed_and_mended(shop: Shop) -> None:
    folder = datasets.fetch("tiny", progress=False)
    _corrupt(folder / "one/p0.png")
    (folder / "two/p1.png").unlink()
    faults = datasets.verify("tiny")
    assert [fault.split(":")[0] for fault in faults] == ["tiny/one/p0.png", "tiny/two/p1.png"]
    assert "SHA-256" in faults[0]
    assert "missing" in faults[1]
    datasets.fetch("tiny", progress=False)
    assert datasets.verify("tiny") == []


def test_left_overs_of_a_killed_process_are_swept(shop: Shop) -> None:
    folder = shop.cache / "datasets/tiny/one"
    folder.mkdir(parents=True)
    old, young = folder / ".p0.png.0.part", folder / ".p0.png.1.part"
    for path in (old, young):
        path.write_bytes(b"x")
    os.utime(old, (1, 1))
    datasets.fetch("tiny", progress=False)
    assert young.exists()  # may belong to a process that is still at work
    assert not old.exists()


def test_cache_that_cannot_be_written(shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    shop.monkeypatch.setenv("SRLIB_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(DataError, match=r"cannot write .*Set SRLIB_CACHE to a folder that can be written"):
        datasets.fetch("tiny", progress=False)


def test_pooch_is_named_where_it_is_missing(shop: Shop, server: type[Handler]) -> None:
    shop.monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(DataError, match="pip install pooch"):
        datasets.fetch("tiny", progress=False)
    assert shop.cached() == []


# ---- archives


def _zip(shop: Shop, members: dict[str | zipfile.ZipInfo, bytes]) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    for old in shop.mirror.rglob("*.png"):
        old.unlink()
    shop.describe({"tiny/Pictures_HR.zip": buffer.getvalue()}, kind="zip")


def test_archive_is_extracted_and_checked(shop: Shop) -> None:
    _zip(shop, {f"HR/{i}.png": picture(i) for i in range(3)})
    assert datasets.is_cached("tiny")
    folder = datasets.fetch("tiny", progress=False)
    expected = [f"datasets/tiny/Pictures_HR/{name}" for name in (".contents.json", *(f"HR/{i}.png" for i in "012"))]
    assert shop.cached() == expected  # the archive itself is gone
    assert [sample.name for sample in datasets.images("tiny")] == [f"Pictures_HR/HR/{i}" for i in "012"]
    shop.monkeypatch.setenv("SRLIB_DATA_MIRROR", str(shop.data))  # holds nothing: the cache has to do
    assert datasets.fetch("tiny", progress=False) == folder
    _corrupt(folder / "Pictures_HR/HR/1.png")
    assert "Pictures_HR.zip/HR/1.png: SHA-256" in datasets.verify("tiny")[0]
    (folder / "Pictures_HR/HR/2.png").unlink()
    assert not datasets.is_cached("tiny")
    shop.monkeypatch.setenv("SRLIB_DATA_MIRROR", str(shop.mirror))
    datasets.fetch("tiny", progress=False)
    assert datasets.verify("tiny") == []


def _link() -> zipfile.ZipInfo:
    link = zipfile.ZipInfo("HR/link.png")
    link.create_system = 3  # Unix, so that the mode below counts
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    return link


@pytest.mark.parametrize(
    ("member", "message"),
    [
        ("../outside.png", "outside its folder"),
        ("HR/../../outside.png", "outside its folder"),
        ("/outside.png", "outside its folder"),
        ("C:/outside.png", "outside its folder"),
        ("..\\outside.png", "outside its folder"),
        (_link(), "symbolic link"),
    ],
)
def test_evil_archive_is_refused(shop: Shop, tmp_path: Path, member: str | zipfile.ZipInfo, message: str) -> None:
    _zip(shop, {"HR/1.png": picture(1), member: b"/etc/passwd"})
    with pytest.raises(DataError, match=f"tiny/Pictures_HR.zip: member .*{message}"):
        datasets.fetch("tiny", progress=False)
    assert shop.cached() == []
    assert not list(tmp_path.rglob("outside*"))
    assert not Path("/outside.png").exists()


def test_unusable_archives_leave_nothing(shop: Shop) -> None:
    shop.describe({"tiny/Pictures_HR.zip": b"this is not a zip file"}, kind="zip")
    with pytest.raises(DataError, match="not a usable zip archive"):
        datasets.fetch("tiny", progress=False)
    assert shop.cached() == []
    _zip(shop, {"HR/1.png": picture(1)})
    archive = shop.mirror / "tiny/Pictures_HR.zip"
    archive.write_bytes(archive.read_bytes()[:-9])
    with pytest.raises(DataError, match="wrong size"):
        datasets.fetch("tiny", progress=False)
    assert shop.cached() == []
