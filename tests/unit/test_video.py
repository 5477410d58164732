"""Video: every frame through the network, at its time, in its colours; everything else as it was."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from clips import av, clip, decoded, frame_of, pattern, sound_of
from torch import nn

from srlib import models, video
from srlib._planes import Enlarger, planes
from srlib.cli import main
from srlib.video import VideoError, upscale_video

UNEVEN = [0, 20, 40, 41, 77, 100, 200, 204]  # in 600ths of a second


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight frames of 32×24 at uneven times, with AAC sound, rotated, with oblong pixels, BT.709, titles, chapters."""
    chapter = {"id": 1, "start": 0, "end": 100, "time_base": Fraction(1, 600), "metadata": {"title": "Start"}}
    return clip(
        tmp_path_factory.mktemp("film") / "film.mp4",
        [frame_of(pattern(24, 32, number)) for number in range(8)],
        UNEVEN,
        sound="aac",
        rotation=90,
        sample_aspect_ratio=Fraction(4, 3),
        colorspace=1,
        color_primaries=1,
        color_trc=1,
        color_range=1,
        metadata={"title": "Sea"},
        chapters=[chapter],
    )


@pytest.fixture(scope="module")
def espcn() -> nn.Module:
    torch.manual_seed(0)
    return models.create("espcn", 3).eval()


@pytest.mark.parametrize("ending", [".mp4", ".mov", ".mkv"])
def test_everything_but_the_pixels_stays(film: Path, tmp_path: Path, espcn: nn.Module, ending: str) -> None:
    target = tmp_path / f"large{ending}"
    result = upscale_video(film, target, espcn, 3)
    assert (result.path, result.frames, result.size_in, result.size_out) == (target, 8, (32, 24), (96, 72))
    assert result.frames_per_second == pytest.approx(8 / result.seconds)
    assert result.left_out == ()
    after = decoded(target)
    tick = 0.0011 if ending == ".mkv" else 1e-9  # Matroska counts in milliseconds, from the first packet on
    start = float(after[0].pts * after[0].time_base)
    assert [float(f.pts * f.time_base) - start for f in after] == pytest.approx([p / 600 for p in UNEVEN], abs=tick)
    assert {(f.width, f.height, f.format.name, f.rotation) for f in after} == {(96, 72, "yuv420p", 90)}
    assert {(f.colorspace, f.color_primaries, f.color_trc, f.color_range) for f in after} == {(1, 1, 1, 1)}
    old, new = sound_of(film), sound_of(target)
    assert [data for data, _ in new] == [data for data, _ in old]
    assert [at - start for _, at in new] == pytest.approx([at for _, at in old], abs=2 * tick)
    with av.open(str(target)) as file:
        assert file.metadata.get("title", file.metadata.get("TITLE")) == "Sea"
        assert [chapter["metadata"]["title"] for chapter in file.chapters()] == ["Start"]
        assert file.streams.video[0].sample_aspect_ratio == Fraction(4, 3)
    if ending != ".mkv":
        head = target.read_bytes()
        assert head.index(b"moov") < head.index(b"mdat")  # playable while it loads
        lengths = [data[data.index(b"mvhd") :][20:24] for data in (head, film.read_bytes())]
        assert lengths[0] == lengths[1]  # the last frame stays as long as it did
    assert list(tmp_path.iterdir()) == [target]


def test_webm_gets_vp9_and_takes_only_its_own_sound(film: Path, tmp_path: Path, espcn: nn.Module) -> None:
    with pytest.raises(VideoError, match=r"\.webm cannot hold aac sound; write to \.mkv"):
        upscale_video(film, tmp_path / "a.webm", espcn, 3)
    assert list(tmp_path.iterdir()) == []
    clip(tmp_path / "a.mkv", decoded(film), UNEVEN, sound="libopus", attachment=("note.txt", "text/plain", b"words"))
    result = upscale_video(tmp_path / "a.mkv", tmp_path / "b.webm", espcn, 3)
    assert result.left_out == ("attachment (unknown)",)
    frames = decoded(tmp_path / "b.webm")
    assert [f.pts - frames[0].pts for f in frames] == pytest.approx([p / 0.6 for p in UNEVEN], abs=1.1)
    assert [data for data, _ in sound_of(tmp_path / "b.webm")] == [data for data, _ in sound_of(tmp_path / "a.mkv")]


def test_without_x264_there_is_mpeg4(tmp_path: Path, espcn: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("av.codecs_available", {"mpeg4"})
    clip(tmp_path / "a.mp4", [frame_of(pattern(24, 32, n)) for n in range(3)], time_base=Fraction(1, 90_000))
    upscale_video(tmp_path / "a.mp4", tmp_path / "b.mp4", espcn, 3)
    with av.open(str(tmp_path / "b.mp4")) as file:
        assert file.streams.video[0].codec_context.name == "mpeg4"
        assert [round(f.time * 600) for f in file.decode(video=0)] == [0, 20, 40]
    clip(tmp_path / "c.mp4", [frame_of(pattern(24, 32), "yuv444p")])
    with pytest.raises(VideoError, match="mpeg4 takes no yuv444p"):
        upscale_video(tmp_path / "c.mp4", tmp_path / "d.mp4", espcn, 3)
    with pytest.raises(VideoError, match="no encoder libvpx-vp9"):
        upscale_video(tmp_path / "a.mp4", tmp_path / "b.webm", espcn, 3)


@pytest.mark.parametrize(("name", "codec"), [("a.avi", "mpeg4"), ("a.h264", "libx264")])
def test_a_file_without_times_of_presentation(name: str, codec: str, tmp_path: Path, espcn: nn.Module) -> None:
    frames = [frame_of(pattern(24, 32, n)) for n in range(5)]
    clip(tmp_path / name, frames, codec=codec, time_base=Fraction(1, 30))
    upscale_video(tmp_path / name, tmp_path / "b.mp4", espcn, 3)
    assert [round(f.time * 30) for f in decoded(tmp_path / "b.mp4")] == list(range(5))


def test_times_that_do_not_rise_are_made_to(tmp_path: Path, espcn: nn.Module) -> None:
    frames = [frame_of(pattern(24, 32, n)) for n in range(4)]
    clip(tmp_path / "a.mkv", frames, [0, 60, 60, 120], codec="ffv1")
    upscale_video(tmp_path / "a.mkv", tmp_path / "b.mkv", espcn, 3)
    assert [f.pts for f in decoded(tmp_path / "b.mkv")] == [0, 100, 101, 200]


def test_rgb_networks_are_folded_and_given_back(tmp_path: Path) -> None:
    film = clip(tmp_path / "a.mp4", [frame_of(pattern(24, 32, n)) for n in range(2)])
    network = models.create("srresnet", 2, "b4").train()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    assert upscale_video(film, tmp_path / "b.mp4", network, 2, tile=24).size_out == (64, 48)
    assert network.training
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_frames_are_decoded_one_by_one(film: Path, tmp_path: Path, espcn: nn.Module, monkeypatch: Any) -> None:
    """Memory stays bounded: no frame is read before the one before it has been given to the encoder."""
    order: list[str] = []
    decode, enlarge = video._decoded, Enlarger.__call__

    def watched(*arguments: Any) -> Iterator[Any]:
        for item in decode(*arguments):
            order.append("read" if isinstance(item, av.VideoFrame) else "sound")
            yield item

    def noted(self: Enlarger, frame: Any) -> Any:
        order.append("enlarged")
        return enlarge(self, frame)

    monkeypatch.setattr(video, "_decoded", watched)
    monkeypatch.setattr(Enlarger, "__call__", noted)
    upscale_video(film, tmp_path / "b.mp4", espcn, 3)
    assert [what for what in order if what != "sound"] == ["read", "enlarged"] * 8


def test_upscale_knows_a_video_by_its_ending(film: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "clip.MP4"
    source.write_bytes(film.read_bytes())
    command = ["upscale", str(source), "--model", "bicubic", "--scale", "2", "--quiet"]
    assert main(command) == 0
    target = tmp_path / "clip_bicubic_x2.mp4"
    out = capsys.readouterr().out
    assert out.startswith(f"{target} (32×24 to 64×48, 8 frames, ")
    assert out.endswith(" frames/s)\n")
    assert decoded(target)[0].width == 64
    assert main(command) == 2
    assert "--force" in capsys.readouterr().err
    assert main([*command, "--force"]) == 0
    assert main([*command, "-o", str(tmp_path / "b.png")]) == 2
    assert "no video is written as '.png'" in capsys.readouterr().err


@pytest.mark.cuda
def test_the_same_film_on_a_gpu(film: Path, tmp_path: Path, espcn: nn.Module) -> None:
    upscale_video(film, tmp_path / "a.mp4", espcn, 3, device="cpu", crf=0)
    upscale_video(film, tmp_path / "b.mp4", espcn, 3, device="cuda", crf=0)
    for one, other in zip(decoded(tmp_path / "a.mp4"), decoded(tmp_path / "b.mp4"), strict=True):
        for a, b in zip(planes(one), planes(other), strict=True):
            assert np.abs(a.astype(int) - b).max() <= 1
