"""Training in several processes: one for each GPU, on one machine or many, started by `torchrun`.

Every process holds the whole training set and the same weights. All draw the same batch, each computes the gradient
of its share of it, and the mean of the gradients is what every one of them steps with: the result is that of one
process with the whole batch. Read `joined`.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import distributed as dist
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from srlib.devices import pick_device

T = TypeVar("T")
_GROUPS = itertools.count()  # how many times this process has joined; all processes join equally often


@dataclass(frozen=True)
class Group:
    """This process among all: `rank` 0 … `world` - 1, and its device. Rank 0 writes files and draws the bar."""

    rank: int
    world: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """Whether this process is the one that writes."""
        return self.rank == 0

    @property
    def part(self) -> tuple[int, int]:
        """Which share of a batch is this process's, as `PatchSampler` takes it."""
        return self.rank, self.world

    def from_first(self, value: T) -> T:
        """The value that rank 0 has, in every process."""
        if self.world == 1:
            return value
        box: list[Any] = [value if self.is_first else None]
        dist.broadcast_object_list(box, src=0, device=self.device)
        received: T = box[0]
        return received

    def mean(self, numbers: torch.Tensor) -> torch.Tensor:
        """The mean of each number over all processes."""
        if self.world > 1:
            dist.all_reduce(numbers)
        return numbers / self.world


@contextmanager
def joined(device: str) -> Iterator[Group]:
    """Join the processes that `torchrun` started; alone, a group of one.

    On CUDA each process takes the GPU of its local rank and the processes speak NCCL, on the CPU gloo.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield Group(0, 1, pick_device(device))
        return
    local = int(os.environ.get("LOCAL_RANK", "0"))
    place = pick_device(device)
    if place.type == "cuda":
        if local >= torch.cuda.device_count():
            raise ValueError(
                f"process {local} of this machine has no GPU of its own: there are {torch.cuda.device_count()}; "
                "start no more processes than GPUs (--nproc-per-node)"
            )
        place = torch.device("cuda", local)
        torch.cuda.set_device(place)
    ours = not dist.is_initialized()
    if ours:
        dist.init_process_group("nccl" if place.type == "cuda" else "gloo", **_meeting())
    yield Group(dist.get_rank(), dist.get_world_size(), place)
    # Only when all went well: after an error in one process the others may be waiting for it, and would for ever.
    if ours:
        dist.destroy_process_group()


def _meeting() -> dict[str, Any]:
    """Where the processes leave each other their addresses, as arguments of `init_process_group`.

    `torchrun` keeps one store for all its restarts (PyTorch 2.14), and a process that starts again could find there
    the address of one that is dead; and one that trains two networks, its addresses of the first. Every group, and on
    one machine every restart, therefore has its own part of the store. Several machines count their restarts apart; for
    them `TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1` makes `torchrun` open a new store each time, as the training page says.
    """
    store, rank, world = next(rendezvous("env://"))
    one_machine = os.environ.get("GROUP_WORLD_SIZE", "1") == "1"
    restart = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") if one_machine else "any"
    store = PrefixStore(f"restart {restart}, group {next(_GROUPS)}", store)
    return {"store": store, "rank": rank, "world_size": world}
