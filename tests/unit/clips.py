"""Small videos, made and read with PyAV."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from srlib import datasets, image
from srlib._planes import planes

av = pytest.importorskip("av")

Array = np.ndarray[Any, Any]


def pattern(height: int, width: int, number: int = 0) -> list[Array]:
    """Smooth planes Y, Cb, Cr as large as luma, different in every frame: a piece of a photograph and two ramps."""
    y = image.rgb_to_y(datasets.photo("chelsea"))[0, 0, 60 + number : 60 + number + height, 100 : 100 + width].numpy()
    rows, columns = np.mgrid[:height, :width]
    return [y * 255, 90 + 2.0 * columns + number, 160 - 2.0 * rows]


def frame_of(values: list[Array], layout: str = "yuv420p", color_range: int = 1) -> Any:
    """A frame of planes as large as luma; chroma lies above the left of its luma pixels, as in most video."""
    height, width = values[0].shape
    frame = av.VideoFrame(width, height, layout)
    depth = 4 if layout.endswith("10le") else 1
    for place, value in zip(planes(frame), values, strict=False):
        if place.shape[1] < width:
            value = value[:, ::2]
        if place.shape[0] < height:
            value = (value[::2] + value[1::2]) / 2
        place[:] = np.round(value * depth)
    frame.color_range = color_range
    return frame


def clip(path: Path, frames: list[Any], times: list[int] | None = None, *, sound: str = "", **settings: Any) -> Path:
    """A small video without loss, with `times` in 600ths of a second; `settings` belong to its stream."""
    codec = settings.pop("codec", "libx264")
    options = settings.pop("options", {"crf": "0"} if codec == "libx264" else {})
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=30, options=options)
        stream.width, stream.height, stream.pix_fmt = frames[0].width, frames[0].height, frames[0].format.name
        stream.codec_context.time_base = stream.time_base = settings.pop("time_base", Fraction(1, 600))
        if "rotation" in settings:
            stream.set_display_rotation(settings.pop("rotation"))
        if "attachment" in settings:
            out.add_attachment(*settings.pop("attachment"))
        out.metadata.update(settings.pop("metadata", {}))
        out.set_chapters(settings.pop("chapters", []))
        for name, value in settings.items():
            setattr(stream.codec_context, name, value)
        voice = out.add_stream(sound, rate=48_000, layout="stereo") if sound else None
        for frame, pts in zip(frames, times or range(0, 20 * len(frames), 20), strict=True):
            frame.pts, frame.time_base = pts, Fraction(1, 600)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
        if voice:
            generator = np.random.default_rng(0)
            size = voice.codec_context.frame_size or 1024
            for number in range(12):
                samples = generator.normal(scale=0.1, size=(2, size)).astype(np.float32)
                if voice.format.name == "s16":  # Opus; AAC takes floats, a row for each side
                    samples = (samples * 32767).astype(np.int16).T.reshape(1, -1)
                chunk = av.AudioFrame.from_ndarray(samples, format=voice.format.name, layout="stereo")
                chunk.sample_rate, chunk.pts = 48_000, number * size
                out.mux(voice.encode(chunk))
            out.mux(voice.encode(None))
    return path


def decoded(path: Path) -> list[Any]:
    """All frames of a video."""
    with av.open(str(path)) as film:
        return list(film.decode(video=0))


def sound_of(path: Path) -> list[tuple[bytes, float]]:
    """All packets of its sound: what is in them, and their time in seconds."""
    with av.open(str(path)) as film:
        return [(bytes(p), float(p.pts * p.time_base)) for p in film.demux(audio=0) if p.dts is not None]
