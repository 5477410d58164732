"""The training loop that most repositories have, written as well as it can be without changing what it is.

HR and LR pictures are colour PNG files, made once. A `Dataset` opens a pair, cuts a random patch out of both, takes
its luma where the network wants that, mirrors and turns it, and makes tensors of it. A `DataLoader` collects batches
with worker processes. The loop moves a batch to the device, computes in float32 with channels first, steps with
PyTorch's default Adam, and reads the loss at every step. So do BasicSR's `PairedImageDataset` and the loops of yjn870
and Lornatang, whose batches and patches `benchmarks.training` takes; some of them do more work (conversion of whole
pictures, an HDF5 file opened for every patch) that a good programmer would have seen, and that is left out here.
`cached=True` is the faster variant: every file is decoded once and stays in memory. Read `Pairs`, then `Conventional`.
"""

from __future__ import annotations

import importlib
import random
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from benchmarks.machine import synchronise
from srlib import losses, models
from srlib.degrade import imresize, mod_crop
from srlib.image import as_array
from srlib.recipes import Recipe
from srlib.steps import clip_gradients, rate_at

try:
    cv2: Any = importlib.import_module("cv2")
except ImportError:
    cv2 = None

Array = npt.NDArray[np.uint8]
PREFETCH = 2  # batches that a worker makes in advance: DataLoader's default


def write_pairs(pictures: Sequence[Tensor], scale: int, folder: Path, *, upsampled: bool) -> list[tuple[Path, Path]]:
    """Write uint8 `pictures` `(1, C, H, W)` and their MATLAB-bicubic LR as PNG; returns the (HR, LR) files.

    The pictures are RGB, as data sets come. With `upsampled=True` LR is enlarged again to the size of HR, as the loops
    for SRCNN and VDSR prepare it.
    """
    files = []
    for number, picture in enumerate(pictures):
        hr = mod_crop(picture, scale)
        lr = imresize(hr, 1 / scale)
        pair = (folder / f"{number:04}_hr.png", folder / f"{number:04}_lr.png")
        for path, x in zip(pair, (hr, imresize(lr, scale) if upsampled else lr), strict=True):
            Image.fromarray(as_array(x)).save(path)
        files.append(pair)
    return files


def decode(path: Path) -> Array:
    """A file as (H, W, C), RGB; by OpenCV where it is installed, as in most of the repositories: it is faster."""
    array: Array
    if cv2 is None:
        with Image.open(path) as picture:
            array = np.asarray(picture)
    else:
        array = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if array.ndim == 2:
        return array[..., None]
    return array if cv2 is None else array[..., ::-1]  # OpenCV reads blue first


def _tensor(array: npt.NDArray[Any]) -> Tensor:
    """(H, W, C) of 0 … 255 to (C, H, W) float32 in [0, 1], as torchvision's `to_tensor` does."""
    return torch.from_numpy(np.ascontiguousarray(array.transpose(2, 0, 1))).float().div_(255)


_LUMA = np.array([65.481, 128.553, 24.966], np.float32) / np.float32(255)  # BT.601, studio range


def luma(array: Array) -> npt.NDArray[np.float32]:
    """(H, W, 3) bytes of a patch to its luma (H, W, 1) as floats in 16 … 235, as BasicSR's `bgr2ycbcr` does."""
    y: npt.NDArray[np.float32] = array.astype(np.float32) @ _LUMA + np.float32(16)
    return y[..., None]


class Pairs(Dataset[tuple[Tensor, Tensor]]):
    """Random aligned patches of picture files: item i is a patch of pair i, another one each time.

    Gives LR `(C, p/scale, p/scale)`, or `(C, p, p)` with `upsampled=True`, and HR `(C, p, p)`.
    """

    def __init__(
        self,
        files: Sequence[tuple[Path, Path]],
        scale: int,
        patch: int,
        *,
        upsampled: bool,
        cached: bool,
        channels: int = 3,
    ) -> None:
        self.channels = channels
        self.files, self.scale, self.patch, self.upsampled = files, scale, patch, upsampled
        self.arrays = [(decode(hr), decode(lr)) for hr, lr in files] if cached else None

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        if self.arrays is not None:
            hr, lr = self.arrays[index]
        else:
            hr, lr = (decode(path) for path in self.files[index])
        side, step = self.patch // self.scale, self.scale
        top, left = (random.randrange(hr.shape[axis] // step - side + 1) for axis in (0, 1))
        hr = hr[top * step : top * step + self.patch, left * step : left * step + self.patch]
        if self.upsampled:
            lr = lr[top * step : top * step + self.patch, left * step : left * step + self.patch]
        else:
            lr = lr[top : top + side, left : left + side]
        flip_rows, flip_columns, transpose = (random.random() < 0.5 for _ in range(3))
        turned = []
        for x in (lr, hr):
            y = luma(x) if self.channels == 1 and x.shape[2] == 3 else x
            y = y[::-1] if flip_rows else y
            y = y[:, ::-1] if flip_columns else y
            turned.append(_tensor(y.transpose(1, 0, 2) if transpose else y))
        return turned[0], turned[1]


class Draws(Sampler[int]):
    """`count` random pictures of `size`. Set `count` before an epoch: so an epoch can be as long as a block."""

    def __init__(self, size: int) -> None:
        self.size, self.count = size, 0

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[int]:
        return (random.randrange(self.size) for _ in range(self.count))


class Conventional:
    """The loop. `model` starts from the weights that `srlib.train.Trainer` starts from.

    Args:
        name: in the results.
        recipe: network, batch, patch, loss, learning rate and clipping, as for our own loop.
        data: the patches.
        device: where the network is.
        workers: processes that make batches; 0 makes them in the loop itself.
    """

    def __init__(self, name: str, recipe: Recipe, data: Pairs, device: torch.device, workers: int) -> None:
        self.name, self.recipe, self.device, self.workers, self.step = name, recipe, device, workers, 0
        row, variant = models.entry(recipe.model, recipe.variant)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(recipe.seed)
            self.model = row.build(scale=recipe.scale, variant=variant).to(device)
        self.upsampled = row.upsampled
        self.loss = losses.build(recipe.loss)
        self.optimiser = torch.optim.Adam(self.model.parameters())
        self.total = 0.0
        self.draws = Draws(len(data))
        self.loader: DataLoader[tuple[Tensor, Tensor]] | None = DataLoader(
            data,
            batch_size=recipe.batch,
            sampler=self.draws,
            num_workers=workers,
            pin_memory=device.type == "cuda",
            persistent_workers=workers > 0,
            drop_last=True,
        )

    def batches(self, count: int) -> Iterator[tuple[Tensor, Tensor]]:
        """An epoch of `count` batches."""
        if self.loader is None:
            raise ValueError(f"the loop {self.name!r} was closed")
        self.draws.count = count * self.recipe.batch
        return iter(self.loader)

    def learn(self, lr: Tensor, hr: Tensor) -> None:
        """One optimiser step."""
        recipe = self.recipe
        lr, hr = lr.to(self.device, non_blocking=True), hr.to(self.device, non_blocking=True)
        rate = rate_at(self.step, recipe)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        keep = slice(recipe.border, recipe.patch - recipe.border)
        sr = self.model(lr, upsampled=True) if self.upsampled else self.model(lr)
        loss = self.loss(sr[..., keep, keep], hr[..., keep, keep])
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        clip_gradients(self.model, recipe, rate)
        self.optimiser.step()
        self.total += loss.item()
        self.step += 1

    def steps(self) -> Iterator[None]:
        """One step at each `next`, without end."""
        for lr, hr in self.batches(10**6):
            self.learn(lr, hr)
            yield

    def block(self, times: int) -> float:
        """Seconds that `times` steps take in the long run.

        Workers that have rested have batches in store, and a short block would be served from the store. So the store
        is emptied first, and a step passes before the clock starts. The epoch ends with the block: while another loop
        is timed, no worker is busy.
        """
        store = PREFETCH * self.workers
        stream = self.batches(store + 1 + times)
        for _ in range(store):
            next(stream)
        self.learn(*next(stream))
        synchronise(self.device)
        begin = time.perf_counter()
        for lr, hr in stream:
            self.learn(lr, hr)
        synchronise(self.device)
        return time.perf_counter() - begin

    def close(self) -> None:
        """End the workers."""
        self.loader = None
