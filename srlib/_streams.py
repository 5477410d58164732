"""The target of a video: an encoder for the enlarged frames, and everything else copied.

`add_encoder` says how frames are encoded, `add_copies` which other streams come along.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from srlib._planes import FULL, LIMITED, Enlarger, VideoError

if TYPE_CHECKING:
    from av import VideoFrame, VideoStream
    from av.container import InputContainer, OutputContainer
    from av.stream import Stream

# What an ending means to FFmpeg, and the encoders that may fill it, the best first. WebM holds no H.264.
FORMATS = {
    ".mp4": ("mp4", ("libx264", "mpeg4")),
    ".m4v": ("mp4", ("libx264", "mpeg4")),
    ".mov": ("mov", ("libx264", "mpeg4")),
    ".mkv": ("matroska", ("libx264", "mpeg4")),
    ".webm": ("webm", ("libvpx-vp9",)),
}

# Words about the file as it was, not about the film; the writer finds its own.
STALE = ("major_brand", "minor_version", "compatible_brands", "encoder", "duration", "bps", "number_of_", "_statistics")


def lasting(metadata: dict[str, str]) -> dict[str, str]:
    """What of the metadata holds for the enlarged film, too.

    >>> lasting({"title": "Sea", "encoder": "x"})
    {'title': 'Sea'}
    """
    return {key: value for key, value in metadata.items() if not key.lower().startswith(STALE)}


def add_encoder(
    out: OutputContainer, encoders: tuple[str, ...], crf: int, video: VideoStream, first: VideoFrame, enlarger: Enlarger
) -> VideoStream:
    """A stream of `out` that encodes what `enlarger` makes of `video`, whose first frame is `first`."""
    import av
    from av.codec.context import Flags

    width, height = enlarger.enlarged
    if "444" not in enlarger.layout and (width % 2 or height % 2):
        raise VideoError(
            f"enlarged, it would have {width}×{height} pixels, and with chroma at half its size both must be even: "
            "use an even scale, or cut a row or column off the source"
        )
    name = next((name for name in encoders if name in av.codecs_available), None)
    if name is None:
        raise VideoError(f"this FFmpeg has no encoder {' or '.join(encoders)}; choose another ending")
    if name == "mpeg4" and enlarger.layout != "yuv420p":
        raise VideoError(f"this FFmpeg has no x264, and its encoder mpeg4 takes no {enlarger.layout}")
    stream = out.add_stream(name, rate=video.average_rate or video.guessed_rate or 25)
    assert isinstance(stream, av.VideoStream)
    context = stream.codec_context
    stream.width, stream.height, stream.pix_fmt = width, height, enlarger.layout
    time_base = video.time_base or Fraction(1, 90_000)
    if name == "mpeg4" and time_base.denominator > 65_535:  # it counts time in 16 bits
        time_base = Fraction(1, 60_000)
    context.time_base = stream.time_base = time_base
    context.flags |= Flags.frame_duration  # how long the last frame stays is said nowhere else
    if video.sample_aspect_ratio:
        context.sample_aspect_ratio = video.sample_aspect_ratio
    context.colorspace, context.color_range = enlarger.matrix, FULL if enlarger.full else LIMITED
    context.color_primaries, context.color_trc = first.color_primaries, first.color_trc
    if name == "libx264":  # half the work of the default preset, which would slow a fast network down
        stream.options = {"crf": str(crf), "preset": "veryfast"}
    elif name == "libvpx-vp9":
        stream.options = {"crf": str(crf), "row-mt": "1", "cpu-used": "4"}
    else:
        context.qscale, context.global_quality = True, 118 * (1 + crf * 30 // 51)  # 118 is 1 on its scale of 1 to 31
    turned: Any = first.side_data.get("DISPLAYMATRIX")
    if turned is not None:  # as a telephone was held
        stream.set_display_matrix(np.frombuffer(turned, np.int32).tolist())
    stream.disposition = video.disposition
    stream.metadata.update(lasting(video.metadata))
    return stream


def add_copies(
    film: InputContainer, out: OutputContainer, video: VideoStream, target: Path
) -> tuple[dict[int, Stream], list[str]]:
    """Streams of `out` for the sound and subtitles of `film`, by their number there; and what is left out, in words.

    Raises VideoError for sound that the target's format cannot hold: a film is not to lose it silently.
    """
    copies: dict[int, Stream] = {}
    left_out: list[str] = []
    for stream in film.streams:
        if stream.index == video.index or (stream.type == "data" and film.chapters()):  # where MP4 keeps chapters
            continue
        codec = stream.codec_context.name if stream.codec_context else "unknown"
        try:
            if stream.type not in ("audio", "subtitle"):
                raise ValueError("pictures and data of the old film")
            copy = out.add_stream_from_template(stream)
        except ValueError as error:
            if stream.type == "audio":
                raise VideoError(f"{target.suffix} cannot hold {codec} sound; write to .mkv instead") from error
            left_out.append(f"{stream.type} ({codec})")
            continue
        copy.disposition = stream.disposition
        copy.metadata.update(lasting(stream.metadata))
        copies[stream.index] = copy
    return copies, left_out
