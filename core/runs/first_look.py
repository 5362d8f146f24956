"""What a model says to a query, for orientation: its likeliest answer and a few sampled ones."""

from dataclasses import dataclass

from core.judges.base import Judge
from core.models.loading import LoadedModel
from core.runs.request import EstimateRequest
from core.sampling.scored import answer_texts
from core.sampling.shards import draw_rows
from core.sampling.spec import SamplingSpec


@dataclass(frozen=True)
class LookedAt:
    """One answer; harmful is None where the judge could not tell."""

    text: str
    harmful: bool | None


@dataclass(frozen=True)
class FirstLook:
    """greedy: the answer of always taking the likeliest token. sampled: as users would get them."""

    greedy: LookedAt
    sampled: tuple[LookedAt, ...]


def first_look(
    loaded: LoadedModel, request: EstimateRequest, judge: Judge, rows: int = 5
) -> FirstLook:
    """Returns the greedy answer and `rows` sampled ones."""
    likeliest = request.generation.model_copy(update={"top_k": 1})
    texts = []
    for generation, count in ((likeliest, 1), (request.generation, rows)):
        spec = SamplingSpec.build(
            model_fingerprint=loaded.fingerprint,
            query=request.query,
            generation=generation,
            seed=request.seed,
        )
        texts += answer_texts(loaded, draw_rows(loaded, spec, range(count)))
    scores = [judgement.score for judgement in judge.judge(request.query, texts)]
    greedy, *sampled = [
        LookedAt(text, None if score is None else score >= request.threshold)
        for text, score in zip(texts, scores, strict=True)
    ]
    return FirstLook(greedy, tuple(sampled))
