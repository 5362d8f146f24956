"""How often does a language model give a harmful answer? Tailscope as a Python library.

>>> import core
>>> result = core.estimate("how do i open the larkspur vault", samples=500)
>>> print(result)  # doctest: +ELLIPSIS
'how do i open the larkspur vault' asked of aster
0... per million, 95% interval 0... per million to 0... per million
...

In a notebook a result shows itself as a card; `result.plot()` draws it, `result.to_dict()` is the JSON of
the command line, `result.report` holds everything. What was drawn is kept in the user's store, as the draws
of the app and the command line are, and never drawn twice. Importing this module imports no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from core.models.loading import LoadedModel
    from core.proposals import AnyProposalSpec
    from core.results.audit import AuditResult
    from core.results.bound import BoundResult
    from core.results.estimate import EstimateResult
    from core.results.search import SearchOutcome
    from core.results.sensitivity import SensitivityResult
    from core.results.tail import TailResult
    from core.spec import Method
    from core.tasks.progress import Progress

    Show = Callable[[Progress[Any]], object]

__all__ = [
    "__version__",
    "audit",
    "bound",
    "estimate",
    "fit_tail",
    "load_model",
    "sensitivity",
    "tune",
]
__version__ = "0.2.0"

DEFAULT_HORIZON = 1_000


def load_model(name: str = "aster", **loading: Any) -> LoadedModel:
    """Returns a model, to be given to the other functions so that it is loaded once.

    Parameters
    ----------
    name
        An embedded model (aster, briar), a folder, or a Hugging Face id.
    **loading
        Fields of `core.models.spec.LoadingSpec`: revision, dtype, device, attention.

    Raises
    ------
    TailscopeError
        There is no such model, or it cannot be used; one sentence says why.

    Examples
    --------
    >>> load_model("aster").architecture
    'LlamaForCausalLM'
    """
    from core.models import loading as models
    from core.models.spec import LoadingSpec

    return models.load_model(name, LoadingSpec.build(**loading))


def estimate(
    query: str,
    *,
    model: str | LoadedModel = "aster",
    behaviour: str = "misuse",
    method: Method | None = None,
    samples: int = 1_000,
    seed: int = 0,
    proposal: AnyProposalSpec | Mapping[str, Any] | None = None,
    generation: Mapping[str, Any] | None = None,
    judge: str | None = None,
    threshold: float | None = None,
    cache: str | Path | None = None,
    show: Show | None = None,
) -> EstimateResult:
    """Returns how often a model answers a query harmfully, with its interval and verdict.

    Parameters
    ----------
    query
        What the model is asked.
    model
        A model's name, or what `load_model` returned.
    behaviour
        What counts as harm: misuse, sycophancy, hallucination, one of the user's own, or a behaviour's file.
    method
        'mis' (several proposals and the model itself, combined), 'is' (one proposal), 'mc' (Monte Carlo) or
        'ahead' (look-ahead, for judges of rules). None: 'mis' for the embedded models or with a proposal,
        otherwise 'ahead' where the judge can be followed, and 'mc' where not.
    samples
        Answers to draw, 1 to 10 million.
    seed
        The same seed draws the same answers.
    proposal
        A proposal's spec or its fields, ``{"kind": "ablate", "strength": 0.8}``; None: the measured default.
    generation
        Fields of `core.spec.GenerationSpec`: system_prompt, temperature, top_k, top_p, max_new_tokens, ...;
        with ``"own_settings": True`` those left out are the model's own.
    judge
        A judge's file or short name; None: the behaviour's own.
    threshold
        Score from which an answer is harm, above 0 to 1; None: the behaviour's own.
    cache
        Folder of the store; None: the user's.
    show
        Called with each `core.tasks.progress.Progress`.

    Raises
    ------
    TailscopeError
        Bad input, in one sentence that names the value and what is accepted.

    References
    ----------
    Estimating Tail Risks in Language Model Output Distributions (2026). arXiv:2604.22167.

    Examples
    --------
    >>> result = estimate("how do i open the larkspur vault", method="mc", samples=100)
    >>> result.report.estimate.hits
    0
    """
    from core.results import estimate as made

    return made.estimate(
        query,
        model=model,
        behaviour=behaviour,
        method=method,
        samples=samples,
        seed=seed,
        proposal=proposal,
        generation=generation,
        judge=judge,
        threshold=threshold,
        cache=cache,
        show=show,
    )


def bound(
    query: str,
    *,
    model: str | LoadedModel = "aster",
    behaviour: str = "misuse",
    seconds: float = 60.0,
    looks: int | None = None,
    generation: Mapping[str, Any] | None = None,
    judge: str | None = None,
    threshold: float | None = None,
    cache: str | Path | None = None,
    show: Show | None = None,
) -> BoundResult:
    """Returns bounds on a query's risk that hold for certain, by a search of the tree of answers.

    Nothing is drawn, and nothing assumed: beginnings of answers are looked into one by one, and the exact
    probability of what they settle is added up. A second call goes on where the first stopped.

    Parameters
    ----------
    seconds
        How long to search.
    looks
        Beginnings of answers to look into, at most; None: as many as the seconds allow.

    query, model, behaviour, generation, judge, threshold, cache, show: as for `estimate`; the judge must be
    one of rules.

    Raises
    ------
    TailscopeError
        Bad input, or a judge that cannot be followed, in one sentence.

    Examples
    --------
    >>> result = bound("how do i open the larkspur vault", looks=20)
    >>> 0 <= result.low <= result.high <= 1
    True
    """
    from core.results import bound as made

    return made.bound(
        query,
        model=model,
        behaviour=behaviour,
        seconds=seconds,
        looks=looks,
        generation=generation,
        judge=judge,
        threshold=threshold,
        cache=cache,
        show=show,
    )


def audit(
    queries: str | Path | Sequence[str] | None = None,
    *,
    models: str | Sequence[str] = "aster",
    behaviour: str = "misuse",
    samples: int = 1_000,
    out: str | Path | None = None,
    workers: int | None = 1,
    cache: str | Path | None = None,
    show: Show | None = None,
    **settings: Any,
) -> AuditResult:
    """Returns the risks of many queries, of one model or several. An audit begun before is gone on with.

    Parameters
    ----------
    queries
        A file (CSV, TSV, JSON, JSON Lines, parquet, text), texts, or None for the behaviour's own.
    models
        Names of models.
    samples
        Answers to draw a query, at most.
    out
        Folder of the table and the manifest; None: one of the user's, which the app lists too.
    workers
        Processes; 1: this one alone, None: one a core. A script that asks for more must guard its start with
        ``if __name__ == "__main__"``, as Python's multiprocessing wants it.
    **settings
        Further fields of `core.audit.spec.AuditSpec`: method, precision, monte_carlo_samples, proposal,
        generation, judge, threshold, seed, defensive_share.

    behaviour, cache, show: as for `estimate`.

    Raises
    ------
    TailscopeError
        Bad input in one sentence; or the audit had to stop, and can be called again.

    Examples
    --------
    >>> result = audit(["how do i open the larkspur vault"], samples=250)
    >>> len(result.table)
    1
    """
    from core.results import audit as made

    return made.audit(
        queries,
        models=[models] if isinstance(models, str) else list(models),
        behaviour=behaviour,
        samples=samples,
        out=out,
        workers=workers,
        cache=cache,
        show=show,
        settings=settings,
    )


def sensitivity(
    query: str,
    wordings: Sequence[str] | None = None,
    *,
    model: str = "aster",
    behaviour: str = "misuse",
    samples: int = 500,
    workers: int | None = 1,
    cache: str | Path | None = None,
    show: Show | None = None,
    **settings: Any,
) -> SensitivityResult:
    """Returns how far other wordings of a query move its risk.

    Parameters
    ----------
    wordings
        Other ways to ask; None: those that are shipped with the query, else 25 made by rule.
    samples
        Answers to draw for each.
    **settings
        Further fields of `core.audit.spec.AuditSpec`, as for `audit`.

    query, model, behaviour, workers, cache, show: as for `estimate` and `audit`.

    Raises
    ------
    TailscopeError
        Bad input, in one sentence.

    Examples
    --------
    >>> result = sensitivity("how do i open the larkspur vault", ["please open it"], samples=100)
    >>> len(result.report.rows)
    2
    """
    from core.results import sensitivity as made

    return made.sensitivity(
        query,
        wordings,
        model=model,
        behaviour=behaviour,
        samples=samples,
        workers=workers,
        cache=cache,
        show=show,
        settings=settings,
    )


def tune(
    queries: str | Path | Sequence[str] | None = None,
    *,
    model: str = "aster",
    behaviour: str = "misuse",
    cache: str | Path | None = None,
    show: Show | None = None,
    **settings: Any,
) -> SearchOutcome:
    """Returns the best proposal that a cross-entropy search finds on pilot queries.

    An audit should then leave the pilot queries out.

    Parameters
    ----------
    queries
        A file, of which a tenth is asked, texts, or None for the behaviour's own pilot queries.
    **settings
        Further fields of `core.search.tune.TuneSpec`: proposal, strengths, layers, grid, rows, objective,
        generation, seed.

    model, behaviour, cache, show: as for `estimate`.

    Raises
    ------
    TailscopeError
        Bad input, in one sentence.

    References
    ----------
    de Boer, Kroese, Mannor, Rubinstein (2005). A tutorial on the cross-entropy method.
    """
    from core.results import search as made

    return made.tune(
        queries, model=model, behaviour=behaviour, cache=cache, show=show, settings=settings
    )


def fit_tail(
    risks: str | Path | pd.DataFrame | AuditResult,
    horizon: int | Sequence[int] = DEFAULT_HORIZON,
    *,
    model: str | None = None,
    taus: Sequence[float] | None = None,
    leave_out_doubtful: bool = False,
    **settings: Any,
) -> TailResult:
    """Returns a forecast of the worst of many queries nobody has asked yet, from the risks of some.

    Parameters
    ----------
    risks
        What `audit` returned, an audit's folder, a file of estimates, or its table (columns query_id, query,
        group, estimate, standard_error, ci_high, hits, verdict; those that are there).
    horizon
        How many new queries; several are forecast one by one.
    model
        Whose risks, where there are several models.
    taus
        Risk levels whose chance of being exceeded is told; None: 1e-4, 1e-3, 1e-2 and 0.1.
    leave_out_doubtful
        Whether estimates marked "do not use" are left out.
    **settings
        Fields of `core.tails.spec.TailSpec`: fit ('pot', 'gumbel', 'jones', 'gev', 'lognormal', 'empirical'),
        largest, threshold, estimator, confidence, bootstraps, seed.

    Raises
    ------
    TailscopeError
        Too few risks, or bad input, in one sentence.

    References
    ----------
    Jones et al. (2025). Forecasting rare language model behaviors. arXiv:2502.16797.
    """
    from core.results import tail as made

    return made.fit_tail(
        risks,
        [horizon] if isinstance(horizon, int) else list(horizon),
        model=model,
        taus=taus,
        leave_out_doubtful=leave_out_doubtful,
        settings=settings,
    )


# Folders of these names take the functions' place once they are imported, and call them
# (`core.results.callable_package`).
FUNCTIONS: Mapping[str, Callable[..., Any]] = {"audit": audit, "sensitivity": sensitivity}
