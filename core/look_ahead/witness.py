"""Shows the judge itself answers that look-ahead calls settled: the two must agree."""

from collections.abc import Sequence

import numpy as np

from core.errors import BehaviourError
from core.judges.base import Judge
from core.look_ahead.rule import AheadRule
from core.look_ahead.tokens import HARMFUL, HARMLESS
from core.models.chat import answer_text
from core.models.loading import LoadedModel
from core.sampling.beam import LookAhead
from core.sampling.rows import OpenRows

# Beginnings of each shard that are continued for the judge, chosen at random.
WITNESSED_ROWS = 8


class Witness:
    """Follows a rule over a model's tokens, and shows the judge some of the answers that it calls settled."""

    def __init__(self, loaded: LoadedModel, judge: Judge, query: str, rule: AheadRule) -> None:
        self.ahead = LookAhead(rule.automaton(loaded))
        self._loaded, self._judge, self._query, self._rule = loaded, judge, query, rule

    def check(self, rows: OpenRows, seed: int) -> None:
        """Continues some beginnings by a token that settles them.

        Raises:
            BehaviourError: the judge says otherwise of one of them.
        """
        generator = np.random.default_rng(seed)
        begun = []
        for row in generator.choice(len(rows), WITNESSED_ROWS).tolist():
            length = int(generator.integers(rows.lengths[row] + 1))
            begun.append(rows.tokens[row, :length].tolist())
        self._continued(begun, rows.tokens.shape[1], generator)

    def check_beginnings(
        self, beginnings: Sequence[Sequence[int]], steps: int, *, seed: int
    ) -> None:
        """Continues some of these beginnings. Raises: as `check`."""
        generator = np.random.default_rng(seed)
        rows = generator.choice(len(beginnings), WITNESSED_ROWS).tolist()
        self._continued([[*beginnings[row]] for row in rows], steps, generator)

    def _continued(
        self, beginnings: Sequence[list[int]], steps: int, generator: np.random.Generator
    ) -> None:
        answers: list[tuple[list[int], bool]] = []
        automaton = self.ahead.automaton
        for begun in beginnings:
            length = len(begun)
            following = automaton.next(automaton.after(begun))
            settles = following.at_last if length + 1 == steps else following.settles
            for word in (HARMFUL, HARMLESS):
                tokens = np.flatnonzero(settles == word)
                if len(tokens):
                    answers.append(([*begun, int(generator.choice(tokens))], word == HARMFUL))
        self._compare(answers)

    def _compare(self, answers: Sequence[tuple[list[int], bool]]) -> None:
        texts = [answer_text(self._loaded, tokens) for tokens, _ in answers]
        judgements = self._judge.judge(self._query, texts)
        for text, judgement, (_, harmful) in zip(texts, judgements, answers, strict=True):
            # An answer in which a pattern's search was cut off says nothing.
            if judgement.score is None:
                continue
            if (judgement.score >= self._rule.threshold) != harmful:
                raise BehaviourError(
                    f"look-ahead and the judge disagree on {text!r}; use method 'mis' or 'mc' for this "
                    "judge, and please report it"
                )
