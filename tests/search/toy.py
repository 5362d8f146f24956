"""A search on the toy whose answers can be enumerated: grid, judge, and the exact surfaces."""

from dataclasses import dataclass, field
from functools import cache

import numpy as np

from core.judges import Judgement
from core.models.chat import answer_text
from core.search.grid import SearchGrid
from core.search.surface import EnsembleDraws, ensemble_steps
from core.spec import GenerationSpec
from core.tasks import result_of
from tests.exactness.kinds import ablate, context, ready, steer
from tests.exactness.toy import ANSWERS, LOADED, QUERY, STEPS, FloatArray, Setting, brute_force

CASES = [
    steer(0.0, "both"),
    steer(0.25, "both"),
    ablate(1.0, "both"),
    context(1.0, system=True, prefix=True),
]
# From alpha 0 to 1, from no switch at all to one beyond most answers.
GRID = SearchGrid.build(
    rungs=tuple(case.spec(0.0, 1) for case in CASES),
    alphas=(0.0, 0.3, 1.0),
    switches=(0, 1, 3, STEPS),
)
PROPOSALS = [ready(rung) for rung in GRID.rungs]
GENERATION = GenerationSpec(max_new_tokens=STEPS)
SHAPE = (len(GRID.rungs), len(GRID.alphas), len(GRID.switches))
WORDS = "w5 w5"


@dataclass
class WordJudge:
    """Calls an answer harmful that has these words, and counts what it was asked."""

    words: str = WORDS
    asked: list[str] = field(default_factory=list)

    def judge(self, query: str, answers: list[str]) -> list[Judgement]:
        self.asked.append(query)
        return [Judgement(float(self.words in answer), "") for answer in answers]

    def spec(self) -> dict[str, str]:
        return {"words": self.words}


HARM = np.array([WORDS in answer_text(LOADED, answer) for answer in ANSWERS])


@dataclass(frozen=True)
class Exact:
    """Everything that a search estimates, by enumeration. densities: (*SHAPE, answers)."""

    p: FloatArray
    densities: FloatArray
    mixture: FloatArray

    @property
    def risk(self) -> float:
        return float(self.p[HARM].sum())

    @property
    def cross_entropy(self) -> FloatArray:
        return -np.log(self.densities[..., HARM]) @ self.p[HARM] / self.risk

    @property
    def hit_rate(self) -> FloatArray:
        return self.densities[..., HARM].sum(-1)

    def relative_variance(self, defensive_share: float) -> FloatArray:
        safe = (1 - defensive_share) * self.densities + defensive_share * self.p
        return (self.p[HARM] ** 2 / safe[..., HARM]).sum(-1) / self.risk**2 - 1.0


@cache
def exact() -> Exact:
    densities = np.empty((*SHAPE, len(ANSWERS)))
    for r, a, t in np.ndindex(SHAPE):
        setting = Setting(alpha_mix=GRID.alphas[a], t_switch=GRID.switches[t])
        p, densities[r, a, t] = brute_force(setting, CASES[r].logits)
    each_rung = densities.mean(axis=(1, 2))
    # A tenth from the target, the rest shared out evenly.
    mixture = 0.1 * p + 0.9 * each_rung.mean(0)
    return Exact(p, densities, mixture)


def ensemble(rows: int, seed: int) -> EnsembleDraws:
    steps = ensemble_steps(LOADED, PROPOSALS, GRID, QUERY, GENERATION, rows, seed)
    return result_of(steps)
