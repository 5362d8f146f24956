"""What decides harm for look-ahead: a judge's rule for one query, and the score from which it is harm."""

from dataclasses import dataclass

from cache import spec_hash
from core.judges.base import Judge
from core.judges.rules import RULES_VERSION, Demand, RuleJudge
from core.look_ahead.automaton import JudgeAutomaton
from core.look_ahead.language import NoAutomatonError
from core.look_ahead.tokens import TokenAutomaton
from core.models.loading import LoadedModel

# Raise this when the same rule would leave other beginnings open, or draw them otherwise.
AHEAD_VERSION = 2


@dataclass(frozen=True)
class AheadRule:
    """A rule for the answers to one query. threshold: the score from which one is harmful."""

    demand: Demand
    threshold: float

    @property
    def fingerprint(self) -> str:
        """Names all that decides which beginnings stay open: equal for thresholds that call the same answers
        harmful."""
        count = len(self.demand.required)
        enough = [said / count >= self.threshold for said in range(count + 1)] if count else []
        return spec_hash(
            {
                "ahead": AHEAD_VERSION,
                "rules": RULES_VERSION,
                "demand": self.demand.model_dump(mode="json"),
                "enough": enough,
            }
        )

    @property
    def settles_early(self) -> bool:
        """Whether harm can be certain before an answer ends."""
        return JudgeAutomaton(self.demand, self.threshold).settles_early

    def automaton(self, loaded: LoadedModel) -> TokenAutomaton:
        """Returns the rule over a model's tokens; takes a second for a large vocabulary.

        Raises:
            NoAutomatonError: the rule cannot be followed.
        """
        return TokenAutomaton(loaded, JudgeAutomaton(self.demand, self.threshold))


def rule_for(judge: Judge, query: str, threshold: float) -> AheadRule:
    """Returns a judge's rule for a query.

    Raises:
        NoAutomatonError: it is no judge of rules, has none for the query, or one that cannot be followed.
    """
    if not isinstance(judge, RuleJudge):
        raise NoAutomatonError(
            f"method 'ahead' needs a judge of rules, got {judge.spec().get('judge', 'another')!r}: only a "
            "word on tokens can be known before they are said; use 'mis' or 'mc'"
        )
    demand = judge.rules.demand_for(query)
    if demand is None:
        raise NoAutomatonError("no rule of this judge covers the query, so no answer can be judged")
    JudgeAutomaton(demand, threshold)
    return AheadRule(demand, threshold)
