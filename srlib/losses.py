"""What training minimises: pixel losses, VGG-19's idea of content, and the adversarial game.

For another loss, add a function to `PIXEL_LOSSES` and name it in a recipe. Read `PIXEL_LOSSES`, `ContentLoss`,
`build`, and the two adversarial losses; the generator's is added to the content with a weight (eq. 3 of SRGAN: 10⁻³;
`ContentLoss` says why that does not fit every content). Pixel and content losses take pictures in [0, 1], adversarial
ones the discriminator's logits; each returns a scalar with a gradient to what it judges.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def mse(sr: Tensor, hr: Tensor) -> Tensor:
    """Mean square error; least for the mean of all plausible answers. PSNR is its logarithm."""
    return F.mse_loss(sr, hr)


def l1(sr: Tensor, hr: Tensor) -> Tensor:
    """Mean absolute error; least for the median of all plausible answers."""
    return F.l1_loss(sr, hr)


def charbonnier(sr: Tensor, hr: Tensor) -> Tensor:
    """Mean of sqrt(d² + 10⁻⁶): an absolute error that is smooth at zero."""
    return torch.sqrt((sr - hr).square() + 1e-6).mean()


PIXEL_LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"mse": mse, "l1": l1, "charbonnier": charbonnier}

# The names in the SRGAN paper: φ of block i, convolution j, after its ReLU and before the next pooling.
CONTENT_LAYERS = {"vgg22": "conv2_2", "vgg54": "conv5_4"}

NAMES = (*PIXEL_LOSSES, *CONTENT_LAYERS)


def total_variation(x: Tensor) -> Tensor:
    """Mean absolute difference of neighbouring pixels, along rows plus along columns; zero for a flat picture.

    >>> total_variation(torch.ones(1, 3, 4, 4))
    tensor(0.)
    """
    return (x[..., 1:, :] - x[..., :-1, :]).abs().mean() + (x[..., :, 1:] - x[..., :, :-1]).abs().mean()


# torchvision's ImageNet normalisation of RGB in [0, 1].
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_NO_WEIGHTS = (
    "a content loss needs the ImageNet weights of VGG-19: pass vgg=FILE (--vgg FILE) with a safetensors file of "
    "torchvision's key names, or vgg='torchvision' (--vgg torchvision) to download torchvision's, 548 MB"
)


def vgg19_features(layer: str, weights: str | os.PathLike[str] | None = None) -> nn.Sequential:
    """VGG-19 (Simonyan and Zisserman, 2015) up to and with the ReLU after convolution `layer`.

    Args:
        layer: "conv2_2", "conv5_4" and the like: block 1 to 5, convolution 1 to 2 or 4.
        weights: a safetensors file with torchvision's key names ("features.0.weight" …), "torchvision" for its
            ImageNet weights, or None for random ones of He's variance.

    Raises:
        ValueError: a layer that VGG-19 does not have, or a file that is damaged, of another network, or ends too early.
        FileNotFoundError: no such file.

    >>> len(vgg19_features("conv2_2")), len(vgg19_features("conv5_4"))
    (9, 36)
    """
    counts = (2, 2, 4, 4, 4)
    names = [f"conv{block}_{i + 1}" for block, count in enumerate(counts, start=1) for i in range(count)]
    if layer not in names:
        raise ValueError(f"VGG-19 has no layer {layer!r}; it has {', '.join(names)}")
    try:
        from torchvision.models import VGG19_Weights, vgg19  # type: ignore[import-untyped]
    except ImportError as error:
        raise ImportError("VGG-19 comes from torchvision: pip install torchvision") from error
    with torch.device("meta"):  # 143 million weights that nobody asked for are not filled
        layers: Any = vgg19(init_weights=False).features
    position = names.index(layer)
    block = int(layer[4])
    features: nn.Sequential = layers[: 2 * (position + 1) + (block - 1)]
    features = features.to_empty(device="cpu")
    if weights is None:
        for module in features:
            if isinstance(module, nn.Conv2d):
                # With PyTorch's default, weights shrink the picture and biases drown it after sixteen layers.
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                assert module.bias is not None
                nn.init.zeros_(module.bias)
        return _frozen(features)
    if str(weights) == "torchvision":
        loaded: dict[str, Tensor] = VGG19_Weights.IMAGENET1K_V1.get_state_dict(check_hash=True)
    else:
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        if not Path(weights).is_file():
            raise FileNotFoundError(f"no such VGG-19 weights: {weights}")
        try:
            loaded = load_file(weights)
        except SafetensorError as error:
            raise ValueError(f"{weights} is not a safetensors file: {error}") from error
    wanted = features.state_dict()
    missing = [f"features.{key}" for key in wanted if f"features.{key}" not in loaded]
    if missing:
        raise ValueError(f"{weights} lacks {missing[0]}, which VGG-19 up to {layer} needs; it ends before that layer")
    try:
        features.load_state_dict({key: loaded[f"features.{key}"] for key in wanted})
    except RuntimeError as error:
        raise ValueError(f"the weights in {weights} are of another network than VGG-19: {error}") from error
    return _frozen(features)


def _frozen(features: nn.Sequential) -> nn.Sequential:
    for module in features:
        if isinstance(module, nn.ReLU):
            module.inplace = False  # the map before a ReLU may be wanted, too
    return features.requires_grad_(False).eval()


class ContentLoss(nn.Module):
    """Distance of two pictures as VGG-19 sees them: the mean square difference of feature maps (eq. 5 of SRGAN).

    The network is frozen and stays in eval mode; the gradient flows through it to the picture.

    **The scale of the features.** The paper multiplies features by 1/12.75 = 20/255, which multiplies the loss by
    0.006. That number fits, as far as can be told today, the VGG-19 of Caffe, whose input is 0..255 and whose features
    are large. torchvision's network takes inputs of variance 1 and has other, smaller features, and a file may hold
    weights rescaled again: then the same constant would make the content count several times too little against the
    adversarial loss. Multiplying features by a multiplies the loss by a². So the constant is derived here from the
    features themselves: a is chosen such that their mean over `reference` pictures, channels and places is 1, whatever
    the layer and whoever trained the network. Eq. 5 sums over channels; the mean over them, as in the code in wide
    use, keeps the loss of the same size for layers of 128 and of 512 channels. Bicubic ×4 of the bundled photographs
    then costs 0.7 to 8 with VGG22. The weight of an adversarial loss has to fit that: beside it the paper's 10⁻³ is so
    little that the discriminator wins (chapter 6), and the `full` recipe has 0.1.

    Args:
        layer: "conv2_2" (VGG22 in the paper) or "conv5_4" (VGG54) and the like, after the ReLU.
        weights: as for `vgg19_features`.
        reference: natural pictures `(1, 3, H, W)` in [0, 1] from which the scale is measured; None takes the bundled
            photographs.

    Attributes:
        scale: a², by which the mean square difference of the raw features is multiplied.
    """

    def __init__(
        self,
        layer: str = "conv2_2",
        weights: str | os.PathLike[str] | None = None,
        reference: list[Tensor] | None = None,
    ) -> None:
        super().__init__()
        self.features = vgg19_features(layer, weights)
        self.register_buffer("mean", torch.tensor(_MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(_STD).view(1, 3, 1, 1))
        if reference is None:
            from srlib import datasets

            reference = list(datasets.photos("train").values())
        with torch.no_grad():
            size = sum(float(self.maps(x[..., :256, :256]).mean()) for x in reference) / len(reference)
        if not 0 < size < float("inf"):
            raise ValueError(f"VGG-19's features at {layer} have mean {size}; the weights in {weights} cannot be right")
        self.scale = 1.0 / size**2
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> ContentLoss:
        """Stays in eval mode, whatever the networks around it do."""
        return super().train(False)

    def maps(self, x: Tensor) -> Tensor:
        """Feature maps `(N, C, h, w)` of pictures `(N, 3, H, W)` in [0, 1]."""
        if x.ndim != 4 or x.shape[1] != 3:
            raise ValueError(f"VGG-19 looks at RGB (N, 3, H, W), not {tuple(x.shape)}; luma needs a pixel loss")
        out: Tensor = self.features((x - self.mean) / self.std)  # type: ignore[operator]
        return out

    def forward(self, sr: Tensor, hr: Tensor) -> Tensor:
        """The loss of `sr` against `hr`, both `(N, 3, H, W)` in [0, 1]; no gradient to `hr`."""
        with torch.no_grad():
            target = self.maps(hr)
        return self.scale * F.mse_loss(self.maps(sr).float(), target.float())


def build(name: str, vgg: str | os.PathLike[str] | None = None) -> Callable[[Tensor, Tensor], Tensor]:
    """The loss of that name: a function for "mse", "l1", "charbonnier", a `ContentLoss` for "vgg22" and "vgg54".

    `vgg` is the file of VGG-19's weights, or "torchvision"; ValueError when a content loss gets none, or when there is
    no loss of that name.
    """
    if name in PIXEL_LOSSES:
        return PIXEL_LOSSES[name]
    if name not in CONTENT_LAYERS:
        raise ValueError(f"there is no loss {name!r}; there are {', '.join(NAMES)}")
    if vgg is None:
        raise ValueError(_NO_WEIGHTS)
    return ContentLoss(CONTENT_LAYERS[name], vgg)


def describe_vgg(vgg: str | os.PathLike[str]) -> str:
    """What a card says of the weights: the SHA-256 of a file, or torchvision's name of them."""
    if str(vgg) == "torchvision":
        return "torchvision IMAGENET1K_V1"
    return "sha256 " + hashlib.sha256(Path(vgg).read_bytes()).hexdigest()


def generator_adversarial(fake: Tensor) -> Tensor:
    """-log D(G(LR)) from logits `(N, 1)`: the non-saturating form that the paper minimises (eq. 6).

    Non-saturating: where the discriminator is sure, log(1 - D) is flat and teaches nothing, -log D is steep.
    """
    return F.binary_cross_entropy_with_logits(fake, torch.ones_like(fake))


def discriminator_adversarial(real: Tensor, fake: Tensor) -> Tensor:
    """-log D(HR) - log(1 - D(G(LR))) from logits `(N, 1)`: what the discriminator minimises (eq. 2)."""
    return F.binary_cross_entropy_with_logits(real, torch.ones_like(real)) + F.binary_cross_entropy_with_logits(
        fake, torch.zeros_like(fake)
    )
