"""A frame of a video, enlarged: from decoded planes to tensors and back, in the frame's own colours.

Read `Enlarger`. A decoded frame is three planes already: luma Y, and chroma Cb and Cr, mostly at half its size in both
directions (4:2:0). A network for luma gets the Y plane as it is, and bicubic enlarges the chroma planes: nothing is
converted to RGB and back, which costs no time, loses nothing to rounding, and holds for every colour matrix. Networks
for RGB get RGB made with the matrix of the video, in floating point.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from srlib.models.bicubic import Bicubic, BicubicConv
from srlib.upscaling import upscale_into

if TYPE_CHECKING:
    from av import VideoFrame
    from numpy.typing import NDArray

# The layouts worked on, which H.264 can hold: 8 or 10 bits, chroma at a quarter, a half or the whole of luma's pixels.
LAYOUTS = ("yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv422p10le", "yuv444p10le")

# FFmpeg's numbers for what a frame says of its colours (ITU-T H.273). The matrix makes Y, Cb and Cr of R, G and B.
RGB, BT709, UNSPECIFIED, BT601 = 0, 1, 2, 6
LIMITED, FULL = 1, 2  # luma in 16..235, or in 0..255
RED_BLUE = {BT709: (0.2126, 0.0722), 4: (0.30, 0.11), 7: (0.212, 0.087), 9: (0.2627, 0.0593), 10: (0.2627, 0.0593)}


class VideoError(ValueError):
    """A file that is not a video, or a video that cannot be enlarged or written as asked."""


def layout(frame: VideoFrame) -> str:
    """The layout in which a frame is worked on: its own where that is one of `LAYOUTS`, else 4:2:0."""
    name = frame.format.name.replace("yuvj", "yuv")  # an old name for 0..255
    if name in LAYOUTS:
        return name
    return "yuv420p10le" if max(part.bits for part in frame.format.components) > 8 else "yuv420p"


def matrix(frame: VideoFrame) -> int:
    """The colour matrix of a frame; one that does not say gets the one that players guess from its size.

    They would guess again from the enlarged size, and often differently: so the enlarged video says it.
    """
    if frame.format.is_rgb or frame.format.has_palette:
        return BT709  # the one it is converted with
    if frame.colorspace in (RGB, UNSPECIFIED):
        return BT709 if frame.height > 576 else BT601
    return int(frame.colorspace)


def full_range(frame: VideoFrame) -> bool:
    """Whether luma goes from 0 to 255 rather than from 16 to 235."""
    return frame.format.name.startswith("yuvj") or (frame.color_range == FULL and not frame.format.is_rgb)


def planes(frame: VideoFrame) -> list[NDArray[Any]]:
    """Views of a frame's planes: Y `(h, w)`, Cb and Cr as large as their layout says; uint8, or uint16 for 10 bits."""
    dtype = np.uint16 if frame.format.components[0].bits > 8 else np.uint8
    views = []
    for plane in frame.planes:
        flat: NDArray[Any] = np.frombuffer(plane, dtype)  # type: ignore[call-overload]  # a plane is a buffer
        views.append(flat.reshape(plane.height, -1)[:, : plane.width])  # in memory, rows are longer than the picture
    return views


@cache
def ycc_from_rgb(code: int) -> Tensor:
    """RGB in [0, 1] to Y in [0, 1], Cb and Cr in [-1/2, 1/2]: the matrix `(3, 3)` of that number."""
    red, blue = RED_BLUE.get(code, (0.299, 0.114))
    y = torch.tensor([red, 1 - red - blue, blue])
    cb = (torch.tensor([0.0, 0.0, 1.0]) - y) / (2 * (1 - blue))
    cr = (torch.tensor([1.0, 0.0, 0.0]) - y) / (2 * (1 - red))
    return torch.stack([y, cb, cr])


def sideways(scale: int, centred: bool) -> float:
    """How far enlarged chroma looks to the side when luma has twice its columns, in chroma pixels of the source.

    The J-th pixel of the enlarged chroma lies at luma column 2J, which is column (2J + 1/2)/scale - 1/2 of the small
    picture. There, the j-th lies at luma column 2j, or at 2j + 1/2 if centred: so it looks at j = J/scale - (1 -
    1/scale)/4, or a quarter less. Plain enlarging looks at J/scale - (1 - 1/scale)/2, and colours would lie
    (scale - 1)/2 pixels beside their luma.
    """
    return (1 - 1 / scale) / 4 - (0.25 if centred else 0)


class Enlarger:
    """Frames in, frames `scale` times as large out, in the layout and the colours of the first.

    Args:
        network: in eval mode, on the device where it is to work.
        first: the first frame.
        centred: where chroma of the source lies: in the middle of its luma pixels (JPEG, MPEG-1), or above the left
            one, as in nearly all other video and in what comes out.
        tile: as for `srlib.upscale`.
    """

    def __init__(
        self, network: nn.Module, first: VideoFrame, *, centred: bool = False, tile: int | None = None
    ) -> None:
        from av.video.reformatter import VideoReformatter

        self.network, self.tile = network, tile
        self.device = next((p.device for p in network.parameters()), torch.device("cpu"))
        self.scale = scale = int(network.scale)  # type: ignore[arg-type]
        self.rgb = int(network.channels) == 3 and not isinstance(network, Bicubic)  # type: ignore[arg-type]
        self.size = (first.width, first.height)
        self.enlarged = (first.width * scale, first.height * scale)
        self.matrix, self.full = matrix(first), full_range(first)
        self.layout = layout(first)
        if self.rgb:  # halving chroma in one direction is not worth code of its own
            self.layout = self.layout.replace("422", "444")
        self.deep = self.layout.endswith("10le")
        self.halved = "420" in self.layout
        self.bicubic = BicubicConv(scale, shift=0 if "444" in self.layout else sideways(scale, centred)).to(self.device)
        self.double = BicubicConv(2, shift=0 if centred else 0.25).to(self.device)  # chroma to luma's size
        mix = ycc_from_rgb(self.matrix)
        self.from_rgb, self.to_rgb = mix.to(self.device), torch.linalg.inv(mix).to(self.device)
        self.converter = VideoReformatter()  # one for all frames, since it holds large tables

    def __call__(self, frame: VideoFrame) -> VideoFrame:
        """One frame, enlarged; its time is not set.

        Raises VideoError for an interlaced frame, and for one of another size than the first.
        """
        if (frame.width, frame.height) != self.size:
            now, then = f"{frame.width}×{frame.height}", f"{self.size[0]}×{self.size[1]}"
            raise VideoError(f"a frame has {now} pixels, and those before it had {then}; convert it to one size first")
        if frame.interlaced_frame:
            raise VideoError("it is interlaced: each frame shows two moments; deinterlace it first")
        y, *chroma = (self._read(plane) for plane in planes(self._in_layout(frame)))
        with torch.inference_mode():
            y, both = (self._as_rgb if self.rgb else self._as_planes)(y, torch.cat(chroma))
        out = self._blank()
        for plane, large in zip(planes(out), (y[0, 0], both[0, 0], both[1, 0]), strict=True):
            large = large[: plane.shape[0], : plane.shape[1]]  # 4:2:0 rounds up, and so enlarged it may be too large
            plane[:] = self._write(large)
        return out

    def _as_planes(self, y: Tensor, chroma: Tensor) -> tuple[Tensor, Tensor]:
        """Y `(1, 1, h, w)` by the network, Cb and Cr `(2, 1, …)` by bicubic."""
        sr = self._network(self._normal(y) * (219 / 255) + 16 / 255)  # luma as networks learn it: [16, 235]/255
        return self._number((sr - 16 / 255) * (255 / 219)), self.bicubic(chroma)

    def _as_rgb(self, y: Tensor, chroma: Tensor) -> tuple[Tensor, Tensor]:
        """Y `(1, 1, h, w)`, Cb and Cr `(2, 1, …)` to RGB, through the network, and back."""
        if self.halved:
            chroma = self.double(chroma)[..., : y.shape[2], : y.shape[3]]
        ycc = torch.cat([self._normal(y), self._normal(chroma, chroma=True).transpose(0, 1)], dim=1)  # (1, 3, h, w)
        sr = self._network(torch.einsum("ij,njhw->nihw", self.to_rgb, ycc))  # (1, 3, H, W)
        ycc = torch.einsum("ij,njhw->nihw", self.from_rgb, sr)
        chroma = self._number(ycc[:, 1:].transpose(0, 1), chroma=True)  # (2, 1, H, W)
        if self.halved:  # the mean of two rows; of three columns, with the one in the middle counted twice
            kernel = torch.tensor([[[[0.125, 0.25, 0.125], [0.125, 0.25, 0.125]]]], device=self.device)
            chroma = F.conv2d(F.pad(chroma, (1, 0, 0, 0), mode="replicate"), kernel, stride=2)
        return self._number(ycc[:, :1]), chroma

    def _network(self, lr: Tensor) -> Tensor:
        out = torch.empty(1, lr.shape[1], *reversed(self.enlarged), device=self.device)
        return upscale_into(self.network, lr, out, tile=self.tile)

    def _span(self, chroma: bool) -> tuple[float, float]:
        """Which number of the file is 0, and how many numbers it is from there to 1."""
        depth = 4 if self.deep else 1  # 10 bits count in quarters
        if self.full:
            return 128.0 * depth if chroma else 0.0, 256.0 * depth - 1
        return (128.0 * depth, 224.0 * depth) if chroma else (16.0 * depth, 219.0 * depth)

    def _normal(self, x: Tensor, *, chroma: bool = False) -> Tensor:
        """Numbers of the file to Y in [0, 1] or chroma in [-1/2, 1/2]."""
        zero, steps = self._span(chroma)
        return (x - zero) / steps

    def _number(self, x: Tensor, *, chroma: bool = False) -> Tensor:
        """The inverse of `_normal`, not rounded."""
        zero, steps = self._span(chroma)
        return x * steps + zero

    def _read(self, plane: NDArray[Any]) -> Tensor:
        """Integers `(h, w)` to floats `(1, 1, h, w)` on the device."""
        whole = plane.astype(np.int32) if self.deep else plane.copy()  # PyTorch can do little with uint16
        return torch.from_numpy(whole).to(self.device)[None, None].float()

    def _write(self, x: Tensor) -> NDArray[Any]:
        """Floats `(h, w)` to the nearest integers that the layout has."""
        whole = torch.floor(x + 0.5).clamp(0, 1023 if self.deep else 255)
        return whole.to(torch.int32 if self.deep else torch.uint8).cpu().numpy()

    def _in_layout(self, frame: VideoFrame) -> VideoFrame:
        """The frame in the layout worked on: itself, or what FFmpeg's scaler makes of it."""
        if frame.format.name.replace("yuvj", "yuv") == self.layout:
            return frame
        if frame.format.is_rgb or frame.format.has_palette:
            return self.converter.reformat(frame, format=self.layout, dst_colorspace=BT709, dst_color_range=LIMITED)
        return self.converter.reformat(frame, format=self.layout)

    def _blank(self) -> VideoFrame:
        from av import VideoFrame

        frame = VideoFrame(*self.enlarged, self.layout)
        frame.colorspace, frame.color_range = self.matrix, FULL if self.full else LIMITED
        return frame
