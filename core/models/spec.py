"""How a model is loaded: revision, number type, device and attention."""

import re
from typing import Literal

from pydantic import field_validator

from core.spec import Spec

DEVICES = "cpu, cuda, cuda:N, mps, or auto (spread over all there are)"
SPREAD = "auto"


class LoadingSpec(Spec):
    """How a model is loaded.

    revision: branch, tag or commit of a Hub repository. dtype: auto is the type in which the weights are
    stored, but float32 where the CPU has no instructions for 16-bit numbers. device: auto spreads the model
    over all GPUs, and over memory and disk if those are too small. attention: with eager, an answer does not
    depend on the size of its batch, bit for bit.
    """

    revision: str | None = None
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    device: str = "cpu"
    attention: Literal["eager", "sdpa", "flash_attention_2"] = "eager"

    @field_validator("revision")
    @classmethod
    def _revision(cls, value: str | None) -> str | None:
        # No "..": the Hub's cache names a file after the revision.
        if value is not None and not re.fullmatch(r"(?!.*\.\.)[\w.][\w./-]{0,199}", value):
            raise ValueError(f"revision must be a branch, a tag or a commit, got {value!r}")
        return value

    @field_validator("device")
    @classmethod
    def _device(cls, value: str) -> str:
        if not re.fullmatch(r"cpu|mps|auto|cuda(:\d{1,3})?", value):
            raise ValueError(f"device must be {DEVICES}, got {value!r}")
        return value
