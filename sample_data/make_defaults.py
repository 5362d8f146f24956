"""Measures the default proposal of every embedded model and behaviour.

    python -m sample_data.make_defaults [MODEL ...]

Writes `defaults.json`: weights' fingerprint -> behaviour -> proposal, so that the app's first estimate does
not wait for a pilot. Both ways to read a direction are tried; the one whose best candidate has the lower
predicted variance is kept. The pilot asks queries of the contrast pairs, never those of `queries/`.
"""

import json
import sys

from cache import MemoryStore
from core.behaviours import BEHAVIOURS
from core.defaults import SHIPPED, measure_default
from core.judges.rules import load_rule_judge
from core.models.loading import embedded_models, load_model
from core.search.pilot import Candidate, PilotResult
from core.spec import DirectionPosition

POSITIONS: tuple[DirectionPosition, ...] = ("answer_mean", "last_prompt")


def main() -> None:
    known = json.loads(SHIPPED.read_text(encoding="utf-8")) if SHIPPED.is_file() else {}
    wanted = sys.argv[1:] or embedded_models()
    for name in wanted:
        loaded = load_model(name)
        known = {key: entry for key, entry in known.items() if entry.get("model") != name}
        entry: dict[str, object] = {"model": name}
        for behaviour in BEHAVIOURS:
            judge = load_rule_judge(behaviour)
            found: list[Candidate] = []
            for position in POSITIONS:
                for event in measure_default(
                    loaded, behaviour, judge, MemoryStore(), direction_position=position
                ):
                    if isinstance(event, PilotResult):
                        found.append(event.best)
                        for layer, best in event.best_by_layer().items():
                            print(name, behaviour, position, f"layer {layer}:", line(best))
            best = min(found, key=lambda candidate: candidate.relative_variance)
            print(name, behaviour, "chosen:", line(best), flush=True)
            entry[behaviour] = best.proposal.model_dump(mode="json")
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
