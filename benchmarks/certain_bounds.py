"""Certain bounds: how near they come to the risk, by the draws of an estimate and by a search of the answers.

    python -m benchmarks.certain_bounds draws --out FILE.csv [--model aster] [--behaviour misuse]

`draws` estimates every shipped query with the defaults and writes certain_low, certain_high, the estimate and
upper_bound_free. A second call goes on where the first stopped. Prints how many queries' lower ends reach 80%
of the estimate, how many upper ends are at most half of `upper_bound_free`, and how many references are
outside.
"""

import argparse
import csv
from pathlib import Path
from typing import Any

import numpy as np

from cache import MemoryStore
from core.behaviours.load import load_queries, load_references
from core.models.loading import load_model
from core.runs.estimate_query import estimate_query
from core.runs.request import EstimateRequest
from core.tasks.progress import result_of

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True)
    of_draws = commands.add_parser("draws")
    of_draws.add_argument("--model", default="aster")
    of_draws.add_argument("--behaviour", default="misuse")
    of_draws.add_argument("--samples", type=int, default=1_000)
    of_draws.add_argument("--out", type=Path, required=True)
    of_draws.set_defaults(run=draws)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
