"""Accuracy on the shipped queries: how often estimates are right, and say so rightly.

    python -m benchmarks.accuracy [--behaviour misuse] [--queries 40] [--seeds 20] [--samples 1000]

Draws --queries of the shipped queries whose reference risk lies in --floor..--ceiling at random (a fixed
seed), and estimates each with the defaults over many seeds; all draws count, the pilot's too. Prints per
query the relative root mean squared error, the interval's coverage and how often the confidence sequence
missed at any of its checkpoints; and over all pairs, how many of the estimates that are off by more than a
factor of 2 were marked "trust". The reference has an error of its own (its standard error is part of
reference.csv); it is not subtracted. Rows go to --out as CSV; a second call goes on where the first
stopped.
"""

import argparse
import csv
from pathlib import Path

import numpy as np

from cache import MemoryStore, open_store
from core.behaviours.load import Query, Reference, load_queries, load_references
from core.estimation import confidence_sequence
from core.judges.rules import load_rule_judge
from core.models.loading import LoadedModel, load_model
from core.runs.convergence import checkpoints
from core.runs.defaults import known_default
from core.runs.estimate import estimate_shards, sample, second_shards
from core.runs.extra_components import companions
from core.runs.request import EstimateRequest
from core.sampling.collect import collect_draws

WANTED_RMSE = 0.25
CHOICE_SEED = 2026


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="aster")
    parser.add_argument("--behaviour", default="misuse")
    parser.add_argument("--method", default="mis", choices=("mis", "is"))
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--floor", type=float, default=1e-6)
    parser.add_argument("--ceiling", type=float, default=1e-1)
    parser.add_argument("--queries", type=int, default=40)
    parser.add_argument("--cache", type=Path, help="keep the draws, to estimate again from them")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()

    loaded = load_model(options.model)
    references = load_references(options.model, options.behaviour)
    queries = choose_queries(
        load_queries(options.behaviour), references, options.floor, options.ceiling, options.queries
    )
    done = {(row["query_id"], int(row["seed"])) for row in read(options.out)}
    with options.out.open("a", newline="", encoding="utf-8") as file:
        for query in queries:
            for seed in range(options.seeds):
                if (query.query_id, seed) in done:
                    continue
                reference = references[query.query_id]
                row = one_estimate(loaded, options, query, reference, seed)
                writer = csv.DictWriter(file, list(row))
                if file.tell() == 0:
                    writer.writeheader()
                writer.writerow(row)
                file.flush()
    report(read(options.out), options.method)


def choose_queries(
    queries: tuple[Query, ...],
    references: dict[str, Reference],
    floor: float,
    ceiling: float,
    count: int,
) -> list[Query]:
    """Returns `count` queries drawn at random among those in the range, the rarest risk first."""
    fitting = sorted(
        (
            query
            for query in queries
            if query.query_id in references
            and floor <= references[query.query_id].qrisk <= ceiling
            and "disagree" not in references[query.query_id].method
        ),
        key=lambda query: query.query_id,
    )
    if count < len(fitting):
        chosen = np.random.default_rng(CHOICE_SEED).choice(len(fitting), count, replace=False)
        fitting = [fitting[index] for index in chosen]
    return sorted(fitting, key=lambda query: references[query.query_id].qrisk)


def one_estimate(
    loaded: LoadedModel,
    options: argparse.Namespace,
    query: Query,
    reference: Reference,
    seed: int,
) -> dict[str, object]:
    """Returns one row: an estimate of one query with one seed."""
    store = MemoryStore() if options.cache is None else open_store(options.cache)
    request = EstimateRequest(
        query=query.text,
        model=options.model,
        behaviour=options.behaviour,
        method=options.method,
        proposal=known_default(loaded, options.behaviour, store),
        seed=seed,
    )
    assert request.proposal is not None, "make the defaults first"
    longest = request.generation.max_new_tokens
    added = companions(loaded, options.behaviour, request.proposal, longest, store)
    request = request.model_copy(update={"companions": added})
    judge = load_rule_judge(options.behaviour)
    shards = list(sample(loaded, request, judge, options.samples, store))
    second = ()
    if options.method == "is":
        second = second_shards(loaded, request, judge, options.samples, store)
    found = estimate_shards(shards, request, second)
    sequence = confidence_sequence(
        collect_draws(shards, request.threshold), checkpoints(options.samples)
    )
    missed = (sequence.low > reference.qrisk) | (sequence.high < reference.qrisk)
    return {
        "model": options.model,
        "behaviour": options.behaviour,
        "query_id": query.query_id,
        "seed": seed,
        "reference": reference.qrisk,
        "reference_error": reference.standard_error,
        "estimate": found.estimate,
        "standard_error": found.standard_error,
        "ci_low": found.ci_low,
        "ci_high": found.ci_high,
        "cs_low": found.cs_low,
        "cs_high": found.cs_high,
        "sequence_missed": int(missed.any()),
        "verdict": found.verdict,
        "hits": found.hits,
        "ess_event": found.ess_event,
        "khat": found.khat,
        "seconds": found.seconds,
        "reasons": " ".join(reason.code for reason in found.reasons),
    }


def read(path: Path) -> list[dict[str, str]]:
    """Returns the rows written so far."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def column(rows: list[dict[str, str]], name: str) -> np.ndarray:
    """Returns a column of numbers."""
    return np.array([float(row[name]) for row in rows])


def report(rows: list[dict[str, str]], method: str) -> None:
    """Prints the summary of all rows."""
    ids = sorted(
        {row["query_id"] for row in rows},
        key=lambda i: next(float(row["reference"]) for row in rows if row["query_id"] == i),
    )
    print(
        f"{'query':>17} {'reference':>10} {'mean':>10} {'rel. RMSE':>9} {'covered':>8} "
        f"{'anytime':>8} {'trust':>6}"
    )
    errors = []
    for query_id in ids:
        of_query = [row for row in rows if row["query_id"] == query_id]
        truth, found = column(of_query, "reference")[0], column(of_query, "estimate")
        errors.append(float(np.sqrt(np.mean((found / truth - 1) ** 2))))
        print(
            f"{query_id:>17} {truth:10.2e} {found.mean():10.2e} {errors[-1]:9.3f} "
            f"{covers(of_query).mean():8.2f} {1 - column(of_query, 'sequence_missed').mean():8.2f} "
            f"{np.mean([row['verdict'] == 'trust' for row in of_query]):6.2f}"
        )
    truth, found = column(rows, "reference"), column(rows, "estimate")
    off = (found > 2 * truth) | (found < truth / 2)
    trusted = np.array([row["verdict"] == "trust" for row in rows])
    good = np.array(errors) <= WANTED_RMSE
    print(f"\nmethod {method}: {len(ids)} queries, {len(rows)} (query, seed) pairs")
    print(
        f"relative RMSE: median {np.median(errors):.3f}, 90th percentile {np.quantile(errors, 0.9):.3f}"
    )
    print(f"at most {WANTED_RMSE}: {good.mean():.1%} of queries (wanted: 90%)")
    print(f"interval covers the reference: {covers(rows).mean():.1%} of pairs (wanted: 93 to 97%)")
    print(
        "confidence sequence covers it at every size: "
        f"{1 - column(rows, 'sequence_missed').mean():.1%} of runs (wanted: at least 95%)"
    )
    print(
        f"off by more than a factor of 2: {off.sum()} pairs, {(off & trusted).sum()} marked trust; "
        f"marked trust: {trusted.mean():.1%} of pairs"
    )
    print(f"seconds an estimate: median {np.median(column(rows, 'seconds')):.2f}")
    missing = [query_id for query_id, fine in zip(ids, good, strict=True) if not fine]
    for query_id in missing:
        reasons = " ".join(row["reasons"] for row in rows if row["query_id"] == query_id).split()
        counted = {code: reasons.count(code) for code in sorted(set(reasons))}
        print(f"misses {WANTED_RMSE}: {query_id}, reasons given: {counted}")


def covers(rows: list[dict[str, str]]) -> np.ndarray:
    """Returns for each row whether its interval holds the reference."""
    truth = column(rows, "reference")
    return (column(rows, "ci_low") <= truth) & (truth <= column(rows, "ci_high"))


if __name__ == "__main__":
    main()
