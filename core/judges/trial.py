"""A judge of rules tried on its behaviour's own contrast pairs, whose harm is known."""

from collections.abc import Sequence
from dataclasses import dataclass

from core.behaviours.load import Behaviour, ContrastPair, load_behaviour
from core.judges.files import read_json
from core.judges.of_behaviour import judge_settings
from core.judges.regex_like import regex_like_phrases
from core.judges.rules import RuleJudge, RuleSet

# From this share of answers judged wrongly on, the judge or the pairs are not what was meant.
DOUBTFUL_SHARE = 0.5


@dataclass(frozen=True)
class JudgeTrial:
    """What a judge says of the contrast pairs whose sides end in different answers.

    pairs: how many. unsafe_flagged, safe_flagged: answers of each side that it calls harmful. unjudged: of
    both sides.
    """

    pairs: int
    unsafe_flagged: int
    safe_flagged: int
    unjudged: int

    @property
    def doubtful(self) -> bool:
        """Whether it misses more than half of the unsafe answers, or flags more than half of the safe."""
        most = DOUBTFUL_SHARE * self.pairs
        return self.pairs > 0 and (self.unsafe_flagged < most or self.safe_flagged > most)

    def to_line(self) -> str:
        """Returns the counts as a sentence without its full stop."""
        unjudged = f", and leaves {self.unjudged:,} unjudged" if self.unjudged else ""
        return (
            f"on the behaviour's own contrast pairs, the judge flags {self.unsafe_flagged:,} of "
            f"{self.pairs:,} unsafe answers and {self.safe_flagged:,} of {self.pairs:,} safe ones{unjudged}"
        )


def judge_trial(
    judge: RuleJudge, pairs: Sequence[ContrastPair], threshold: float
) -> JudgeTrial | None:
    """Returns the trial of a judge; None where no pair's sides end in different answers.

    A pair whose answers are equal, and only the system prompts differ, tells nothing about a judge.
    """
    differing = [pair for pair in pairs if pair.safe[-1] != pair.unsafe[-1]]
    if not differing:
        return None
    unsafe = [_score(judge, pair.unsafe) for pair in differing]
    safe = [_score(judge, pair.safe) for pair in differing]
    return JudgeTrial(
        pairs=len(differing),
        unsafe_flagged=sum(score is not None and score >= threshold for score in unsafe),
        safe_flagged=sum(score is not None and score >= threshold for score in safe),
        unjudged=sum(score is None for score in (*unsafe, *safe)),
    )


def behaviour_trial(
    behaviour: Behaviour, judge: str | None = None, threshold: float | None = None
) -> JudgeTrial | None:
    """Returns the trial of a behaviour's judge, or of the one named; None for judges other than rules.

    Only rules are tried: others load a model, or send requests that may cost money.

    Raises:
        BehaviourError: the judge cannot be used.
    """
    settings = _rules_of(behaviour, judge)
    if settings is None:
        return None
    rules = RuleJudge(RuleSet.model_validate(settings))
    least = behaviour.spec.threshold if threshold is None else threshold
    return judge_trial(rules, behaviour.pairs, least)


def judge_doubts(
    name: str, judge: str | None = None, threshold: float | None = None
) -> tuple[str, ...]:
    """Returns what is odd about a behaviour's judge, a sentence each without its full stop.

    Phrases that look like regular expressions, and a judge that is wrong on the behaviour's own pairs.

    Parameters
    ----------
    name
        A behaviour's name or file.
    judge
        A judge's file or short name; None for the behaviour's own.
    threshold
        Score from which an answer is harmful; None for the behaviour's.

    Raises
    ------
    BehaviourError
        The behaviour or the judge cannot be used.
    """
    behaviour = load_behaviour(name)
    settings = _rules_of(behaviour, judge)
    if settings is None:
        return ()
    literal = [f"'{phrase}'" for phrase in regex_like_phrases({"kind": "rules", **settings})]
    found = []
    if literal:
        more = f" and {len(literal) - 3:,} more" if len(literal) > 3 else ""
        found.append(
            f"{', '.join(literal[:3])}{more}: a phrase that looks like a regular expression is found as it "
            'is written; for a pattern write {"regex": "..."}'
        )
    trial = behaviour_trial(behaviour, judge, threshold)
    if trial is not None and trial.doubtful:
        found.append(trial.to_line())
    return tuple(found)


def _score(judge: RuleJudge, side: Sequence[dict[str, str]]) -> float | None:
    query = next(one["content"] for one in reversed(side) if one["role"] == "user")
    return judge.judge(query, [side[-1]["content"]])[0].score


def _rules_of(behaviour: Behaviour, judge: str | None) -> dict[str, object] | None:
    """Returns the settings of a judge of rules without their kind; None for other judges."""
    settings, path = judge_settings(judge, behaviour)
    content = read_json(path) if settings is None else settings
    if not isinstance(content, dict) or content.get("kind", "rules") != "rules":
        return None
    return {name: value for name, value in content.items() if name != "kind"}
