"""Mean squared error of four ways to choose the proposal, at equal budget (the paper's comparison).

    python -m benchmarks.proposals [--behaviour misuse] [--queries 24] [--seeds 10] [--samples 500] --out FILE

* random ensemble: every draw has a phi of its own, drawn from the search's grid, and is weighted by the
  ensemble's mixture density;
* fixed: one plain setting for all queries, no search: the middle layer, a push as long as the activations,
  mixing 0.1, the switch at half the answer;
* cross-entropy: the search's minimum over the behaviour's pilot queries, which are in no query set;
* mis: the app's default, pilot draws included.

All others have the same defensive share. Prints the mean over queries of the relative mean squared error,
and how often each way was the best. Rows go to --out; a second call goes on where the first stopped.
"""

import argparse
import csv
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.accuracy import choose_queries, read
from cache import MemoryStore
from core.behaviours.load import load_queries, load_references
from core.judges.rules import RuleJudge, load_rule_judge
from core.models.loading import LoadedModel, load_model
from core.proposals import AnyProposalSpec, SteerSpec
from core.runs.defaults import known_default
from core.runs.estimate import estimate_shards, sample
from core.runs.extra_components import companions
from core.runs.prepare import behaviour_direction, ready_proposals
from core.runs.request import EstimateRequest
from core.search.cross_entropy import SearchResult
from core.search.grid import SearchGrid
from core.search.pilot import measure_default
from core.search.surface import surface_steps
from core.tasks import result_of

WAYS = ("random ensemble", "fixed", "cross-entropy", "mis")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="aster")
    parser.add_argument("--behaviour", default="misuse")
    parser.add_argument("--queries", type=int, default=24)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--samples", type=int, default=500)
    parser.add_argument("--floor", type=float, default=1e-6)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()

    loaded = load_model(options.model)
    judge = load_rule_judge(options.behaviour)
    references = load_references(options.model, options.behaviour)
    queries = choose_queries(
        load_queries(options.behaviour), references, options.floor, 0.1, options.queries
    )
    found = searched(loaded, options.behaviour, judge)
    print("cross-entropy choice:", found.best("cross_entropy"))
    print("least variance:", found.best("variance"))
    done = {(row["query_id"], int(row["seed"]), row["way"]) for row in read(options.out)}
    with options.out.open("a", newline="", encoding="utf-8") as file:
        for query in queries:
            truth = references[query.query_id].qrisk
            for seed in range(options.seeds):
                for way in WAYS:
                    if (query.query_id, seed, way) in done:
                        continue
                    estimate = run(loaded, options, judge, found, query.text, seed, way)
                    row = {
                        "query_id": query.query_id, "seed": seed, "way": way,
                        "reference": truth, "estimate": estimate,
                    }  # fmt: skip
                    writer = csv.DictWriter(file, list(row))
                    if file.tell() == 0:
                        writer.writeheader()
                    writer.writerow(row)
                    file.flush()
    report(pd.read_csv(options.out))


def searched(loaded: LoadedModel, behaviour: str, judge: RuleJudge) -> SearchResult:
    """Returns the search over the behaviour's pilot queries."""
    return result_of(measure_default(loaded, behaviour, judge, MemoryStore()))


def fixed(loaded: LoadedModel, behaviour: str, new_tokens: int) -> SteerSpec:
    """Returns a plain setting that anyone might try first."""
    layer = len(loaded.blocks) // 2
    direction = behaviour_direction(loaded, behaviour, "answer_mean")
    return SteerSpec(
        strength=direction.strength_of(layer, 1.0),
        layer=layer,
        alpha_mix=0.1,
        t_switch=new_tokens // 2,
    )


def run(
    loaded: LoadedModel,
    options: argparse.Namespace,
    judge: RuleJudge,
    found: SearchResult,
    text: str,
    seed: int,
    way: str,
) -> float:
    """Returns one estimate of one query by one way of choosing the proposal."""
    request = EstimateRequest(
        query=text, model=options.model, behaviour=options.behaviour, seed=seed
    )
    longest = request.generation.max_new_tokens
    if way == "random ensemble":
        return ensemble(loaded, request, judge, found.grid, options.samples)
    default = known_default(loaded, options.behaviour, MemoryStore())
    assert default is not None, "make the defaults first"
    proposal: AnyProposalSpec = default
    if way == "fixed":
        proposal = fixed(loaded, options.behaviour, longest)
    if way == "cross-entropy":
        proposal = found.best("cross_entropy")
    added = companions(loaded, options.behaviour, default, longest, MemoryStore())
    request = request.model_copy(
        update={
            "proposal": proposal,
            "method": "mis" if way == "mis" else "is",
            "companions": added,
        }
    )
    shards = list(sample(loaded, request, judge, options.samples, MemoryStore()))
    return estimate_shards(shards, request).estimate


def ensemble(
    loaded: LoadedModel, request: EstimateRequest, judge: RuleJudge, grid: SearchGrid, samples: int
) -> float:
    """Returns the random ensemble's estimate: the pilot's own."""
    rungs = request.model_copy(
        update={"method": "mis", "proposal": grid.rungs[0], "companions": grid.rungs[1:]}
    )
    steps = surface_steps(
        loaded,
        ready_proposals(loaded, rungs),
        grid,
        request.query,
        judge,
        request.generation,
        rows=samples,
        threshold=request.threshold,
        defensive_share=request.defensive_share,
        seed=request.seed,
    )
    return result_of(steps).risk


def report(table: pd.DataFrame) -> None:
    """Prints the error of each way."""
    table["squared"] = (table["estimate"] / table["reference"] - 1) ** 2
    by_query = table.pivot_table(index="query_id", columns="way", values="squared", aggfunc="mean")
    best = by_query.idxmin(axis=1).value_counts()
    print(f"{len(by_query)} queries, {table['seed'].nunique()} seeds")
    for way in WAYS:
        errors = by_query[way]
        print(
            f"{way:>16}: mean relative squared error {errors.mean():.4f}, median over queries "
            f"{errors.median():.4f} (relative RMSE {np.sqrt(errors.median()):.3f}), best for "
            f"{best.get(way, 0)} queries"
        )


if __name__ == "__main__":
    main()
