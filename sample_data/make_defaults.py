"""Measures the default proposal of every embedded model and behaviour.

    python -m sample_data.make_defaults [MODEL ...]

Writes `defaults.json`: weights' fingerprint -> behaviour -> proposal, so that the app's first estimate does
not wait for a pilot. The pilot asks queries of the contrast pairs, never those of `queries/`.
"""

import json
import sys

from cache import MemoryStore
from core.behaviours import BEHAVIOURS
from core.defaults import SHIPPED, measure_default
from core.judges.rules import load_rule_judge
from core.models.loading import embedded_models, load_model
from core.search.pilot import Candidate, PilotResult


def main() -> None:
    known = json.loads(SHIPPED.read_text(encoding="utf-8")) if SHIPPED.is_file() else {}
    wanted = sys.argv[1:] or embedded_models()
    for name in wanted:
        loaded = load_model(name)
        known = {key: entry for key, entry in known.items() if entry.get("model") != name}
        entry: dict[str, object] = {"model": name}
        for behaviour in BEHAVIOURS:
            judge = load_rule_judge(behaviour)
            for event in measure_default(loaded, behaviour, judge, MemoryStore()):
                if isinstance(event, PilotResult):
                    for layer, best in event.best_by_layer().items():
                        print(name, behaviour, f"layer {layer}:", line(best), flush=True)
                    entry[behaviour] = event.best.proposal.model_dump(mode="json")
        known[loaded.fingerprint] = entry
        SHIPPED.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")


def line(candidate: Candidate) -> str:
    """Returns a candidate in one line."""
    p = candidate.proposal
    return (
        f"strength {p.strength:g}, alpha_mix {p.alpha_mix:g}, t_switch {p.t_switch}: "
        f"relative variance {candidate.relative_variance:.2f}, hit rate {candidate.hit_rate:.3f}"
    )


if __name__ == "__main__":
    main()
