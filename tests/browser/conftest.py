"""The built book behind a small server, and a browser to open it with."""

from __future__ import annotations

import functools
import os
import shutil
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

INSTALLED = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


@pytest.fixture(scope="session")
def html(root: Path, missing) -> Path:
    """The folder of the built book; SR_BOOK names another than `make book` writes to."""
    folder = Path(os.environ.get("SR_BOOK") or root / "_build" / "html")
    if not (folder / "index.html").exists():
        missing("the book is not built; `make book` builds it")
    return folder


@pytest.fixture(scope="session")
def site(html: Path) -> Iterator[str]:
    """The address at which the book is served, on this machine only."""
    handler = functools.partial(_Quiet, directory=str(html))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="session")
def browser(missing) -> Iterator[Browser]:
    """An installed Chromium or Chrome, else the one that Playwright downloads."""
    from playwright.sync_api import Error, sync_playwright

    path = os.environ.get("SR_BROWSER") or next(filter(None, map(shutil.which, INSTALLED)), None)
    arguments = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        try:
            chromium = playwright.chromium.launch(executable_path=path, args=arguments)
        except Error as error:
            first = str(error).partition("\n")[0]
            missing(f"no browser: install Chromium, or run `playwright install chromium` ({first})")
        yield chromium
        chromium.close()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Nothing: requests are checked in the browser."""
