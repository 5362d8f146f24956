"""Look-ahead on a real model: the risk, its error, and how many answers Monte Carlo needs for the same error.

    python -m benchmarks.look_ahead [--model smollm2] [--samples 256] [--behaviours agrees ...] [--queries 3]

A row a query of the real behaviours, temperature 0.7, 12 tokens: the estimate with its interval, the relative
variance of a draw, that of counting harmful answers (1/P - 1), the ratio of the two, what the first token
settles, and seconds. A behaviour whose judge cannot be followed is named.
"""

import argparse

from cache import MemoryStore
from core.behaviours.load import load_behaviour, load_queries
from core.errors import TailscopeError
from core.models.loading import load_model
from core.runs.estimate_query import estimate_query
from core.runs.request import EstimateRequest
from core.spec import GenerationSpec
from core.tasks.progress import result_of

BEHAVIOURS = ("agrees", "claims", "insults", "secret", "language")


def line(report, name: str) -> str:  # type: ignore[no-untyped-def]
    """Returns a row of the table."""
    found = report.estimate
    seconds = found.seconds
    if found.estimate == 0:
        return f"| {name} | below {found.ci_high:.2g} | | | | | {seconds:.0f} |"
    variance = found.samples * (found.standard_error / found.estimate) ** 2
    counting = 1 / found.estimate - 1
    ratio = counting / variance if variance else float("inf")
    return (
        f"| {name} | {found.estimate:.2e} ({found.ci_low:.1e} to {found.ci_high:.1e}) | {variance:.1f} | "
        f"{counting:,.0f} | {ratio:,.1f} | {found.exact:.1e} | {seconds:.0f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--samples", type=int, default=256)
    parser.add_argument("--behaviours", nargs="*", default=list(BEHAVIOURS))
    parser.add_argument("--queries", type=int, default=3)
    options = parser.parse_args()
    loaded = load_model(options.model)
    print("| query | risk | variance of a draw | of counting | ratio | exact | seconds |")
    print("|---|---|---|---|---|---|---|")
    for behaviour in options.behaviours:
        for query in load_queries(behaviour)[: options.queries]:
            generation = GenerationSpec(
                temperature=0.7, max_new_tokens=12, system_prompt=query.system
            )
            request = EstimateRequest(
                query=query.text,
                model=options.model,
                behaviour=behaviour,
                generation=generation,
                method="ahead",
                threshold=load_behaviour(behaviour).spec.threshold,
            )
            name = f"{behaviour}: {query.text}"
            try:
                report = result_of(
                    estimate_query(request, options.samples, MemoryStore(), loaded=loaded)
                )
            except TailscopeError as error:
                print(f"| {name} | {error} | | | | | |", flush=True)
                break
            print(line(report, name), flush=True)


if __name__ == "__main__":
    main()
