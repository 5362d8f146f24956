"""Whether an audit's curve of repeated sampling agrees with plain counting, on the embedded models.

    python -m benchmarks.curves [--queries 60] [--samples 1000] [--monte-carlo 10000] [--workers 2]

Audits aster and briar on misuse queries at even distances through the list, in the user's own store. Prints
for each model and n the share of queries with a harmful answer from the estimates, the same counted among the
Monte Carlo answers, the band in which that should lie, and the ranks.
"""

import argparse
import time

import numpy as np

from core.audit.curves import repeated_sampling
from core.audit.driver import Audit
from core.audit.leases import Leases
from core.audit.ranking import rankings
from core.audit.results import in_table_order, table
from core.audit.spec import AuditModel, AuditSpec
from core.behaviours.load import load_queries
from core.executors.local import local_executor
from core.runs.run import open_default_store

SIZES = (1, 10, 100, 1_000, 10_000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--queries", type=int, default=60)
    parser.add_argument("--samples", type=int, default=1_000)
    parser.add_argument("--monte-carlo", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=None)
    options = parser.parse_args()
    every = load_queries("misuse")
    queries = [every[number * len(every) // options.queries] for number in range(options.queries)]
    spec = AuditSpec(
        models=(AuditModel(name="aster"), AuditModel(name="briar")),
        samples=options.samples,
        monte_carlo_samples=options.monte_carlo,
    )
    began = time.perf_counter()
    store, executor = open_default_store(), local_executor(options.workers)
    rows = []
    try:
        with Leases(store) as leases:
            audit = Audit(spec, queries, executor, store, leases)
            for event in audit.run():
                rows += event.partial.rows
    finally:
        executor.close()
        store.close()
    seconds = time.perf_counter() - began
    found = table(in_table_order(rows, spec, queries)).to_pandas()
    print(
        f"{len(found):,} rows, {event.partial.drawn:,} answers drawn, "
        f"{event.partial.stored:,} found, {seconds:.0f} s"
    )
    curves = [
        repeated_sampling(found[found["model"] == model.name], SIZES) for model in spec.models
    ]
    print(f"{'model':<8}{'n':>8}{'share':>9}{'band':>18}{'counted':>10}{'should lie in':>18}")
    for curve in curves:
        print(f"{curve.model:<8}{'greedy':>8}{curve.greedy:>9.2%}")
        inside = []
        assert curve.direct is not None
        assert curve.direct_low is not None
        assert curve.direct_high is not None
        for place, size in enumerate(curve.n.tolist()):
            band = f"{curve.low[place]:.2%}-{curve.high[place]:.2%}"
            where = f"{curve.direct_low[place]:.2%}-{curve.direct_high[place]:.2%}"
            direct = curve.direct[place]
            if np.isfinite(direct):
                inside.append(curve.direct_low[place] <= direct <= curve.direct_high[place])
            print(
                f"{'':<8}{size:>8,}{curve.share[place]:>9.2%}{band:>18}{direct:>10.2%}{where:>18}"
            )
        print(f"{'':<8}{sum(inside)} of {len(inside)} counts where they should lie")
    ranks = rankings(curves)
    print("best rank", ranks.best.to_string(), "worst rank", ranks.worst.to_string(), sep="\n")


if __name__ == "__main__":
    main()
