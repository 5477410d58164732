"""Copied into the empty room as `sitecustomize.py`, which Python runs at its start (see `tools/room.py`).

It acts in kernels only: the test runner that starts them goes on seeing everything.
"""

import ipaddress
import json
import socket
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any


class _Wall:
    """A finder that finds what the one behind it finds, but for the hidden modules.

    It answers None for these, as if they were not installed: then `import` raises ModuleNotFoundError, and a library
    that only asks `importlib.util.find_spec` whether it may use them gets its answer too.
    """

    def __init__(self, behind: Any, hidden: set[str]) -> None:
        self.behind, self.hidden = behind, hidden

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if fullname.partition(".")[0] in self.hidden:
            return None
        found: ModuleSpec | None = self.behind.find_spec(fullname, path, target)
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self.behind, name)


def _is_here(host: object) -> bool:
    if host in (None, "", "localhost"):
        return True
    try:
        return ipaddress.ip_address(str(host)).is_loopback
    except ValueError:
        return False


def _without_network() -> None:
    resolve, connect = socket.getaddrinfo, socket.socket.connect

    def getaddrinfo(host: Any, *rest: Any, **options: Any) -> Any:
        if not _is_here(host):
            raise socket.gaierror(f"a chapter needs no network, and asked for {host!r}")
        return resolve(host, *rest, **options)

    def guarded(self: Any, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and not _is_here(address[0]):
            raise OSError(f"a chapter needs no network, and asked for {address[0]!r}")
        connect(self, address)

    socket.getaddrinfo = getaddrinfo
    socket.socket.connect = guarded  # type: ignore[method-assign]


if any("ipykernel_launcher" in argument for argument in sys.orig_argv):
    walled = set(json.loads(Path(__file__).with_name("walled.json").read_text()))
    sys.meta_path[:] = [_Wall(finder, walled) for finder in sys.meta_path]
    _without_network()
