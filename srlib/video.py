"""A video, frame by frame: decode, super-resolve, encode, and leave everything else as it was.

Read `upscale_video`; then `srlib._planes` for what happens to a frame, and `srlib._streams` for the target. Files are
read and written by PyAV, the Python face of FFmpeg's libraries.
"""

from __future__ import annotations

import copy
import errno
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from srlib._planes import Enlarger, VideoError
from srlib._streams import FORMATS, add_copies, add_encoder, lasting
from srlib.checkpoint import write_atomically
from srlib.models.srgan import SRResNet, fold_batch_norm
from srlib.upscaling import borrowed

if TYPE_CHECKING:
    from av import Packet, VideoFrame, VideoStream
    from av.container import InputContainer, OutputContainer
    from av.stream import Stream

__all__ = ["SUFFIXES", "VideoError", "VideoResult", "upscale_video"]

# By these endings the command line tells a video from a picture.
_READ_ONLY = [".3gp", ".avi", ".flv", ".m2ts", ".mpeg", ".mpg", ".mts", ".ogv", ".ts", ".vob", ".wmv", ".y4m"]
SUFFIXES = frozenset([*FORMATS, *_READ_ONLY])


@dataclass(frozen=True)
class VideoResult:
    """What `upscale_video` did.

    Attributes:
        path: the file written.
        frames: how many.
        seconds: how long it took, reading and writing included.
        size_in, size_out: width and height in pixels.
        left_out: streams that did not come along, such as "subtitle (subrip)".
    """

    path: Path
    frames: int
    seconds: float
    size_in: tuple[int, int]
    size_out: tuple[int, int]
    left_out: tuple[str, ...] = ()

    @property
    def frames_per_second(self) -> float:
        """How many frames were done in a second."""
        return self.frames / self.seconds


def upscale_video(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    model: str | nn.Module = "espcn",
    scale: int = 3,
    *,
    device: str = "auto",
    tile: int | None = None,
    crf: int = 16,
    progress: bool = False,
) -> VideoResult:
    """Super-resolve a video file into another one, in bounded memory.

    Networks for luma see the Y plane of each frame as it was decoded, and chroma is enlarged bicubically: no way
    through RGB, see `srlib._planes`. Depth (8 or 10 bits), chroma layout, range, matrix, primaries and transfer curve
    are kept; other layouts (RGB, grey, 12 bits, transparency) become 4:2:0, and 4:2:2 becomes 4:4:4 for networks for
    RGB. Each frame keeps its time, at an uneven rate too (Matroska and WebM count in milliseconds, from 0). Sound and
    subtitles are copied packet by packet. Titles, chapters, rotation and pixel aspect are kept as far as the target's
    format can say them. Left out are subtitles that it cannot hold, further video streams, data, and HDR10's mastering
    values.

    The target appears whole or not at all: it is written beside its place under another name and then renamed.

    Args:
        source: anything that FFmpeg reads.
        target: .mp4, .m4v, .mov or .mkv (H.264 by x264, else MPEG-4 part 2 where x264 is missing), .webm (VP9).
        model, scale, device, tile: as for `srlib.upscale`.
        crf: the encoder's quality, from 0 (large; without any loss in H.264 of 8 bits) to 51. At 16, the default,
            what encoding does is hard to see; each 6 more halve the file, roughly.
        progress: draw a bar.

    Raises:
        FileNotFoundError: there is no such source.
        VideoError: it is not a video, is damaged or interlaced, or changes its size; an ending that names no video
            format; the target is the source; sound that the target's format cannot hold; odd sides with halved chroma.
        ValueError: as for `srlib.upscale`.
        OSError: the place cannot be written to.
        ImportError: PyAV is missing.
    """
    try:
        import av
    except ImportError as error:
        raise ImportError("video needs the package av (PyAV): pip install av") from error

    source, target = Path(source), Path(target)
    _check(source, target, crf)
    form, encoders = FORMATS[target.suffix.lower()]
    done: list[VideoResult] = []

    def write(temporary: Path) -> None:
        started, frames = time.perf_counter(), 0
        with av.open(str(source)) as film, _open(temporary, form) as out:
            video = _video(film)
            first = _first_frame(source, video.index)
            enlarger = Enlarger(network, first, centred=video.name in ("mjpeg", "mpeg1video"), tile=tile)
            encoder = add_encoder(out, encoders, crf, video, first, enlarger)
            copies, left_out = add_copies(film, out, video, target)
            out.metadata.update(lasting(film.metadata))
            out.set_chapters(film.chapters())
            for item in _decoded(film, video, [film.streams[index] for index in copies], progress):
                if isinstance(item, av.Packet):
                    item.stream = copies[item.stream.index]
                    out.mux(item)
                else:
                    large = enlarger(item)
                    large.pts, large.time_base, large.duration = item.pts, video.time_base, item.duration
                    out.mux(encoder.encode(large))
                    frames += 1
            out.mux(encoder.encode(None))
        seconds = time.perf_counter() - started
        done.append(VideoResult(target, frames, seconds, enlarger.size, enlarger.enlarged, tuple(left_out)))

    with borrowed(model, scale, device) as lent, _errors_of(source):
        # Side by side in memory, the channels of a pixel are convolved faster. The lent network stays as it is.
        network = fold_batch_norm(lent) if isinstance(lent, SRResNet) else copy.deepcopy(lent)
        network.to(memory_format=torch.channels_last)
        write_atomically(target, write)
    return done[0]


def _check(source: Path, target: Path, crf: int) -> None:
    """What can be known before any work is done."""
    if not source.exists():
        raise FileNotFoundError(f"no such video: {source}")
    if source.is_dir():
        raise VideoError(f"{source} is a folder; name a video in it")
    if target.suffix.lower() not in FORMATS:
        raise VideoError(f"no video is written as '{target.suffix}' ({target.name}); use {', '.join(FORMATS)}")
    if target.exists() and target.samefile(source):
        raise VideoError(f"{target} is the source itself; choose another name")
    if not target.parent.is_dir():
        raise OSError(f"cannot write {target}: there is no folder {target.parent}")
    if target.is_dir() or not os.access(target.parent, os.W_OK):
        raise OSError(f"cannot write {target}: {'it is a folder' if target.is_dir() else 'its folder is read-only'}")
    if not 0 <= crf <= 51:
        raise VideoError(f"crf must lie between 0 (best) and 51 (smallest), not {crf}")


@contextmanager
def _errors_of(source: Path) -> Iterator[None]:
    """What goes wrong with a film, in words that name the file."""
    import av

    try:
        yield
    except VideoError as error:
        raise VideoError(f"{source}: {error}") from error
    except av.error.InvalidDataError as error:
        raise VideoError(f"{source} is not a video that FFmpeg can read, or it is damaged") from error
    except av.error.FFmpegError as error:
        if error.errno == errno.ENOSPC:
            raise OSError(f"cannot write: {error.strerror}") from error
        raise VideoError(f"{source}: FFmpeg says “{error.strerror}”") from error


def _open(path: Path, form: str) -> OutputContainer:
    """The target; of MP4 the table of contents comes first, so that a page can play it while it loads."""
    import av

    options = {"movflags": "faststart"} if form in ("mp4", "mov") else {}
    return av.open(str(path), "w", format=form, container_options=options)


def _video(film: InputContainer) -> VideoStream:
    """The first stream of moving pictures; a cover in a file of music is none."""
    from av.stream import Disposition

    if film.format.name.endswith("_pipe") or film.format.name == "image2":
        raise VideoError("it is a picture, not a video; srlib.upscale takes it")
    for stream in film.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            stream.thread_type = "AUTO"  # decode with all cores
            return stream
    raise VideoError("it has no video stream")


def _first_frame(source: Path, index: int) -> VideoFrame:
    """The first frame: size, layout, colours and rotation must be known before anything is written."""
    import av

    with av.open(str(source)) as film:
        for frame in film.decode(film.streams[index]):
            assert isinstance(frame, av.VideoFrame)
            return frame
    raise VideoError("its video stream has no frame in it")


def _decoded(
    film: InputContainer, video: VideoStream, others: list[Stream], progress: bool
) -> Iterator[VideoFrame | Packet[Stream]]:
    """The film in the order of the file: frames of `video`, and packets of `others` as they are."""
    from tqdm.auto import tqdm

    last: int | None = None
    step = 0
    with tqdm(total=video.frames or None, unit=" frames", disable=not progress, mininterval=0.2) as bar:
        for packet in film.demux(video, *others):
            if packet.stream.index != video.index:
                if packet.dts is not None:  # the empty packet at the end has none
                    yield packet
                continue
            for frame in video.decode(packet):
                if frame.pts is None:  # a bare stream has no times: one frame after the other
                    frame.pts = 0 if last is None else last + max(1, step)
                elif last is not None and frame.pts <= last:  # encoders take rising times only
                    frame.pts = last + 1
                last, step = frame.pts, frame.duration
                yield frame
                bar.update()
