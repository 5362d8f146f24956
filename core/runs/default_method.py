"""Which method a question is asked by where the user names none."""

from collections.abc import Iterable

from core.judges import behaviour_judge, load_judge
from core.judges.rules import RuleJudge
from core.look_ahead.language import NoAutomatonError
from core.look_ahead.rule import rule_for
from core.models.embedded import embedded_models
from core.spec import Method


def default_method(
    models: Iterable[str],
    behaviour: str,
    queries: Iterable[str],
    judge: str | None,
    threshold: float,
) -> Method:
    """Returns the cheapest honest method for these models and queries, known before a model is loaded.

    `mis` for the embedded models, whose proposals are measured and shipped. For any other model a good
    proposal has to be found first, which may take hours and find none: so it is `ahead`, which never needs
    more answers than counting them, where the judge's rules can be followed, and else `mc`.

    Raises:
        TailscopeError: there is no such behaviour or judge.
    """
    if set(models) <= set(embedded_models()):
        return "mis"
    asked = behaviour_judge(behaviour) if judge is None else load_judge(judge)
    if not isinstance(asked, RuleJudge):
        return "mc"
    try:
        for query in queries:
            rule_for(asked, query, threshold)
    except NoAutomatonError:
        return "mc"
    return "ahead"
