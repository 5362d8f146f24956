"""What judging costs: requests, tokens and money, told before any is spent."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

# Less than English has, so that the estimate is rather too high; one Chinese character is three bytes.
BYTES_PER_TOKEN = 3
# What a chat format adds to a message, roughly.
TOKENS_PER_MESSAGE = 4
# Another tokenizer may need more tokens for the same answer; seldom twice as many.
TOKENS_PER_ANSWER_TOKEN = 2


@dataclass(frozen=True)
class CostEstimate:
    """The most that judging will take, without retries; tokens are estimated from the texts' lengths.

    reply_tokens: the most the replies can have. price: in currency, None if no prices are set. seconds: the
    least it will take, None before any reply has been timed.
    """

    requests: int
    prompt_tokens: int
    reply_tokens: int
    price: float | None
    seconds: float | None = None
    currency: str = "USD"

    def to_text(self) -> str:
        """Returns one sentence for a person."""
        if self.requests == 0:
            return "Nothing is left to ask: no requests and no cost."
        parts = (
            f"At most {_counted(self.requests, 'request')}, {self.prompt_tokens:,} prompt tokens and "
            f"{self.reply_tokens:,} reply tokens"
        )
        least = "" if self.seconds is None else f", in no less than {_duration(self.seconds)}"
        price = "no price is set" if self.price is None else f"at most {self._money(self.price)}"
        return f"{parts}{least}: {price}."

    def _money(self, price: float) -> str:
        # Rounded up: half a cent is not nothing, and the sum is a most.
        return f"{math.ceil(price * 100 - 1e-9) / 100:,.2f} {self.currency}"


def total_cost(costs: Sequence[CostEstimate]) -> CostEstimate:
    """Returns several costs of one judge together."""
    prices = [cost.price for cost in costs if cost.price is not None]
    seconds = [cost.seconds for cost in costs if cost.seconds is not None]
    return replace(
        costs[0],
        requests=sum(cost.requests for cost in costs),
        prompt_tokens=sum(cost.prompt_tokens for cost in costs),
        reply_tokens=sum(cost.reply_tokens for cost in costs),
        price=sum(prices) if len(prices) == len(costs) else None,
        seconds=sum(seconds) if len(seconds) == len(costs) else None,
    )


def text_tokens(text: str) -> int:
    """Returns about how many tokens a language model reads text as, rather too many."""
    return math.ceil(len(text.encode(errors="replace")) / BYTES_PER_TOKEN)


def _counted(number: int, thing: str) -> str:
    return f"{number:,} {thing}" + ("" if number == 1 else "s")


def _duration(seconds: float) -> str:
    if seconds < 90:
        return _counted(max(1, round(seconds)), "second")
    if seconds < 90 * 60:
        return _counted(round(seconds / 60), "minute")
    return f"{seconds / 3600:,.1f} hours"
