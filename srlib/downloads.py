"""Getting the files of a registry: each arrives whole, or not at all.

Read in this order: `obtain` (what is missing, in parallel), `_obtain_one` (one file: receive, check, rename),
`_Sink` (the checks while bytes arrive), `_unpack` (an archive: check, extract, rename).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import stat
import threading
import time
import uuid
import zipfile
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO, Protocol

from srlib._registry import CONTENTS, DataError, Entry, is_complete, sha256_of

_BLOCK = 1 << 18
_WORKERS = 8  # the sets are many small files, so latency, not bandwidth, sets the pace
_PAUSES = (0.5, 2.0)  # seconds before the second and the third try of a failed download
# What zipfile raises for damaged, encrypted or unsupported archives, and for a member that occurs twice.
_UNUSABLE = (zipfile.BadZipFile, zlib.error, EOFError, FileExistsError, NotImplementedError, RuntimeError)
_STALE = 24 * 3600.0  # a partial file this old (seconds) belongs to a process that was killed


class _Stopped(Exception):
    """Another file of the same set failed, or the user pressed Ctrl-C."""


class _Bar(Protocol):
    def update(self, n: int) -> object: ...


def obtain(entries: Sequence[Entry], root: Path, *, title: str, progress: bool) -> None:
    """Get the entries that are not yet under `root`. One bar counts the bytes of all of them.

    A file appears under its name only when its size and SHA-256 are right. What was finished stays when a
    later file fails, so a second call goes on with the rest.

    Raises:
        DataError: a file cannot be had or written, or is not what the registry says.
    """
    todo = [entry for entry in entries if not is_complete(entry, root)]
    if not todo:
        return
    from tqdm import tqdm  # type: ignore[import-untyped,unused-ignore]  # types are a separate package

    total = sum(entry.bytes for entry in todo)
    with (
        tqdm(total=total, desc=title, unit="B", unit_scale=True, disable=not progress) as bar,
        ThreadPoolExecutor(_WORKERS) as pool,
    ):
        meter = _Meter(bar)
        futures = [pool.submit(_obtain_one, entry, root, meter) for entry in todo]
        try:
            for future in as_completed(futures):
                future.result()
        except BaseException as error:
            meter.stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
            if not isinstance(error, DataError):
                raise
            done = len(entries) - sum(not is_complete(entry, root) for entry in todo)
            if len(entries) == 1:
                raise
            raise DataError(
                f"{error}\n{done} of {len(entries)} files of {title} are in the cache; call again for more."
            ) from error


class _Meter:
    """Counts bytes of several threads into one bar, and tells all of them to stop."""

    def __init__(self, bar: _Bar) -> None:
        self.stop = threading.Event()
        self._bar = bar
        self._lock = threading.Lock()

    def add(self, count: int) -> None:
        if count > 0 and self.stop.is_set():
            raise _Stopped
        with self._lock:
            self._bar.update(count)


class _Sink:
    """A file that hashes and counts what is written to it, and takes no more than the registry allows."""

    def __init__(self, file: IO[bytes], entry: Entry, origin: str | Path, meter: _Meter) -> None:
        self._file, self._entry, self._origin, self._meter = file, entry, origin, meter
        self._hash = hashlib.sha256()
        self.count = 0

    def write(self, block: bytes) -> int:
        self.count += len(block)
        if self.count > self._entry.bytes:
            raise self._wrong("size", f"{self._entry.bytes} bytes", f"more than {self._entry.bytes}")
        self._meter.add(len(block))
        self._hash.update(block)
        return self._file.write(block)

    def flush(self) -> None:  # pooch calls it after each block
        pass

    def check(self) -> None:
        if self.count != self._entry.bytes:
            raise self._wrong("size", f"{self._entry.bytes} bytes", f"{self.count} bytes")
        if (actual := self._hash.hexdigest()) != self._entry.sha256:
            raise self._wrong("SHA-256", self._entry.sha256, actual)

    def _wrong(self, what: str, expected: str, found: str) -> DataError:
        return DataError(
            f"{self._entry.path}: wrong {what} from {self._origin}: expected {expected}, got {found}. "
            "The file was discarded. Try again; if it stays so, the source has changed: "
            "set SRLIB_DATA_MIRROR to a folder or an address that has the original."
        )


def _obtain_one(entry: Entry, root: Path, meter: _Meter) -> None:
    if meter.stop.is_set():
        raise _Stopped
    target, origin = entry.local(root), entry.origin()
    partial = _beside(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _sweep(target.parent)
        with partial.open("xb") as file:
            _receive(entry, origin, file, meter)
        if entry.is_archive:
            _unpack(partial, target, entry)
        else:
            os.replace(partial, target)
    except OSError as error:
        raise DataError(
            f"{entry.path}: cannot write {target}: {error.strerror or error}. "
            "Set SRLIB_CACHE to a folder that can be written and has room."
        ) from error
    finally:
        _remove(partial)


def _receive(entry: Entry, origin: str | Path, file: IO[bytes], meter: _Meter) -> None:
    if isinstance(origin, Path):
        sink = _Sink(file, entry, origin, meter)
        _copy(entry, origin, sink)
        return sink.check()
    try:
        import pooch  # type: ignore[import-untyped,unused-ignore]  # ships no types
        import requests  # type: ignore[import-untyped,unused-ignore]  # pooch needs it, so it is there
    except ImportError as error:
        raise DataError(f"{entry.path}: downloads need the package pooch: pip install pooch") from error
    opened: list[requests.Response] = []
    hooks = {"response": lambda response, *_, **__: opened.append(response)}
    download = pooch.HTTPDownloader(chunk_size=_BLOCK, timeout=30, hooks=hooks)
    for pause in (*_PAUSES, None):
        sink = _Sink(file, entry, origin, meter)
        try:
            download(origin, sink, None)
            return sink.check()
        except requests.RequestException as error:
            status = getattr(error.response, "status_code", 500)
            if pause is None or 400 <= status < 500:  # asking again does not bring a file that is not there
                reason = getattr(error.args[0], "reason", error) if error.args else error
                raise DataError(
                    f"{entry.path}: cannot download {origin}: {reason}. Without a network, set "
                    "SRLIB_DATA_MIRROR to a folder that holds the data sets, or SRLIB_CACHE to a cache that "
                    "was filled before."
                ) from error
            meter.add(-sink.count)
            file.seek(0)
            file.truncate()
            time.sleep(pause)
        finally:  # pooch leaves the connection open when the answer is an error or the file is refused
            for response in opened:
                response.close()


def _copy(entry: Entry, origin: Path, sink: _Sink) -> None:
    try:
        source = origin.open("rb")
    except OSError as error:
        raise DataError(
            f"{entry.path}: the mirror has no readable {origin}: {error.strerror or error}. Complete the "
            f"folder that SRLIB_DATA_MIRROR names, or unset SRLIB_DATA_MIRROR to download from {entry.url}"
        ) from error
    with source:
        shutil.copyfileobj(source, sink, _BLOCK)


def _unpack(archive: Path, target: Path, entry: Entry) -> None:
    """Extract into a folder beside `target`, then rename it. The archive itself is not kept."""
    scratch = _beside(target)
    try:
        with zipfile.ZipFile(archive) as source:
            members = [member for member in source.infolist() if not member.is_dir()]
            for member in members:
                _check_member(member, entry)
            scratch.mkdir()
            files = [(member.filename, *_extract(source, member, scratch)) for member in members]
        contents = {"sha256": entry.sha256, "files": files}
        (scratch / CONTENTS).write_text(json.dumps(contents), encoding="utf-8")
        _remove(target)  # an older or damaged copy
        try:
            scratch.rename(target)
        except OSError:  # another process may have put its own complete copy there
            if not (target / CONTENTS).is_file():
                raise
    except DataError:
        raise
    except _UNUSABLE as error:
        raise DataError(f"{entry.path}: not a usable zip archive: {error}. Nothing was extracted.") from error
    finally:
        _remove(scratch)


def _check_member(member: zipfile.ZipInfo, entry: Entry) -> None:
    posix, windows = PurePosixPath(member.filename), PureWindowsPath(member.filename)
    outside = posix.is_absolute() or windows.drive or windows.root or ".." in (*posix.parts, *windows.parts)
    if outside or stat.S_ISLNK(member.external_attr >> 16):
        what = "would be written outside its folder" if outside else "is a symbolic link"
        raise DataError(f"{entry.path}: member {member.filename!r} {what}. Archive refused, nothing kept.")


def _extract(source: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path) -> tuple[int, str]:
    path = folder / member.filename
    path.parent.mkdir(parents=True, exist_ok=True)
    with source.open(member) as packed, path.open("xb") as file:  # "x": a name that occurs twice is an error
        shutil.copyfileobj(packed, file, _BLOCK)
    return path.stat().st_size, sha256_of(path)


def _beside(target: Path) -> Path:
    # In the same folder, so the rename stays on one file system; unique, so processes do not collide.
    return target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.part")


def _sweep(folder: Path) -> None:
    for old in folder.glob(".*.part"):
        with contextlib.suppress(FileNotFoundError):  # its own process was quicker
            if time.time() - old.stat().st_mtime > _STALE:
                _remove(old)


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):  # tidying up must not hide the error that led here
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
