"""Judges of the exercises of chapter 4, “ESPCN: enlarge at the end”.

Each judge tries an answer by what it does. Where the answer is one of the usual mistakes, it names the mistake.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from unittest import mock

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from srlib.check import Wrong, exercise
from srlib.check._answers import as_function, as_tensor, same, seeded
from srlib.models.espcn import ESPCN


@exercise(
    "4.1",
    "Count for one LR pixel first. How many weights does each of the three layers multiply there?",
    "The layers hold 25·64, 9·64·32 and 9·32·s² weights, where s is the scale. Biases are only added.",
    "One LR pixel becomes s² pixels of SR: divide the sum of the three by s².",
)
def operations(answer: object) -> str:
    """A function of the scale that returns ESPCN's multiply-adds per pixel of SR."""
    function = as_function(answer)
    for scale in (2, 3, 4):
        out = function(scale)
        if out is None or out is ...:
            raise Wrong("the function returns nothing yet; put your code in place of the dots.")
        if not isinstance(out, int | float | Tensor):
            raise Wrong(f"the function must return a number, not {type(out).__name__}.")
        got, small = float(out), 1600 + 18432
        right = (small + 288 * scale**2) / scale**2
        if abs(got - right) < 0.01 * right:  # biases would be half a per cent: rounding is forgiven, they are not
            if abs(got - right) < 0.001 * right:
                continue
            raise Wrong(f"for ×{scale} you give {got:,.1f}, a little too much: a bias is added and multiplies nothing.")
        for mistake, words in {
            right * scale**2: "the work per pixel of LR; one LR pixel becomes several pixels of SR.",
            (small + 288) / scale**2: "right for a last layer with one filter; it has one for each place in a block.",
            57184.0: "the work of SRCNN 9-5-5.",
            float(small + 288): "the work of these layers on a picture that was enlarged first.",
        }.items():
            if abs(got - mistake) < 0.01 * mistake:
                raise Wrong(f"for ×{scale} you give {got:,.0f}: {words}")
        raise Wrong(f"for ×{scale} you give {got:,.1f}, which is {'more' if got > right else 'less'} than it is.")
    return "right: 5,296, 2,514 and 1,540 for ×2, ×3 and ×4. The more it enlarges, the less each pixel costs."


@contextlib.contextmanager
def _without(*names: str) -> Iterator[None]:
    """Calls of these functions of torch and torch.nn.functional end the attempt."""
    message = f"the function calls {names[0]}, which is what it should build; use strides or reshape and permute."
    forbidden = mock.Mock(side_effect=Wrong(message))
    with contextlib.ExitStack() as stack:
        for place in (F, torch):
            for name in names:
                if hasattr(place, name):
                    stack.enter_context(mock.patch.object(place, name, forbidden))
        yield


@exercise(
    "4.2",
    "The pixels in row i and column j of all blocks are x[..., i::r, j::r]. Which channel were they?",
    "Channel c·r² + i·r + j of the result comes from colour c: the place in the block counts faster than the colour.",
    "x.reshape(n, c, h, r, w, r) has the axes colour, row of blocks, i, column of blocks, j. Permute them to "
    "(0, 1, 3, 5, 2, 4) and flatten the first three after n.",
)
def unshuffle(answer: object) -> str:
    """The inverse of the pixel shuffle, for any number of colours."""
    function = as_function(answer)
    for colours, r, h, w in ((1, 2, 3, 4), (1, 3, 2, 5), (3, 2, 4, 3)):
        x = torch.rand(2, colours, h * r, w * r, generator=seeded())
        right = F.pixel_unshuffle(x, r)
        with _without("pixel_unshuffle"):
            out = as_tensor(function(x.clone(), r), tuple(right.shape))
        if torch.equal(out, right):
            continue
        split = right.reshape(2, colours, r, r, h, w)
        if torch.equal(out, split.transpose(2, 3).reshape(right.shape)):
            raise Wrong("rows and columns of a block are exchanged: j, the column, is the one that counts fastest.")
        if torch.equal(out, split.permute(0, 2, 3, 1, 4, 5).reshape(right.shape)):
            raise Wrong("right for luma; with several colours, the colour is the one that counts slowest in PyTorch.")
        if torch.equal(out, x.reshape(right.shape)):
            raise Wrong("reshape alone cuts the picture into strips; the blocks have to be taken apart by permute.")
        if torch.equal(out.flatten().sort().values, right.flatten().sort().values):
            raise Wrong(f"all numbers are there, but not in their places, with {colours} colour(s) and r = {r}.")
        raise Wrong("numbers have changed; they should only change their places.")
    return "right. Nothing was computed, so nothing is lost: shuffle and unshuffle undo each other exactly."


@exercise(
    "4.3",
    "Along one axis first: sub-pixel i of r lies at (i + 0.5)/r − 0.5, seen from the middle of its LR pixel.",
    "Bilinear weights fall in a straight line: max(0, 1 − distance), for the LR pixels at −1, 0 and 1.",
    "With taps t of shape (r, 3), the filter of the place (i, j) is the outer product of t[i] and t[j]: "
    "torch.einsum('ia,jb->ijab', t, t).reshape(r * r, 1, 3, 3).",
)
def bilinear(answer: object) -> str:
    """The weights (r², 1, 3, 3) with which one convolution and a shuffle are bilinear interpolation."""
    function = as_function(answer)
    for r in (2, 3, 4):
        place = (torch.arange(r) + 0.5) / r - 0.5
        taps = (1 - (place[:, None] - torch.arange(-1, 2)).abs()).clamp(min=0)  # (r, 3)
        right = torch.einsum("ia,jb->ijab", taps, taps).reshape(r * r, 1, 3, 3)
        out = as_tensor(function(r), tuple(right.shape)).float()
        if same(out, right):
            continue
        if same(out, right.reshape(r, r, 1, 3, 3).transpose(0, 1).reshape(right.shape)):
            raise Wrong(
                "rows and columns are exchanged: channel i·r + j is the pixel in row i and column j of a block."
            )
        if same(out, right.flip(2, 3)):
            raise Wrong("the filters are mirrored: a sub-pixel to the right takes more of its right neighbour.")
        nearest = torch.zeros(3, 3)
        nearest[1, 1] = 1
        if same(out, nearest.expand_as(right)):
            raise Wrong("this repeats each pixel: it is nearest neighbour.")
        corner = torch.arange(r) / r
        shifted = (1 - (corner[:, None] - torch.arange(-1, 2)).abs()).clamp(min=0)
        if same(out, torch.einsum("ia,jb->ijab", shifted, shifted).reshape(right.shape)):
            raise Wrong(
                "the picture is shifted by a part of a pixel: a pixel is centred at (i + 0.5)/r − 0.5, not i/r."
            )
        sums = out.sum((1, 2, 3))
        if not same(sums, torch.ones(r * r)):
            worst = float(sums[(sums - 1).abs().argmax()])
            raise Wrong(
                f"a filter has to add up to 1, or a grey wall changes its grey; one of yours adds up to {worst:.2f}."
            )
        raise Wrong(f"the weights add up to 1, but the picture is not that of bilinear interpolation at ×{r}.")
    return "right. Bilinear and bicubic are sub-pixel convolutions with weights that nobody trained."


def _columns_first(x: Tensor, r: int) -> Tensor:
    """The pixel shuffle with rows and columns of a block exchanged."""
    n, _, h, w = x.shape
    return F.pixel_shuffle(x.reshape(n, r, r, h, w).transpose(1, 2).reshape(n, r * r, h, w), r)


@exercise(
    "4.4",
    "Whatever the order of the channels, the loss must be the mean squared difference between `picture` and `hr`. "
    "Print both numbers.",
    "There are two mistakes. One is in the order of the axes; the other makes the loss judge numbers that never reach "
    "the picture.",
    "F.pixel_shuffle puts channel i·r + j at row i, column j: the target needs permute(0, 2, 4, 1, 3). And the picture "
    "is made of `channels`, not of their tanh.",
)
def consistent(answer: object) -> str:
    """A loss on the small channels that is the loss of the picture they become."""
    function = as_function(answer)
    for r, h, w in ((2, 4, 6), (3, 5, 3)):
        channels = torch.rand(2, r * r, h, w, generator=seeded()).requires_grad_()
        hr = torch.rand(2, 1, h * r, w * r, generator=seeded())
        out = function(channels, hr.clone(), r)
        if out is None or out is ...:
            raise Wrong("the function returns nothing yet; put your code in place of the dots.")
        if not isinstance(out, tuple | list) or len(out) != 2:
            raise Wrong("the function must return two things, the loss and the picture.")
        picture = as_tensor(out[1], tuple(hr.shape))
        loss = out[0]
        if not isinstance(loss, Tensor) or loss.numel() != 1:
            raise Wrong("the loss must be a tensor with one number, so that it has a gradient.")
        if not loss.requires_grad:
            raise Wrong("the loss has no gradient; the channels must reach it without .item(), .detach() or no_grad().")
        orders = [F.pixel_shuffle(channels, r).detach(), _columns_first(channels, r).detach()]
        if not any(same(picture, order) for order in orders):
            raise Wrong("the picture is no longer the channels, each number at its place in its block of r×r.")
        value, wanted = float(loss.detach()), float(F.mse_loss(picture, hr))
        if abs(value - wanted) < 1e-6:
            continue
        bent = torch.tanh(channels).detach()
        other = orders[1] if same(picture, orders[0]) else orders[0]
        exchanged = float(F.mse_loss(other, hr))
        bent_too = [float(F.mse_loss(order(bent, r), hr)) for order in (F.pixel_shuffle, _columns_first)]
        if abs(value - exchanged) < 1e-6:
            raise Wrong("the loss compares each place in a block with another place: rows and columns are exchanged.")
        if any(abs(value - mistake) < 1e-6 for mistake in bent_too):
            raise Wrong("the loss judges tanh of the channels, but the picture is made of the channels themselves.")
        raise Wrong(f"the loss is {value:.4f}, and the picture differs from HR by {wanted:.4f} (mean squared).")
    return "right. The loss would have fallen all the same; only the picture shows that it fell for other numbers."


class _Watched(nn.Module):
    """A network that remembers the sizes of the pictures that it was given."""

    def __init__(self, network: ESPCN) -> None:
        super().__init__()
        self.network, self.scale, self.channels, self.overlap = network, network.scale, 1, network.overlap
        self.sizes: list[tuple[int, int]] = []

    def forward(self, x: Tensor) -> Tensor:
        self.sizes.append((x.shape[2], x.shape[3]))
        out: Tensor = self.network(x)
        return out


def _tiled(network: nn.Module, lr: Tensor, tile: int, overlap: int) -> Tensor:
    """Tiles seen with `overlap` pixels around them, fewer at the border of the picture."""
    scale, (height, width) = int(network.scale), lr.shape[2:]  # type: ignore[arg-type]
    out = lr.new_empty(1, 1, height * scale, width * scale)
    for top in range(0, height, tile):
        for left in range(0, width, tile):
            above, before = max(0, top - overlap), max(0, left - overlap)
            bottom, right = min(height, top + tile), min(width, left + tile)
            sr = network(lr[..., above : bottom + overlap, before : right + overlap])
            kept = sr[..., (top - above) * scale :, (left - before) * scale :]
            place = (..., slice(top * scale, bottom * scale), slice(left * scale, right * scale))
            out[place] = kept[..., : (bottom - top) * scale, : (right - left) * scale]
    return out


@exercise(
    "4.5",
    "A pixel of SR sees `network.overlap` LR pixels in each direction. What must a tile see to be right at its edge?",
    "Cut each tile with `overlap` pixels more on every side, enlarge that, and keep only the part of the tile itself. "
    "At the border of the picture there is no more to cut: stop there.",
    "With above = max(0, top - overlap), the kept part of the tile's SR begins at row (top - above)·scale.",
)
def in_tiles(answer: object) -> str:
    """A picture enlarged in tiles, the same to the last bit that matters as in one piece."""
    function = as_function(answer)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = ESPCN(scale=3, n1=6, n2=5).eval().requires_grad_(False)
        network.reset_parameters("icnr")
        for layer in (network.conv1, network.conv2, network.conv3):
            layer.bias.data.uniform_(-0.3, 0.3)  # type: ignore[union-attr]  # so that what lies outside a picture shows
    for height, width, tile in ((20, 23, 8), (9, 30, 12), (7, 6, 16)):
        lr = torch.rand(1, 1, height, width, generator=seeded())
        whole = network(lr)
        watched = _Watched(network)
        with torch.no_grad():
            out = as_tensor(function(watched, lr.clone(), tile), tuple(whole.shape))
        most = max((max(size) for size in watched.sizes), default=0)
        if most == 0:
            raise Wrong("the network was never called.")
        if most > tile + 2 * network.overlap:
            raise Wrong(f"the network was given {most} LR pixels at once; a tile of {tile} and its overlap are enough.")
        if same(out, whole):
            continue
        if same(out, _tiled(network, lr, tile, 0)):
            raise Wrong("there are seams: at the edge of a tile the network sees zeros, not the neighbouring tile.")
        inside = (..., slice(12, -12), slice(12, -12))
        if height > 12 and same(out[inside], whole[inside]):
            raise Wrong("inside it is right; at the border of the picture the network must see its end, not padding.")
        for overlap in range(1, network.overlap):
            if same(out, _tiled(network, lr, tile, overlap)):
                raise Wrong(f"an overlap of {overlap} is not enough for this network; the seams are only fainter.")
        raise Wrong(f"{height}×{width} LR pixels in tiles of {tile} do not give the same picture as in one piece.")
    return "right. A picture of any size now fits into the memory of one tile; srlib.upscale works like this."
