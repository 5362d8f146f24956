"""The trap of design, section 4: a proposal that steers past the words that carry the mass.

    python -m benchmarks.trap [--model aster] [--seeds 10]

Steers much too hard, for the whole answer, on shipped queries whose risk is known. The hit rate rises, the
mean weight stays near 1, and the estimate is far below the truth. The verdict must then be "do not use".
Prints, for every query, the estimates against the reference and the verdicts, with the default proposal
beside it.
"""

import argparse
from collections import Counter

import numpy as np

from cache import MemoryStore
from core.behaviours import load_queries, load_references
from core.defaults import known_default
from core.estimation.estimate import Estimate
from core.judges.rules import load_rule_judge
from core.models.loading import load_model
from core.run import EstimateRequest, estimate_shards, make_arm, run_arm
from core.spec import SteerSpec


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="aster")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--queries", type=int, default=6)
    parser.add_argument("--strength", type=float, help="default: twice the default proposal's")
    options = parser.parse_args()

    loaded = load_model(options.model)
    judge = load_rule_judge("misuse")
    default = known_default(loaded, "misuse", MemoryStore())
    assert default is not None, "make the defaults first"
    strength = options.strength or 2 * default.strength
    trap = SteerSpec.build(
        **{**default.model_dump(), "strength": strength, "alpha_mix": 0.0, "t_switch": 40}
    )
    references = load_references(options.model, "misuse")
    near = [q for q in load_queries("misuse") if 5e-4 <= references[q.query_id].qrisk <= 5e-3]
    chosen = near[:: max(1, len(near) // options.queries)][: options.queries]

    def run(text: str, proposal: SteerSpec, seed: int) -> Estimate:
        request = EstimateRequest(query=text, model=options.model, proposal=proposal, seed=seed)
        arm = make_arm(loaded, request)
        shards = list(run_arm(loaded, arm, judge, options.samples, MemoryStore()))
        return estimate_shards(shards, request)

    print(f"trap: {trap.model_dump()}\ndefault: {default.model_dump()}")
    caught, pairs, missed_low = 0, 0, 0
    for query in chosen:
        truth = references[query.query_id].qrisk
        print(f"{query.query_id}: {query.text!r}, reference {truth:.2e}")
        for name, proposal in (("trap", trap), ("default", default)):
            found = [run(query.text, proposal, seed) for seed in range(options.seeds)]
            verdicts = Counter(estimate.verdict for estimate in found)
            print(
                f"  {name:>7}: median estimate {np.median([e.estimate for e in found]):.2e}, "
                f"hit rate {np.mean([e.hit_rate for e in found]):.2f}, "
                f"mean weight {np.mean([e.mean_weight for e in found]):.3f}, {dict(verdicts)}"
            )
            if name == "trap":
                caught += verdicts["do not use"]
                pairs += len(found)
                missed_low += sum(e.estimate < truth / 2 for e in found)
    print(
        f"do not use in {caught} of {pairs} (wanted: 9 of 10); "
        f"{missed_low} of them below half the truth"
    )


if __name__ == "__main__":
    main()
