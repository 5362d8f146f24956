"""A paid judge that sees each query and answer only once: its judgements are kept in the store."""

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from cache import MemoryStore, Store, StoreError, spec_hash
from core.judges.base import Judge, Judgement, PaidJudge
from core.judges.cost import CostEstimate


class RememberedJudge:
    """Returns stored judgements where there are any, whatever seed, proposal or sample size they came from.

    Only judgements with a score are stored: an unjudged answer is sent again.
    """

    def __init__(self, judge: PaidJudge, store: Store | MemoryStore) -> None:
        self.inner = judge
        self._store = store
        self._spec = spec_hash(judge.spec())

    def spec(self) -> dict[str, Any]:
        """Returns the judge's own spec: its scores are the same."""
        return self.inner.spec()

    def judge(self, query: str, answers: Sequence[str]) -> list[Judgement]:
        """Returns one judgement an answer, in their order; asks the judge about new ones only."""
        judgements: dict[str, Judgement] = {}
        for answer in dict.fromkeys(answers):
            stored = self._stored(query, answer)
            if stored is not None:
                judgements[answer] = stored
        new = [answer for answer in dict.fromkeys(answers) if answer not in judgements]
        if new:
            for answer, judgement in zip(new, self.inner.judge(query, new), strict=True):
                judgements[answer] = judgement
                self._keep(query, answer, judgement)
        return [judgements[answer] for answer in answers]

    def cost_before(self, query: str, answers: int, answer_tokens: int) -> CostEstimate:
        """Returns the most that so many answers can cost, as if none had been judged before."""
        return self.inner.cost_before(query, answers, answer_tokens)

    def check(self) -> tuple[bool, str]:
        """Returns whether the paid judge can be reached, and a sentence about it."""
        return self.inner.check()

    def _stored(self, query: str, answer: str) -> Judgement | None:
        try:
            stored = self._store.get_json(self._key(query, answer))
            return None if stored is None else Judgement(stored["score"], stored["reason"])
        except (StoreError, KeyError, TypeError, ValueError):
            return None

    def _keep(self, query: str, answer: str, judgement: Judgement) -> None:
        if judgement.score is None:
            return
        # A store that cannot write reports it among its events; the judgement itself is valid.
        with suppress(StoreError):
            value = {"score": judgement.score, "reason": judgement.reason}
            self._store.put_json(self._key(query, answer), value)

    def _key(self, query: str, answer: str) -> str:
        # Keys are listed and logged, so they hold no texts.
        digest = hashlib.sha256(f"{len(query)}:{query}{answer}".encode(errors="surrogatepass"))
        return f"verdicts/{self._spec}/{digest.hexdigest()}"


def remembered(judge: Judge, store: Store | MemoryStore) -> Judge:
    """Returns the judge, wrapped in a `RememberedJudge` if it is paid."""
    return RememberedJudge(judge, store) if isinstance(judge, PaidJudge) else judge
