"""A made-up data set called ``tiny`` for tests: a mirror, an empty cache, and registries that describe it."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path

import pytest
from PIL import Image

from srlib import datasets, downloads


class Shop:
    """A mirror folder, an empty cache, and a package data folder that describes one set called ``tiny``."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.mirror, self.data, self.cache = folder / "mirror", folder / "data", folder / "cache"
        self.monkeypatch = monkeypatch
        (self.data / "registry").mkdir(parents=True)
        monkeypatch.setattr(datasets, "data_dir", lambda: self.data)
        monkeypatch.setattr(downloads, "_PAUSES", (0.0, 0.0))
        monkeypatch.setenv("SRLIB_CACHE", str(self.cache))
        monkeypatch.setenv("SRLIB_DATA_MIRROR", str(self.mirror))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    def describe(self, files: dict[str, bytes], **more: object) -> None:
        lines = ["path\tsha256\tbytes\turl"]
        for path, content in files.items():
            (self.mirror / path).parent.mkdir(parents=True, exist_ok=True)
            (self.mirror / path).write_bytes(content)
            digest = hashlib.sha256(content).hexdigest()
            lines.append(f"{path}\t{digest}\t{len(content)}\thttps://example.org/{path}")
        (self.data / "registry" / "tiny.tsv").write_text("\n".join(lines) + "\n")
        card = dict.fromkeys(("title", "terms", "citation", "source"), "x") | {
            "kind": "files",
            "role": "test",
            "images": len(files),
            "files": len(files),
            "bytes": sum(map(len, files.values())),
        }
        (self.data / "datasets.json").write_text(json.dumps({"tiny": card | more}))

    def cached(self) -> list[str]:
        return sorted(str(path.relative_to(self.cache)) for path in self.cache.rglob("*") if path.is_file())


def picture(level: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 6), (level, 0, 255 - level)).save(buffer, "png")
    return buffer.getvalue()


PICTURES = {f"tiny/{part}/p{i}.png": picture(i) for part in ("one", "two") for i in range(3)}
CACHED = [f"datasets/{path}" for path in sorted(PICTURES)]
