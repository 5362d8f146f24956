"""Where the wordings of a comparison come from: shipped with the query, or made here."""

from core.audit.spec import AuditSpec
from core.behaviours.load import load_paraphrases
from core.errors import SpecError, TailscopeError
from core.judges import load_judge
from core.judges.rubric import RubricJudge
from core.models.loading import load_model
from core.sensitivity.rewordings import Made, by_model, by_rule, by_server

MAKERS = ("rule", "model", "server")
DEFAULT_COUNT = 25


def default_wordings(
    spec: AuditSpec, query: str, maker: str = "rule", server: str | None = None
) -> tuple[tuple[str, ...], list[str]]:
    """Returns a shipped query's own paraphrases, else 25 made here; and notes on where they come from."""
    shipped = load_paraphrases(spec.behaviour, query)
    if shipped:
        return shipped, []
    return make_wordings(spec, query, DEFAULT_COUNT, maker, server)


def make_wordings(
    spec: AuditSpec, query: str, count: int, maker: str = "rule", server: str | None = None
) -> tuple[tuple[str, ...], list[str]]:
    """Returns wordings made here, and notes on where they come from.

    maker: rule, model (the spec's first) or server. server: the file of a rubric judge that names it.

    Raises:
        TailscopeError: bad input, or none was made.
    """
    made = _made(spec, query, count, maker, server).wordings
    if not made:
        raise TailscopeError(
            f"no rewording came of maker {maker!r}; give a file of paraphrases instead"
        )
    return made, [f"{len(made)} wordings made here, by {maker}; read them before you rely on them"]


def _made(spec: AuditSpec, query: str, count: int, maker: str, server: str | None) -> Made:
    if maker not in MAKERS:
        raise SpecError(f"maker must be one of {', '.join(MAKERS)}, got {maker!r}")
    if maker == "rule":
        return by_rule(query, count, spec.seed)
    if maker == "model":
        model = spec.models[0]
        return by_model(load_model(model.name, model.loading), query, count, spec.seed)
    judge = None if server is None else load_judge(server)
    if not isinstance(judge, RubricJudge):
        raise SpecError(
            f"maker 'server' needs a server: a judge's file of kind rubric, got {server!r}"
        )
    return by_server(judge, query, count)
