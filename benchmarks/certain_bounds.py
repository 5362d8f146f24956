"""Certain bounds: how near they come to the risk, by the draws of an estimate and by a search of the answers.

    python -m benchmarks.certain_bounds draws --out FILE.csv [--model aster] [--behaviour misuse]
    python -m benchmarks.certain_bounds search [--model smollm2] [--seconds 30] [--length 8] [--queries 2]

`draws` estimates every shipped query with the defaults and writes certain_low, certain_high, the estimate and
upper_bound_free. A second call goes on where the first stopped. Prints how many queries' lower ends reach 80%
of the estimate, how many upper ends are at most half of `upper_bound_free`, and how many references are
outside. `search` looks into the tree of answers of the real behaviours' first queries, a row a query: both
ends, their ratio, and how many beginnings were looked into.
"""

import argparse
import csv
from pathlib import Path
from typing import Any

import numpy as np

from cache import MemoryStore
from core.behaviours.load import load_queries, load_references
from core.errors import TailscopeError
from core.models.loading import load_model
from core.runs.bound import BoundRequest, bound_query
from core.runs.estimate_query import estimate_query
from core.runs.request import EstimateRequest
from core.spec import GenerationSpec
from core.tasks.progress import result_of

BEHAVIOURS = ("agrees", "claims", "insults", "secret", "language")
FIELDS = (
    "estimate",
    "certain_low",
    "certain_high",
    "upper_bound_free",
    "ci_low",
    "ci_high",
    "hits",
)


def draws(options: argparse.Namespace) -> None:
    """Estimates what is not in the file yet, and prints the summary."""
    loaded = load_model(options.model)
    references = load_references(options.model, options.behaviour)
    done = {row["query_id"] for row in rows_of(options.out)}
    with options.out.open("a", newline="", encoding="utf-8") as file:
        for query in load_queries(options.behaviour):
            if query.query_id in done:
                continue
            request = EstimateRequest(
                query=query.text, model=options.model, behaviour=options.behaviour
            )
            steps = estimate_query(request, options.samples, MemoryStore(), loaded=loaded)
            found = result_of(steps).estimate
            known = references.get(query.query_id)
            row: dict[str, Any] = {
                "query_id": query.query_id,
                "reference": known.qrisk if known else float("nan"),
                "verdict": found.verdict,
                **{name: getattr(found, name) for name in FIELDS},
            }
            writer = csv.DictWriter(file, list(row))
            if file.tell() == 0:
                writer.writeheader()
            writer.writerow(row)
            file.flush()
    summary(rows_of(options.out))


def rows_of(path: Path) -> list[dict[str, str]]:
    """Returns the rows written so far."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def summary(rows: list[dict[str, str]]) -> None:
    """Prints how near the bounds come."""

    def column(name: str) -> np.ndarray:
        return np.array([float(row[name]) for row in rows])

    estimate, low, high = column("estimate"), column("certain_low"), column("certain_high")
    free, truth = column("upper_bound_free"), column("reference")
    share = np.divide(low, estimate, out=np.zeros_like(low), where=estimate > 0)
    quantiles = ", ".join(f"{q:.2f}" for q in np.quantile(share, (0.1, 0.5, 0.9)))
    print(f"{len(rows)} queries; lower end over estimate, 10th, 50th, 90th percentile: {quantiles}")
    print(f"lower end at least 80% of the estimate: {(share >= 0.8).sum()}")
    print(f"upper end at most half of upper_bound_free: {(high <= free / 2).sum()}")
    quantiles = ", ".join(f"{q:.2f}" for q in np.quantile(high / free, (0.1, 0.5, 0.9)))
    print(f"upper end over upper_bound_free, 10th, 50th, 90th percentile: {quantiles}")
    print(f"above the reference: {(low > truth).sum()}; below it: {(high < truth).sum()}")


def search(options: argparse.Namespace) -> None:
    """Prints a row of a table a query."""
    loaded = load_model(options.model)
    print(
        "| query | at least | at most | ratio | looked into | seconds |\n|---|---|---|---|---|---|"
    )
    ratios = []
    for behaviour in options.behaviours:
        for query in load_queries(behaviour)[: options.queries]:
            generation = GenerationSpec(
                temperature=options.temperature,
                max_new_tokens=options.length,
                system_prompt=query.system,
            )
            request = BoundRequest(
                query=query.text, model=options.model, behaviour=behaviour, generation=generation
            )
            steps = bound_query(request, MemoryStore(), seconds=options.seconds, loaded=loaded)
            try:
                found = result_of(steps).bounds
            except TailscopeError as error:
                print(f"| {behaviour}: {query.text} | {error} | | | | |", flush=True)
                continue
            ratios.append(found.high / found.low if found.low > 0 else np.inf)
            print(
                f"| {behaviour}: {query.text} | {found.low:.2e} | {found.high:.2e} | {ratios[-1]:.3g} | "
                f"{found.looked_into:,} | {found.seconds:.0f} |",
                flush=True,
            )
    print(
        f"both ends within a factor of 10: {sum(ratio <= 10 for ratio in ratios)} of {len(ratios)}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True)
    of_draws = commands.add_parser("draws")
    of_draws.add_argument("--model", default="aster")
    of_draws.add_argument("--behaviour", default="misuse")
    of_draws.add_argument("--samples", type=int, default=1_000)
    of_draws.add_argument("--out", type=Path, required=True)
    of_draws.set_defaults(run=draws)
    of_search = commands.add_parser("search")
    of_search.add_argument("--model", default="smollm2")
    of_search.add_argument("--behaviours", nargs="*", default=list(BEHAVIOURS))
    of_search.add_argument("--queries", type=int, default=2)
    of_search.add_argument("--length", type=int, default=8)
    of_search.add_argument("--temperature", type=float, default=1.0)
    of_search.add_argument("--seconds", type=float, default=30.0)
    of_search.set_defaults(run=search)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
