"""How a model is loaded: which revision of it, in what numbers, and where it runs."""

import re
from typing import Literal

from pydantic import field_validator

from core.spec import Spec

DEVICES = "cpu, cuda, cuda:N, mps, or auto (spread over all there are)"
SPREAD = "auto"


class LoadingSpec(Spec):
    """How a model is loaded.

    revision: branch, tag or commit of a Hub repository. dtype: auto is what the weights are stored in.
    device: auto spreads the model over all GPUs, and over memory and disk where those are too small.
    attention: with eager, an answer does not depend on how many others are computed beside it, bit for bit.
    """

    revision: str | None = None
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    device: str = "cpu"
    attention: Literal["eager", "sdpa", "flash_attention_2"] = "eager"

    @field_validator("revision")
    @classmethod
    def _revision(cls, value: str | None) -> str | None:
        # No "..": the cache keeps a file under a revision's name.
        if value is not None and not re.fullmatch(r"(?!.*\.\.)[\w.][\w./-]{0,199}", value):
            raise ValueError(f"revision must be a branch, a tag or a commit, got {value!r}")
        return value

    @field_validator("device")
    @classmethod
    def _device(cls, value: str) -> str:
        if not re.fullmatch(r"cpu|mps|auto|cuda(:\d{1,3})?", value):
            raise ValueError(f"device must be {DEVICES}, got {value!r}")
        return value
