"""Measures the default proposal of every embedded model and behaviour.

    python -m sample_data.make_defaults [MODEL ...]

Writes `defaults.json`: weights' fingerprint -> behaviour -> proposal, so that the app's first estimate does
not wait for a pilot. The pilot asks queries of the contrast pairs, never those of `queries/`.
"""

import json
import sys

from cache import MemoryStore
from core.behaviours.load import BEHAVIOURS
from core.judges.rules import load_rule_judge
from core.models.loading import embedded_models, load_model
from core.runs.defaults import SHIPPED
from core.search.cross_entropy import Objective, SearchResult
from core.search.pilot import measure_default
from core.tasks import result_of


def main() -> None:
    known = json.loads(SHIPPED.read_text(encoding="utf-8")) if SHIPPED.is_file() else {}
    wanted = sys.argv[1:] or embedded_models()
    for name in wanted:
        loaded = load_model(name)
        known = {key: entry for key, entry in known.items() if entry.get("model") != name}
        entry: dict[str, object] = {"model": name}
        for behaviour in BEHAVIOURS:
            judge = load_rule_judge(behaviour)
            found = result_of(measure_default(loaded, behaviour, judge, MemoryStore()))
            print(name, behaviour, "least variance:", line(found, "variance"), flush=True)
            print(name, behaviour, "cross-entropy:", line(found, "cross_entropy"), flush=True)
            entry[behaviour] = found.best("variance").model_dump(mode="json")
        known[loaded.fingerprint] = entry
        SHIPPED.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")


def line(found: SearchResult, objective: Objective) -> str:
    """Returns an optimum in one line."""
    point, best = found.best_point(objective), found.best(objective)
    return (
        f"layer {getattr(best, 'layer', '-')}, strength {best.strength:g}, mix {best.alpha_mix:g}, "
        f"switch {best.t_switch}: relative variance {found.relative_variance[point]:.2f} a draw, "
        f"hit rate {found.hit_rate[point]:.2f}"
    )


if __name__ == "__main__":
    main()
