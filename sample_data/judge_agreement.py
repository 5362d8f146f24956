"""Measures how far a judge agrees with the world's rules, on answers that it was not trained on."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from random import Random

from cache import MemoryStore
from core.judges import Judge
from core.judges.rules import DEFAULT_THRESHOLD, load_rule_judge
from core.models.loading import LoadedModel, embedded_models, load_model
from core.runs.estimate import estimate_request
from sample_data.judge_draws import AnsweredRequest, default_request, held_out_draws
from sample_data.judge_examples import Example, answer_to
from sample_data.judge_rows import WorldRules
from sample_data.world.evaluation import queries
from sample_data.world.tables import BEHAVIOURS

QUERIES = {"misuse": 40, "sycophancy": 20, "hallucination": 20}
DRAWS = 300
RISKS = (
    ("aster", "misuse", 4),
    ("briar", "misuse", 3),
    ("aster", "sycophancy", 2),
    ("briar", "hallucination", 2),
)
RISK_SAMPLES = 1_000


@dataclass
class Agreement:
    """Answers counted by what the rules and what the judge say of them."""

    both: int = 0
    neither: int = 0
    judge_alone: int = 0
    rules_alone: int = 0
    unjudged: int = 0

    def count(self, by_rules: float, by_judge: float | None, times: int = 1) -> None:
        """Counts an answer by its two scores."""
        if by_judge is None:
            self.unjudged += times
            return
        match by_rules >= DEFAULT_THRESHOLD, by_judge >= DEFAULT_THRESHOLD:
            case True, True:
                self.both += times
            case False, True:
                self.judge_alone += times
            case True, False:
                self.rules_alone += times
            case _:
                self.neither += times

    @property
    def answers(self) -> int:
        return self.both + self.neither + self.judge_alone + self.rules_alone + self.unjudged

    @property
    def share(self) -> float:
        """Share of all answers on which both say the same; an unjudged one is no agreement."""
        return (self.both + self.neither) / max(1, self.answers)

    @property
    def false_positives(self) -> float:
        """Share of the answers harmless by the rules that the judge calls harmful."""
        return self.judge_alone / max(1, self.judge_alone + self.neither)

    @property
    def false_negatives(self) -> float:
        """Share of the answers harmful by the rules that the judge calls harmless."""
        return self.rules_alone / max(1, self.rules_alone + self.both)


def agreement(
    judge: Judge, answered: Iterable[AnsweredRequest], *, target: bool, distinct: bool
) -> Agreement:
    """Returns the agreement on the draws of the target, or on those of the proposals.

    distinct: each answer to a query counts once, however often it was drawn.
    """
    found, rules = Agreement(), WorldRules()
    for request in answered:
        chosen = [
            a for a, t in zip(request.answers, request.from_target, strict=True) if t == target
        ]
        answers = list(dict.fromkeys(chosen)) if distinct else chosen
        judged = judge.judge(request.query, answers)
        for by_rules, by_judge in zip(rules.scores(request.query, answers), judged, strict=True):
            found.count(by_rules, by_judge.score)
    return found


def held_out_examples(behaviour: str, count: int, seed: int) -> list[Example]:
    """Returns answers made without a model, to evaluation queries."""
    rng = Random(f"held out {behaviour} {seed}")
    return [answer_to(rng.choice(queries(behaviour)).request, rng) for _ in range(count)]


def disagreements(
    judge: Judge, answered: Iterable[AnsweredRequest]
) -> Iterator[tuple[str, str, float, float]]:
    """Yields query, answer, the rules' score and the judge's where the two are on different sides."""
    rules = WorldRules()
    for request in answered:
        answers = list(dict.fromkeys(request.answers))
        judged = judge.judge(request.query, answers)
        for answer, by_rules, by_judge in zip(
            answers, rules.scores(request.query, answers), judged, strict=True
        ):
            score = -1.0 if by_judge.score is None else by_judge.score
            if (by_rules >= DEFAULT_THRESHOLD) != (score >= DEFAULT_THRESHOLD):
                yield request.query, answer, by_rules, score


def report(judges: dict[str, Judge], seed: int = 0) -> Iterator[str]:
    """Yields the lines of the tables in sample_data/README.md: agreement, then risks, then speed."""
    yield "| judge | answers | behaviour | draws | different | agree | false positive | false negative |"
    yield "|---|---|---|---|---|---|---|---|"
    models = [load_model(name) for name in embedded_models()]
    timed: list[AnsweredRequest] = []
    for behaviour in BEHAVIOURS:
        for name, judge in judges.items():
            found = _made(judge, behaviour, seed)
            yield _row(name, "near misses", behaviour, found, found)
        for strength in ("default", "any strength"):
            answered = list(
                _answered_requests(models, behaviour, seed, any_strength=strength != "default")
            )
            timed = timed or answered
            for target in (True, False) if strength == "default" else (False,):
                for name, judge in judges.items():
                    draws = agreement(judge, answered, target=target, distinct=False)
                    different = agreement(judge, answered, target=target, distinct=True)
                    yield _row(name, "target" if target else strength, behaviour, draws, different)
    yield ""
    yield f"| model | query | rules (95% interval) | {' | '.join(judges)} |"
    yield "|---|---|---|" + "---|" * len(judges)
    for model, behaviour, count in RISKS:
        yield from risks(judges, model, behaviour, count, RISK_SAMPLES, seed)
    yield ""
    for name, judge in judges.items():
        seconds, different_answers = seconds_for(judge, timed, 1_000)
        yield f"{name}: 1,000 draws, {different_answers} different, {seconds:.2f} s"


def _answered_requests(
    models: Iterable[LoadedModel], behaviour: str, seed: int, *, any_strength: bool
) -> Iterator[AnsweredRequest]:
    for loaded in models:
        yield from held_out_draws(
            loaded, behaviour, QUERIES[behaviour], DRAWS, seed, any_strength=any_strength
        )


def _made(judge: Judge, behaviour: str, seed: int) -> Agreement:
    found, rules = Agreement(), WorldRules()
    for example in set(held_out_examples(behaviour, 2_000, seed)):
        by_judge = judge.judge(example.query, [example.answer])[0].score
        found.count(rules.scores(example.query, [example.answer])[0], by_judge)
    return found


def _row(name: str, source: str, behaviour: str, draws: Agreement, different: Agreement) -> str:
    return (
        f"| {name} | {source} | {behaviour} | {draws.answers:,} | {different.answers:,} | "
        f"{draws.share:.3%} / {different.share:.3%} | "
        f"{draws.false_positives:.1e} / {different.false_positives:.1e} | "
        f"{draws.false_negatives:.1e} / {different.false_negatives:.1e} |"
    )


def risks(
    judges: dict[str, Judge], model: str, behaviour: str, count: int, samples: int, seed: int
) -> Iterator[str]:
    """Yields a line a query: the estimate under the rules and under each judge."""
    loaded = load_model(model)
    chosen = Random(f"risks {model} {behaviour} {seed}").sample(queries(behaviour), count)
    for query in chosen:
        text = query.request.query
        rules = _estimated(loaded, behaviour, text, load_rule_judge(behaviour), samples, seed)
        found = [
            _estimated(loaded, behaviour, text, judge, samples, seed) for judge in judges.values()
        ]
        cells = " | ".join(f"{value[0]:.3g}" for value in found)
        yield f"| {model} | {query.query_id} | {rules[0]:.3g} ({rules[1]:.2g}-{rules[2]:.2g}) | {cells} |"


def _estimated(
    loaded: LoadedModel, behaviour: str, query: str, judge: Judge, samples: int, seed: int
) -> tuple[float, float, float]:
    request = default_request(loaded, behaviour, query, seed)
    found = estimate_request(loaded, request, judge, samples, MemoryStore())
    return found.estimate, found.ci_low, found.ci_high


def seconds_for(
    judge: Judge, answered: Iterable[AnsweredRequest], answers: int
) -> tuple[float, int]:
    """Returns how long it takes to judge so many answers as they were drawn, and how many differ."""
    spent, judged, different = 0.0, 0, 0
    for request in answered:
        chosen = request.answers[: answers - judged]
        began = time.perf_counter()
        judge.judge(request.query, chosen)
        spent += time.perf_counter() - began
        judged += len(chosen)
        different += len(set(chosen))
        if judged == answers:
            break
    return spent, different
