"""The cost of a judge behind a server, checked before the first answer is drawn."""

import math
from collections.abc import Callable, Sequence

from core.errors import SpecError
from core.judges.base import Judge, PaidJudge
from core.judges.cost import total_cost


def check_cost(
    judge: Judge,
    queries: Sequence[str],
    answers: int,
    answer_tokens: int,
    max_cost: float | None,
    notify: Callable[[str], object],
) -> None:
    """Notifies of what judging may cost at most; a judge that sends nothing has no cost.

    answers: to each query, of at most answer_tokens tokens. max_cost: in the currency of the judge's file.

    Raises:
        SpecError: it may cost more than max_cost; max_cost is no number, or the judge's file has no prices.
    """
    if max_cost is not None and not (math.isfinite(max_cost) and max_cost >= 0):
        # Nothing lies above NaN: such a limit would let any cost pass.
        raise SpecError(f"max_cost must be a finite number, 0 or more, got {max_cost:g}")
    if not isinstance(judge, PaidJudge):
        return
    cost = total_cost([judge.cost_before(query, answers, answer_tokens) for query in queries])
    notify(f"judging: {cost.to_text()}")
    if max_cost is None:
        return
    if cost.price is None:
        raise SpecError(
            f"max_cost {max_cost:g} cannot be kept to, for the judge's file has no prices; add "
            "price_per_million_prompt and price_per_million_reply"
        )
    if cost.price > max_cost:
        raise SpecError(
            f"judging may cost {cost.price:,.2f} {cost.currency}, which is above max_cost {max_cost:g}; draw "
            "fewer answers, or allow more"
        )
