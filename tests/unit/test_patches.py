"""Patches: aligned, exact at every border, evenly spread, repeatable."""

from __future__ import annotations

import pytest
import torch

from srlib.degrade import bicubic_up, imresize
from srlib.patches import PatchSampler


def pictures(channels: int = 1) -> list[torch.Tensor]:
    g = torch.Generator().manual_seed(0)
    return [
        torch.randint(0, 256, (1, channels, h, w), dtype=torch.uint8, generator=g)
        for h, w in ((31, 40), (60, 26), (8, 90))
    ]


def symmetries(x: torch.Tensor) -> list[torch.Tensor]:
    return [torch.rot90(y, k, (-2, -1)) for y in (x, x.flip(-1)) for k in range(4)]


@pytest.mark.parametrize("upsampled", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_every_patch_is_a_piece_of_a_picture_with_its_own_lr(scale: int, channels: int, upsampled: bool) -> None:
    side = 12
    sampler = PatchSampler(pictures(channels), scale, side, 32, upsampled=upsampled)
    known: dict[bytes, list[torch.Tensor]] = {}
    for picture in pictures(channels)[:2]:
        hr = picture[..., : picture.shape[2] // scale * scale, : picture.shape[3] // scale * scale]
        lr = imresize(hr, 1 / scale).float() / 255
        low = bicubic_up(lr, scale) if upsampled else lr
        step, size = (scale, side) if upsampled else (1, side // scale)
        for i in range(lr.shape[2] - side // scale + 1):
            for j in range(lr.shape[3] - side // scale + 1):
                big = hr[..., i * scale : i * scale + side, j * scale : j * scale + side]
                small = low[..., i * step : i * step + size, j * step : j * step + size]
                for a, b in zip(symmetries(big), symmetries(small), strict=True):
                    known.setdefault(a[0].contiguous().numpy().tobytes(), []).append(b[0])
    for _ in range(4):
        lr, hr = sampler.next()
        for a, b in zip(lr, hr, strict=True):
            candidates = known[(b * 255).round().to(torch.uint8).contiguous().numpy().tobytes()]
            assert min(float((a - c).abs().max()) for c in candidates) < 1e-6


def test_positions_are_evenly_spread() -> None:
    ramp = torch.arange(40, dtype=torch.uint8).view(1, 1, 1, 40).expand(1, 1, 40, 40).contiguous()
    sampler = PatchSampler([ramp], 2, 8, 4000)
    hr = (sampler.next().hr * 255).round()
    lefts = hr.amin((1, 2, 3)).long()  # the smallest value tells the column, whatever the symmetry
    counts = torch.bincount(lefts, minlength=33)[::2].double()
    assert (counts > 0).all()
    expected = 4000 / len(counts)
    assert float(((counts - expected) ** 2 / expected).sum()) < 45  # chi-square, 16 degrees of freedom, p ≈ 1e-4


def test_the_generator_state_decides_what_comes_next() -> None:
    a, b = (PatchSampler(pictures(), 2, 12, 4, seed=s) for s in (0, 1))
    assert not torch.equal(a.next().hr, b.next().hr)
    b.load_state_dict(a.state_dict())
    assert torch.equal(a.next().hr, b.next().hr)


def test_impossible_patches() -> None:
    with pytest.raises(ValueError, match="not a multiple of scale 3"):
        PatchSampler(pictures(), 3, 20, 4)
    with pytest.raises(ValueError, match="none of the 3 pictures has 96×96"):
        PatchSampler(pictures(), 3, 96, 4)


@pytest.mark.cuda
def test_the_gpu_sees_the_same_patches() -> None:
    one, two = (PatchSampler(pictures(3), 3, 12, 8, device=device, upsampled=True) for device in ("cpu", "cuda"))
    for a, b in zip(one.next(), two.next(), strict=True):
        assert torch.allclose(a, b.cpu(), atol=1e-5)
