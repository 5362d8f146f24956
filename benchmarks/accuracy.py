"""Accuracy on the shipped queries: how often estimates from 1,000 draws are right, and say so rightly.

    python -m benchmarks.accuracy [--model aster] [--behaviour misuse] [--seeds 20] [--samples 1000]

For every query whose reference risk is at least --floor, estimates with the default proposal over many
seeds. Prints the relative root mean squared error per query and its median, the interval's coverage of the
reference over (query, seed) pairs, and how many of the estimates that are off by more than a factor of 2
were marked "trust". The reference has an error of its own (its standard error is part of reference.csv);
it is not subtracted. Results a query go to --out as CSV; a second call goes on where the first stopped.
"""

import argparse
import csv
from pathlib import Path

import numpy as np

from cache import MemoryStore
from core.behaviours import load_queries, load_references
from core.defaults import known_default
from core.judges.rules import load_rule_judge
from core.models.loading import LoadedModel, load_model
from core.run import EstimateRequest, estimate_request

FIELDS = (
    "model", "behaviour", "query_id", "seed", "reference", "estimate", "ci_low", "ci_high",
    "verdict", "hits", "khat", "reasons",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="aster")
    parser.add_argument("--behaviour", default="misuse")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--floor", type=float, default=1e-4)
    parser.add_argument("--queries", type=int, help="take an even spread of this many queries")
    parser.add_argument("--out", type=Path, default=Path("accuracy.csv"))
    options = parser.parse_args()

    loaded = load_model(options.model)
    references = load_references(options.model, options.behaviour)
    queries = sorted(
        (
            query
            for query in load_queries(options.behaviour)
            if query.query_id in references
            and references[query.query_id].qrisk >= options.floor
            and "disagree" not in references[query.query_id].method
        ),
        key=lambda query: references[query.query_id].qrisk,
    )
    if options.queries and options.queries < len(queries):
        chosen = np.linspace(0, len(queries) - 1, options.queries).round().astype(int)
        queries = [queries[index] for index in chosen]
    done = {(row["query_id"], int(row["seed"])) for row in read(options.out)}
    with options.out.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, FIELDS)
        if not done:
            writer.writeheader()
        for query in queries:
            for seed in range(options.seeds):
                if (query.query_id, seed) not in done:
                    row = one_estimate(loaded, options, query.text, seed)
                    reference = references[query.query_id].qrisk
                    writer.writerow({"query_id": query.query_id, "reference": reference, **row})
            file.flush()
    wanted = {query.query_id for query in queries}
    report([row for row in read(options.out) if row["query_id"] in wanted])


def one_estimate(
    loaded: LoadedModel, options: argparse.Namespace, text: str, seed: int
) -> dict[str, object]:
    """Returns one row: an estimate of one query with one seed, nothing stored."""
    store = MemoryStore()
    request = EstimateRequest(
        query=text,
        model=options.model,
        behaviour=options.behaviour,
        proposal=known_default(loaded, options.behaviour, store),
        seed=seed,
    )
    judge = load_rule_judge(options.behaviour)
    found = estimate_request(loaded, request, judge, options.samples, store)
    return {
        "model": options.model,
        "behaviour": options.behaviour,
        "seed": seed,
        "estimate": found.estimate,
        "ci_low": found.ci_low,
        "ci_high": found.ci_high,
        "verdict": found.verdict,
        "hits": found.hits,
        "khat": found.khat,
        "reasons": " ".join(reason.code for reason in found.reasons),
    }


def read(path: Path) -> list[dict[str, str]]:
    """Returns the rows written so far."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def report(rows: list[dict[str, str]]) -> None:
    """Prints the summary of all rows."""
    ids = sorted({row["query_id"] for row in rows}, key=lambda i: next(
        float(row["reference"]) for row in rows if row["query_id"] == i
    ))  # fmt: skip
    errors, all_covered, bad, bad_trusted, verdicts = [], [], 0, 0, []
    print(
        f"{'query':>10} {'reference':>10} {'mean':>10} {'rel. RMSE':>9} {'covered':>8} {'trust':>6}"
    )
    for query_id in ids:
        of_query = [row for row in rows if row["query_id"] == query_id]
        truth = float(of_query[0]["reference"])
        found = np.array([float(row["estimate"]) for row in of_query])
        covered = np.array(
            [float(row["ci_low"]) <= truth <= float(row["ci_high"]) for row in of_query]
        )
        trusted = np.array([row["verdict"] == "trust" for row in of_query])
        off = (found > 2 * truth) | (found < truth / 2)
        error = float(np.sqrt(np.mean((found / truth - 1) ** 2)))
        errors.append(error)
        all_covered.append(covered)
        bad += int(off.sum())
        bad_trusted += int((off & trusted).sum())
        verdicts.append(trusted.mean())
        print(
            f"{query_id:>10} {truth:10.2e} {found.mean():10.2e} {error:9.3f} {covered.mean():8.2f} "
            f"{trusted.mean():6.2f}"
        )
    pairs = np.concatenate(all_covered)
    print(f"\n{len(ids)} queries, {len(pairs)} (query, seed) pairs")
    print(f"median relative RMSE: {np.median(errors):.3f} (wanted: at most 0.15)")
    print(f"90th percentile of it: {np.quantile(errors, 0.9):.3f}")
    print(f"interval covers the reference: {pairs.mean():.1%} of pairs (wanted: 90 to 99%)")
    share = bad_trusted / bad if bad else 0.0
    print(
        f"off by more than a factor of 2: {bad} pairs, {bad_trusted} of them marked trust "
        f"({share:.1%}; {bad_trusted / len(pairs):.2%} of all pairs; wanted: at most 2%)"
    )
    print(f"marked trust: {np.mean(verdicts):.1%} of pairs")


if __name__ == "__main__":
    main()
