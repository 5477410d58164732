"""Judges of the exercises of chapter 3, “SRCNN: three convolutions”.

Each judge tries an answer by what it does. Where the answer is one of the usual mistakes, it names the mistake.
"""

from __future__ import annotations

import copy
from unittest import mock

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from srlib import datasets, degrade, metrics, models
from srlib.check import Wrong, exercise
from srlib.check._answers import as_function, as_tensor, same, seeded
from srlib.image import rgb_to_y, rgb_to_ycbcr, ycbcr_to_rgb


@exercise(
    "3.1",
    "Start at one pixel of the output. How many pixels of the layer before it does a 5×5 filter look at, in a row?",
    "Each of those pixels looks at f pixels of the layer before; neighbours share all but one of them.",
    "A filter of side f widens the field by f - 1. One pixel alone has a field of 1.",
)
def receptive_field(answer: object) -> str:
    """A function of filter sides that returns how wide the field of one output pixel is."""
    function = as_function(answer)
    for sides, right in (((9, 1, 5), 13), ((5,), 5), ((9, 5, 5), 17), ((3,) * 20, 41)):
        out = function(*sides)
        if out is None or out is ...:
            raise Wrong("the function returns nothing yet; put your code in place of the dots.")
        if out == sum(sides) and out != right:
            raise Wrong(f"for {sides} you give {out}, the sum of the sides; but neighbouring fields overlap.")
        if out != right:
            raise Wrong(f"for filters of side {', '.join(map(str, sides[:3]))}{'…' * (len(sides) > 3)} you give {out}.")
    return "right. 9-1-5 sees 13×13 pixels, 9-5-5 sees 17×17, and twenty layers of 3×3 see 41×41."


@exercise(
    "3.2",
    "F.unfold(x, f) turns every f×f patch into a column; the weights of a filter, flattened, are a row.",
    "Repeat the edge first: F.pad(x, (f // 2,) * 4, mode='replicate'). Then weight.flatten(1) @ columns.",
    "What comes out is (N, n, H·W): add bias[:, None] and give it the shape (N, n, H, W).",
)
def convolution(answer: object) -> str:
    """A convolution that keeps the size by repeating the edge, without calling a convolution."""
    function = as_function(answer)
    message = "the function calls a ready-made convolution; build it from F.unfold and a matrix product."
    forbidden = mock.Mock(side_effect=Wrong(message))
    for channels, filters, side in ((1, 4, 9), (3, 2, 5), (4, 3, 1)):
        x = torch.rand(2, channels, 12, 15, generator=seeded())
        weight = torch.randn(filters, channels, side, side, generator=seeded()) / side
        bias = torch.randn(filters, generator=seeded())
        padded = F.pad(x, (side // 2,) * 4, mode="replicate")
        right = F.conv2d(padded, weight, bias)
        with mock.patch.object(F, "conv2d", forbidden), mock.patch.object(torch, "conv2d", forbidden):
            out = function(x.clone(), weight.clone(), bias.clone())
        out = as_tensor(out, tuple(right.shape))
        if same(out, right):
            continue
        if same(out, right - bias[:, None, None]):
            raise Wrong("the bias is missing.")
        if same(out, F.conv2d(x, weight, bias, padding=side // 2)):
            raise Wrong("inside it is right; at the border zeros were assumed. Repeat the edge pixel instead.")
        if same(out, F.conv2d(padded, weight.flip(2, 3), bias)):
            raise Wrong("the filters are turned by 180°. In deep learning a convolution does not turn them.")
        raise Wrong(f"the values are wrong for {filters} filters of {side}×{side} on {channels} channels.")
    return "right. A convolution is a table of patches times a table of filters."


class _Probe(nn.Module):
    """A network for luma of which every output value is known: bicubic, and a little brighter."""

    scale, channels = 3, 1

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Tensor] = []

    def forward(self, y: Tensor) -> Tensor:
        if y.ndim != 4 or y.shape[1] != 1:
            raise Wrong(f"the network works on luma, (N, 1, h, w); it was given {tuple(y.shape)}.")
        self.seen.append(y.detach())
        return degrade.bicubic_up(y, 3) + 0.05


@exercise(
    "3.3",
    "The network takes one channel of three. Which one holds what the eye sees most sharply?",
    "srlib.image.rgb_to_ycbcr(lr) gives (1, 3, h, w): Y, Cb, Cr. Only ycbcr[:, :1] goes through the network.",
    "Enlarge Cb and Cr with degrade.bicubic_up, put the three together with torch.cat(…, dim=1), turn them back with "
    "srlib.image.ycbcr_to_rgb, and clip to [0, 1].",
)
def colour(answer: object) -> str:
    """Apply a luma network to a colour picture."""
    function = as_function(answer)
    lr = torch.rand(1, 3, 8, 10, generator=seeded())
    probe = _Probe()
    out = as_tensor(function(probe, lr.clone()), (1, 3, 24, 30))
    ycbcr = rgb_to_ycbcr(lr)
    up = degrade.bicubic_up(ycbcr, 3)
    bright = up + torch.tensor([0.05, 0, 0])[:, None, None]
    right = ycbcr_to_rgb(bright)
    if not probe.seen:
        raise Wrong("the network was never called.")
    if same(out, right) and not same(right, right.clamp(0, 1)):
        raise Wrong("the colours are right, but some values lie outside [0, 1]; a picture has to be clipped.")
    if same(out, right.clamp(0, 1)):
        return "right. This is how every network for luma in this book treats a colour photograph."
    if len(probe.seen) == 3 or same(out, (degrade.bicubic_up(lr, 3) + 0.05).clamp(0, 1)):
        raise Wrong("red, green and blue each went through the network; it was trained on luma, and once is enough.")
    if same(probe.seen[0], lr.mean(1, keepdim=True)):
        raise Wrong("the network was given the mean of red, green and blue; luma weighs them, see rgb_to_y.")
    if not same(probe.seen[0], rgb_to_y(lr)):
        raise Wrong("the network was not given luma; the first channel of rgb_to_ycbcr(lr) is luma.")
    raise Wrong("the network got luma, but the picture that comes out has other colours than it should.")


def _reference(network: nn.Module, batches: list[tuple[Tensor, Tensor]], rate: float, forget: bool) -> list[float]:
    """The right training loop; `forget=False` makes the mistake of adding up gradients."""
    optimiser = torch.optim.Adam(network.parameters(), lr=rate)
    losses = []
    for bicubic, hr in batches:
        loss = F.mse_loss(network(bicubic), hr)
        if forget:
            optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        losses.append(loss.item())
    return losses


def _equal(a: nn.Module, b: nn.Module) -> bool:
    pairs = zip(a.parameters(), b.parameters(), strict=True)
    return all(torch.allclose(p, q, atol=1e-5) for p, q in pairs)


@exercise(
    "3.4",
    "There are three mistakes. What does the loss compare? What does .grad hold at the second step? What is in the "
    "list that comes back?",
    "The network learns what the loss asks for. Here the loss asks for the picture that went in.",
    "Call optimiser.zero_grad() before loss.backward(), and keep loss.item(): a tensor holds on to its whole graph.",
)
def training(answer: object) -> str:
    """A training loop: the right target, fresh gradients at each step, and plain numbers kept."""
    function = as_function(answer)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        start = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 1, 3, padding=1))
    generator = seeded()
    batches = [(torch.rand(4, 1, 9, 9, generator=generator), torch.rand(4, 1, 9, 9, generator=generator))] * 6
    right, adding, trained = (copy.deepcopy(start) for _ in range(3))
    losses = _reference(right, batches, 1e-3, forget=True)
    _reference(adding, batches, 1e-3, forget=False)
    out = function(trained, list(batches), 1e-3)
    if not isinstance(out, list) or len(out) != len(batches):
        raise Wrong("the function must return a list with one loss for each batch.")
    first = float(torch.as_tensor(out[0]).detach())
    with torch.no_grad():
        copying = float(F.mse_loss(start(batches[0][0]), batches[0][0]))
    if abs(first - copying) < 1e-6:
        raise Wrong("the loss compares the result with the picture that went in; the network learns to change nothing.")
    if abs(first - losses[0]) > 1e-6:
        raise Wrong(f"the first loss is {first:.4f}; the mean squared difference from HR is {losses[0]:.4f}.")
    if _equal(trained, start):
        raise Wrong("the weights have not moved: is optimiser.step() called?")
    if _equal(trained, adding):
        raise Wrong("the gradients of all steps add up: forget the old ones before loss.backward().")
    if not _equal(trained, right):
        raise Wrong("the weights are not where six steps of Adam lead; check the order of the lines.")
    if any(isinstance(loss, Tensor) and loss.requires_grad for loss in out):
        raise Wrong("it learns, but each loss in the list keeps its whole graph in memory; keep plain numbers.")
    return "right. Three lines, and each of the mistakes ran without an error message."


def _views(x: Tensor) -> list[Tensor]:
    """The eight turned and mirrored views of a picture."""
    return [v.rot90(k, (2, 3)) for v in (x, x.flip(3)) for k in range(4)]


def _undo(views: list[Tensor]) -> list[Tensor]:
    turned = [view.rot90(-(i % 4), (2, 3)) for i, view in enumerate(views)]
    return [view.flip(3) if i >= 4 else view for i, view in enumerate(turned)]


@exercise(
    "3.5",
    "Turn the picture, enlarge it, turn the result back: a network that treated all directions alike would give the "
    "same picture each time.",
    "There are eight views: four turns, x.rot90(k, (2, 3)), of the picture and of its mirror image, x.flip(3).",
    "Undo in the opposite order: first rot90(-k, (2, 3)), then flip(3). The mean of the eight is the answer.",
)
def ensemble(answer: object) -> str:
    """The mean over the eight symmetries of the square."""
    function = as_function(answer)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        network = models.create("srcnn", scale=2, variant="9-1-5").eval()
        y = torch.rand(1, 1, 10, 13)
        right = torch.stack(_undo([network(view) for view in _views(y)])).mean(0)
        out = as_tensor(function(network, y.clone()), tuple(right.shape))
        if same(out, network(y)):
            raise Wrong("this is the network's answer to the picture as it stands; average over the eight views.")
        if not same(out, right):
            raise Wrong("this is not the mean over the eight views; is every result turned back before it is added?")
        hr = degrade.mod_crop(rgb_to_y(datasets.photo("astronaut")), 3)[..., :240, 120:360]
        lr = degrade.bicubic_down(hr, 3)
        shipped = models.load_pretrained("srcnn", scale=3)
        alone, together = (
            float(metrics.psnr(sr.clamp(0, 1), hr, shave=3)) for sr in (shipped(lr), function(shipped, lr))
        )
    gain = f"{together - alone:+.2f} dB"
    return f"right. On a piece of the astronaut it is worth {gain} to the shipped network, for eight times the work."
