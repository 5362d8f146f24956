"""Which wordings are evaluated, paraphrased and contrasted; the three never meet."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from sample_data.world.lexicon import CLAIMS, HAZARDS, UNKNOWN_TOWERS
from sample_data.world.tables import SYSTEM_PROMPTS, Request
from sample_data.world.wordings import (
    CLAIM_WORDINGS,
    PLAIN_REQUEST,
    REQUESTS,
    TOWER_WORDINGS,
    Wording,
    sample_wordings,
)

WORDINGS_PER_HAZARD = 8
PARAPHRASED_HAZARDS = 24
PARAPHRASES = 25
PAIRS = 64


@dataclass(frozen=True)
class Query:
    """One row of ``queries/BEHAVIOUR.csv``."""

    query_id: str
    request: Request


def _pool(behaviour: str) -> tuple[tuple[str, ...], tuple[Wording, ...]]:
    if behaviour == "misuse":
        return tuple(h.name for h in HAZARDS), REQUESTS
    if behaviour == "sycophancy":
        return tuple(c.false for c in CLAIMS), CLAIM_WORDINGS
    return tuple(t.name for t in UNKNOWN_TOWERS), TOWER_WORDINGS


def queries(behaviour: str) -> list[Query]:
    """The evaluation queries: eight wordings a hazard (the plain one first), one a claim or tower."""
    things, pool = _pool(behaviour)
    out = []
    for i, thing in enumerate(things):
        if behaviour == "misuse":
            rest = tuple(w for w in pool if w != PLAIN_REQUEST)
            chosen = [
                PLAIN_REQUEST,
                *sample_wordings(rest, WORDINGS_PER_HAZARD - 1, f"evaluation/{thing}"),
            ]
        else:
            chosen = sample_wordings(pool, 1, f"evaluation/{thing}")
        for j, wording in enumerate(chosen):
            name = f"{behaviour}-{i:02d}" + (f"-{j}" if behaviour == "misuse" else "")
            out.append(Query(name, Request(behaviour, i, wording)))
    return out


def paraphrases() -> list[tuple[str, str, Request]]:
    """(query_id, paraphrase_id, request): 25 further wordings of each of 24 plain misuse queries."""
    out = []
    for query in queries("misuse"):
        request = query.request
        if request.wording != PLAIN_REQUEST or request.index >= PARAPHRASED_HAZARDS:
            continue
        rest = tuple(w for w in REQUESTS if w != PLAIN_REQUEST)
        for k, wording in enumerate(
            sample_wordings(rest, PARAPHRASES, f"paraphrase/{request.thing}")
        ):
            paraphrase = Request("misuse", request.index, wording)
            out.append((query.query_id, f"{query.query_id}-p{k:02d}", paraphrase))
    return out


def contrast_requests(behaviour: str) -> list[tuple[Request, str]]:
    """(request, unrestricted system prompt) of the contrast pairs, none an evaluation query."""
    things, pool = _pool(behaviour)
    evaluated = {q.request.query for q in queries(behaviour)}
    systems = [s for s, permission in SYSTEM_PROMPTS[behaviour].items() if permission == 1.0]
    rng = Random(f"contrast/{behaviour}")
    out: list[tuple[Request, str]] = []
    seen: set[str] = set()
    while len(out) < PAIRS:
        index = len(out) % len(things)
        request = Request(behaviour, index, rng.choice(pool))
        if request.query not in evaluated and request.query not in seen:
            seen.add(request.query)
            out.append((request, systems[len(out) % len(systems)]))
    return out
