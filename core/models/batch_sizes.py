"""How many rows to compute at once on a slow model: so many that a batch ends within seconds.

What ends is a number on screen; a large batch that is no faster a row only keeps it waiting.
"""

from weakref import WeakKeyDictionary

from core.models.loading import LoadedModel
from core.models.threads import SMALL_PARAMETERS

FIRST_ROWS = 16  # the least that are computed together anyway
SHORT = 2.0  # seconds; while a batch takes less, larger ones are tried
LONG = 8.0  # seconds; beyond, only much faster rows are worth the wait
# A larger batch is kept if a row takes at most so much of its time before: in a short batch, in a long one.
GAIN, LARGE_GAIN = 0.87, 0.75


class BatchSizes:
    """The size of the next batch, from what those before took: doubled for as long as that pays."""

    def __init__(self) -> None:
        self.size = FIRST_ROWS
        self._paces: dict[int, float] = {}
        self._settled = False

    def took(self, rows: int, seconds: float) -> None:
        """Notes what a batch took; one of another size than wanted, as at a shard's end, says nothing."""
        if rows != self.size:
            return
        self._paces[rows] = seconds / rows
        smaller = self._paces.get(rows // 2)
        gain = GAIN if seconds <= LONG else LARGE_GAIN
        pays = smaller is None or self._paces[rows] <= gain * smaller
        if seconds <= SHORT:
            self.size, self._settled = 2 * rows, False
        elif self._settled:
            # The machine, or what is asked, has become slower since.
            if seconds > 2 * LONG and rows > FIRST_ROWS:
                self.size = rows // 2
        elif pays and (seconds <= LONG or smaller is not None):
            self.size = 2 * rows
        else:
            self.size = rows if smaller is None else rows // 2
            self._settled = True


# By what a row takes of memory, to within a factor of two: so long are prompts and answers.
_sizes: WeakKeyDictionary[LoadedModel, dict[int, BatchSizes]] = WeakKeyDictionary()


def batch_sizes(loaded: LoadedModel, row_cost: int) -> BatchSizes | None:
    """Returns the model's sizes for rows of this cost; None where a batch is never made smaller for time.

    Small models end in no time, and a GPU computes many rows in the time of a few. Where a row's last bits
    depend on the batch, sizes stay what they are: the same seed must give the same draws.
    """
    if loaded.device.type != "cpu" or not has_independent_rows(loaded):
        return None
    if loaded.parameters < SMALL_PARAMETERS:
        return None
    return _sizes.setdefault(loaded, {}).setdefault(row_cost.bit_length(), BatchSizes())


def has_independent_rows(loaded: LoadedModel) -> bool:
    """Returns whether a row's numbers are the same bit for bit, whatever is computed beside it, on a CPU.

    So it was with eager attention in float32 and bfloat16; with sdpa they differ by 1e-5 nats. In a mixture
    of experts, an expert's batch is as long as other rows make it.
    """
    config = loaded.model.config.get_text_config()
    experts = any(getattr(config, name, None) for name in ("num_experts", "num_local_experts"))
    return loaded.loading.attention == "eager" and not experts
