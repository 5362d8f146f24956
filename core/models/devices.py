"""The devices of this machine, and how much memory is free on them, in bytes."""

import os
from pathlib import Path

import torch

from core.errors import ModelError
from core.models.spec import DEVICES, SPREAD


def check_device(device: str) -> str:
    """Returns the device if this machine has it; `auto` is always there.

    Raises:
        ModelError: this machine has no such device.
    """
    if device == SPREAD:
        return device
    try:
        parsed = torch.device(device)
    except RuntimeError:
        raise ModelError(f"device must be {DEVICES}, got {device!r}") from None
    count = {
        "cpu": 1,
        "cuda": torch.cuda.device_count(),
        "mps": int(torch.backends.mps.is_available()),
    }.get(parsed.type, 0)
    if (parsed.index or 0) >= count:
        raise ModelError(f"this machine has no device {device!r}")
    return device


def devices_here() -> tuple[str, ...]:
    """Returns the devices of this machine on which a model can be loaded."""
    cards = tuple(f"cuda:{index}" for index in range(torch.cuda.device_count()))
    metal = ("mps",) if torch.backends.mps.is_available() else ()
    return ("cpu", *cards, *metal, *((SPREAD,) if cards else ()))


def free_memory(device: str) -> int | None:
    """Returns the free memory of a device, for `auto` of all devices together; None if unknown."""
    if device == SPREAD:
        free = [free_memory(place) for place in devices_here() if place != SPREAD]
        return None if None in free else sum(size for size in free if size is not None)
    place = torch.device(device)
    if place.type == "cuda":
        return int(torch.cuda.mem_get_info(place)[0])
    if place.type == "mps":
        return int(torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory())
    known = [size for size in (_available(), _container_limit()) if size is not None]
    return min(known, default=None)


def _available() -> int | None:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def _container_limit() -> int | None:
    try:
        return int(Path("/sys/fs/cgroup/memory.max").read_text())
    except (OSError, ValueError):  # none here, or the word "max"
        return None
