"""What an audit asks, of whom, and how long."""

from collections.abc import Sequence
from typing import Any

from pydantic import field_validator

from cache import spec_hash
from core.models.loading import DEFAULT_MODEL
from core.models.spec import LoadingSpec
from core.queries.query import Query
from core.runs.request import DEFAULT_SAMPLES, EstimateRequest, EstimationSpec
from core.spec import UNWEIGHTED, GenerationSpec, OptionalSamples, Precision, Samples, Spec


class AuditModel(Spec):
    """One model of an audit."""

    name: str = DEFAULT_MODEL
    loading: LoadingSpec = LoadingSpec()


class AuditSpec(EstimationSpec):
    """The settings that all queries of an audit share.

    samples: answers drawn for an estimate, at most. precision: stop a query earlier, once neither end
    of its interval is further from the estimate than this share of it; None draws all.
    monte_carlo_samples: further answers drawn from the target alone, for a direct count.
    proposal: None for each model's measured default, and with method `mis` its companions.
    """

    models: tuple[AuditModel, ...] = (AuditModel(),)
    samples: Samples = DEFAULT_SAMPLES
    precision: Precision | None = None
    monte_carlo_samples: OptionalSamples = 0

    @field_validator("models")
    @classmethod
    def _models(cls, value: tuple[AuditModel, ...]) -> tuple[AuditModel, ...]:
        if not value:
            raise ValueError("an audit needs at least one model, got none")
        names = [model.name for model in value]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"each model of an audit must be another one, got {name!r} twice")
        return value

    def request(self, model: AuditModel, query: str, system: str | None = None) -> EstimateRequest:
        """Returns the request for one model and one query, before the default proposal is known.

        system: the query's own system prompt, None for the audit's.

        Raises:
            SpecError: the query cannot be asked, or a setting is out of range.
        """
        settings = self.estimation()
        if self.method in UNWEIGHTED:
            settings["proposal"] = None
        settings["generation"] = under_system(self.generation, system)
        return EstimateRequest.build(
            query=query, model=model.name, loading=model.loading, **settings
        )


def under_system(generation: GenerationSpec, system: str | None) -> GenerationSpec:
    """Returns how answers are generated under a query's own system prompt; unchanged if it has none."""
    return generation if system is None else generation.model_copy(update={"system_prompt": system})


def queries_hash(queries: Sequence[Query]) -> str:
    """Returns a hash of the queries, their ids, groups, categories, system prompts and order."""
    records = [query.record() for query in queries]
    # The text is called so in the hashes of all audits that there are.
    named = [
        {("text" if name == "query" else name): text for name, text in one.items()}
        for one in records
    ]
    return spec_hash({"queries": named})[:32]


def audit_id(spec: AuditSpec, queries: Sequence[Query]) -> str:
    """Returns 16 hex digits: the same audit of the same queries has the same id, wherever it is run."""
    content = {"audit": spec.model_dump(mode="json"), "queries": queries_hash(queries)}
    return spec_hash(content)[:16]


def differences(before: dict[str, Any], now: dict[str, Any], prefix: str = "") -> list[str]:
    """Returns what differs between two specs as JSON, each as 'name: was X, is Y'."""
    found = []
    for name in sorted({*before, *now}):
        old, new = before.get(name), now.get(name)
        if isinstance(old, dict) and isinstance(new, dict):
            found += differences(old, new, f"{prefix}{name}.")
        elif old != new:
            found.append(f"{prefix}{name}: was {old!r}, is {new!r}")
    return found
