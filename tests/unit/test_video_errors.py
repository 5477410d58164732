"""What is no video, what cannot be written, and that nothing is left behind."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from clips import av, clip, frame_of, pattern
from torch import nn

from srlib import image, models
from srlib._planes import Enlarger
from srlib.cli import main
from srlib.video import VideoError, upscale_video


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight frames of 32×24, and sound, with which the target's file begins."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    return clip(path, [frame_of(pattern(24, 32, number)) for number in range(8)], sound="aac")


@pytest.fixture(scope="module")
def espcn() -> nn.Module:
    return models.create("espcn", 3).eval()


def _garbage(folder: Path) -> Path:
    (folder / "a.mp4").write_bytes(b"not a video at all" * 100)
    return folder / "a.mp4"


def _song(folder: Path) -> Path:
    with av.open(str(folder / "a.wav"), "w") as out:
        stream = out.add_stream("pcm_s16le", rate=8000, layout="mono")
        chunk = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        chunk.sample_rate = 8000
        out.mux(stream.encode(chunk))
    return folder / "a.wav"


def _song_with_a_cover(folder: Path) -> Path:
    with av.open(str(folder / "a.mp4"), "w") as out:
        stream = out.add_stream("mjpeg", rate=1)
        stream.width, stream.height, stream.pix_fmt = 32, 24, "yuvj420p"
        stream.disposition = av.stream.Disposition.attached_pic
        frame = frame_of(pattern(24, 32), color_range=2).reformat(format="yuvj420p")
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return folder / "a.mp4"


def _picture(folder: Path) -> Path:
    return image.save(torch.rand(1, 3, 8, 8), folder / "a.png")


def _odd(folder: Path) -> Path:
    return clip(folder / "a.mkv", [frame_of(pattern(24, 32)).reformat(31, 23)], codec="ffv1")


def _folder_in_the_way(folder: Path) -> Path:
    (folder / "b.mp4").mkdir()
    return _garbage(folder)


def _interlaced(folder: Path) -> Path:
    options = {"crf": "0", "x264-params": "tff=1"}
    return clip(folder / "a.mp4", [frame_of(pattern(32, 32))] * 3, options=options)


def _cut_short(folder: Path) -> Path:
    path = clip(folder / "a.mp4", [frame_of(pattern(24, 32, n)) for n in range(8)])
    path.write_bytes(path.read_bytes()[:-400])  # the table of contents stands at the end
    return path


@pytest.mark.parametrize(
    ("make", "target", "words"),
    [
        (_garbage, "b.mp4", "not a video that FFmpeg can read"),
        (_cut_short, "b.mp4", "not a video that FFmpeg can read, or it is damaged"),
        (_song, "b.mp4", "has no video stream"),
        (_song_with_a_cover, "b.mp4", "has no video stream"),
        (_picture, "b.mp4", "is a picture, not a video"),
        (_odd, "b.mp4", "93×69 pixels, and with chroma at half its size"),
        (_interlaced, "b.mp4", "interlaced"),
        (lambda folder: folder / "none.mp4", "b.mp4", "no such video"),
        (lambda folder: folder, "b.mp4", "is a folder"),
        (_garbage, "b.gif", r"no video is written as '.gif'.*\.mp4, \.m4v"),
        (_garbage, "a.mp4", "is the source itself"),
        (_garbage, "none/b.mp4", "no folder"),
        (_folder_in_the_way, "b.mp4", "it is a folder"),
    ],
)
def test_what_is_no_video_or_no_target(
    make: Callable[[Path], Path], target: str, words: str, tmp_path: Path, espcn: nn.Module
) -> None:
    source = make(tmp_path)
    before = sorted(tmp_path.iterdir())
    with pytest.raises((VideoError, OSError), match=words):
        upscale_video(source, tmp_path / target, espcn, 3)
    assert sorted(tmp_path.iterdir()) == before


def test_models_sizes_and_qualities_that_are_not_there(film: Path, tmp_path: Path, espcn: nn.Module) -> None:
    with pytest.raises(ValueError, match="no weights ship for espcn tanh ×9"):
        upscale_video(film, tmp_path / "b.mp4", "espcn", 9)
    with pytest.raises(ValueError, match="enlarges ×3, but scale=2"):
        upscale_video(film, tmp_path / "b.mp4", espcn, 2)
    with pytest.raises(VideoError, match="crf must lie between 0"):
        upscale_video(film, tmp_path / "b.mp4", espcn, 3, crf=52)
    enlarge = Enlarger(espcn, frame_of(pattern(24, 32)))
    with pytest.raises(ValueError, match="a frame has 16×24 pixels, and those before it had 32×24"):
        enlarge(frame_of(pattern(24, 16)))


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_nothing_is_left_behind_and_an_old_target_stays(
    film: Path, tmp_path: Path, espcn: nn.Module, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    calls: list[int] = []
    enlarge = Enlarger.__call__

    def stops(self: Enlarger, frame: Any) -> Any:
        calls.append(1)
        if len(calls) > 3:
            assert len(list(tmp_path.iterdir())) == 2  # the one being written has a name of its own
            raise error
        return enlarge(self, frame)

    monkeypatch.setattr(Enlarger, "__call__", stops)
    target = tmp_path / "b.mp4"
    target.write_bytes(b"an older film")
    with pytest.raises(error):
        upscale_video(film, target, espcn, 3)
    assert target.read_bytes() == b"an older film"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize(
    ("code", "error", "words"),
    [(28, OSError, "cannot write: No space left"), (1, VideoError, "film.mp4: FFmpeg says “No space left")],
)
def test_errors_of_ffmpeg_are_put_into_words(
    code: int, error: type[Exception], words: str, film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(self: Enlarger, frame: Any) -> None:
        raise av.error.FFmpegError(code, "No space left on device")

    monkeypatch.setattr(Enlarger, "__call__", fails)
    with pytest.raises(error, match=words):
        upscale_video(film, tmp_path / "b.mp4", "bicubic", 2)
    assert list(tmp_path.iterdir()) == []


def test_without_pyav(film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ImportError, match="pip install av"):
        upscale_video(film, tmp_path / "b.mp4", "bicubic", 2)


def test_the_command_stopped_by_hand_leaves_nothing(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(self: Enlarger, frame: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Enlarger, "__call__", stop)
    target = str(tmp_path / "b.mkv")
    assert main(["upscale", str(film), "--model", "bicubic", "--scale", "2", "-o", target]) == 130
    assert "stopped" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
