"""Colours of a video: each plane gets what it should, beside the others, in every layout, range and matrix."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from clips import clip, decoded, frame_of, pattern
from torch import Tensor, nn

import srlib
from srlib import datasets, degrade, image, models
from srlib._planes import Enlarger, planes, ycc_from_rgb
from srlib.video import upscale_video


class Nearest(nn.Module):
    """A network for RGB that repeats each pixel, to see what happens to colours on the way."""

    channels, overlap = 3, 0

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.interpolate(x, scale_factor=self.scale, mode="nearest")


def test_luma_goes_through_the_network_and_chroma_through_bicubic(tmp_path: Path) -> None:
    torch.manual_seed(0)
    espcn = models.create("espcn", 3).eval()
    source = clip(tmp_path / "small.mp4", [frame_of(pattern(24, 32, number)) for number in range(3)])
    upscale_video(source, tmp_path / "large.mp4", espcn, 3, crf=0)
    for small, large in zip(decoded(source), decoded(tmp_path / "large.mp4"), strict=True):
        y, cb, _ = (torch.from_numpy(plane.copy())[None, None] for plane in planes(small))
        with torch.no_grad():
            want = image.to_uint8(espcn(y / 255))[0, 0].numpy()
        difference = np.abs(planes(large)[0].astype(int) - want)
        assert difference.max() <= 1
        assert difference.mean() < 0.01  # halves may fall to either side
        # The ramp says at which column of the small picture an enlarged chroma pixel has to look: see `sideways`.
        ramp = 90 + 2.0 * ((2 * np.arange(48) + 0.5) / 3 - 0.5) + float(cb[0, 0, 0, 0] - 90)
        inside = slice(6, -6)  # at the border the edge pixel is repeated
        assert np.abs(planes(large)[1] - ramp)[:, inside].max() <= 1


@pytest.mark.parametrize(("name", "variant"), [("srcnn", "9-1-5"), ("srresnet", "b4")])
def test_a_frame_equals_srlib_upscale(name: str, variant: str, tmp_path: Path) -> None:
    """The same frame as RGB through `srlib.upscale`. Chroma of full size and BT.601, so that nothing else differs."""
    torch.manual_seed(0)
    network = models.create(name, 2, variant).eval()
    photo = 0.2 + 0.6 * datasets.photo("coffee")[..., 100:124, 200:232]  # nothing is clipped, neither here nor there
    source = frame_of(list((image.rgb_to_ycbcr(photo)[0] * 255).numpy()), "yuv444p")
    clip(tmp_path / "a.mp4", [source, source], colorspace=6)
    upscale_video(tmp_path / "a.mp4", tmp_path / "b.mp4", network, 2, crf=0)
    rgb = image.ycbcr_to_rgb(torch.from_numpy(np.stack(planes(source)) / np.float32(255))[None])
    want = (image.rgb_to_ycbcr(srlib.upscale(rgb, network, 2))[0] * 255).numpy()
    frames = decoded(tmp_path / "b.mp4")
    assert len(frames) == 2
    assert np.abs(np.stack(planes(frames[1])) - want).max() <= 1.01


@pytest.mark.parametrize("matrix", [1, 6, 9])
@pytest.mark.parametrize("color_range", [1, 2])
@pytest.mark.parametrize("layout", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le"])
def test_networks_for_rgb_see_the_right_colours(matrix: int, color_range: int, layout: str) -> None:
    seen: list[Tensor] = []
    network = Nearest(2)
    network.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0]))
    rgb = torch.tensor([0.8, 0.3, 0.1])
    ycc = ycc_from_rgb(matrix) @ rgb
    top, middle, span = (255, 128, 255) if color_range == 2 else (219, 128, 224)
    values = [ycc[0] * top + (16 if color_range == 1 else 0), ycc[1] * span + middle, ycc[2] * span + middle]
    frame = frame_of([np.full((8, 12), float(v)) for v in values], layout, color_range)
    frame.colorspace = matrix
    large = Enlarger(network, frame)(frame)
    assert torch.allclose(seen[0], rgb.view(1, 3, 1, 1).expand_as(seen[0]), atol=0.012)
    assert (large.width, large.height, large.colorspace, large.color_range) == (24, 16, matrix, color_range)
    for before, after in zip(planes(frame), planes(large), strict=True):
        assert np.ptp(after) == 0
        assert abs(int(after[0, 0]) - int(before[0, 0])) <= 1


def test_chroma_stays_beside_its_luma_in_rgb_too() -> None:
    values = [np.full((16, 64), 120.0), np.tile(64 + 2.0 * np.arange(64), (16, 1)), np.full((16, 64), 128.0)]
    for scale in (2, 3, 4):
        network = Nearest(scale)
        network.forward = lambda x, scale=scale: degrade.bicubic_up(x, scale)  # type: ignore[method-assign]
        frame = frame_of(values)
        cb = planes(Enlarger(network, frame)(frame))[1]
        want = 64 + 2.0 * ((2 * np.arange(32 * scale) + 0.5) / scale - 0.5)
        assert np.abs(cb - want)[:, 8:-8].max() <= 1


@pytest.mark.parametrize(
    ("layout", "codec", "becomes", "step"),
    [
        ("yuv420p", "ffv1", "yuv420p", 1),
        ("yuv422p", "ffv1", "yuv422p", 1),
        ("yuv420p10le", "ffv1", "yuv420p10le", 4),
        ("yuvj420p", "mjpeg", "yuv420p", 1),
        ("gray", "ffv1", "yuv420p", 0),
        ("bgr0", "ffv1", "yuv420p", 0),
        ("yuv420p12le", "ffv1", "yuv420p10le", 0),
        ("rgb8", "gif", "yuv420p", 0),
    ],
)
def test_layouts(tmp_path: Path, layout: str, codec: str, becomes: str, step: int) -> None:
    y, cb, cr = pattern(24, 32)
    frame = frame_of([y, cb, cr], color_range=2 if "j" in layout else 1).reformat(format=layout)
    source = tmp_path / ("a.gif" if codec == "gif" else "a.mkv")
    clip(source, [frame] * 2, codec=codec, time_base=Fraction(1, 100), color_range=2 if "j" in layout else 0)
    upscale_video(source, tmp_path / "b.mkv", "bicubic", 2, crf=0)
    small, large = decoded(source)[0], decoded(tmp_path / "b.mkv")[0]
    assert large.format.name.replace("yuvj", "yuv") == becomes
    assert large.color_range == (2 if "j" in layout else 1)
    if step:  # the planes were worked on as they were
        for before, after in zip(planes(small), planes(large), strict=True):
            assert abs(before.mean() - after.mean()) < step
    rgb = [f.to_ndarray(format="rgb24").astype(float).mean((0, 1)) for f in (small, large)]
    assert np.abs(rgb[0] - rgb[1]).max() < 3


def test_the_matrix_that_players_guess_does_not_change_with_the_size(tmp_path: Path) -> None:
    for height, matrix in ((480, 6), (720, 1)):
        frame = frame_of([np.full((height, 16), 100.0)] * 3)
        clip(tmp_path / "a.mp4", [frame])
        assert decoded(tmp_path / "a.mp4")[0].colorspace == 2  # it does not say
        upscale_video(tmp_path / "a.mp4", tmp_path / "b.mp4", "bicubic", 2)
        assert decoded(tmp_path / "b.mp4")[0].colorspace == matrix
