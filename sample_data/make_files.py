"""Writes queries, paraphrases, contrast pairs and judges.

python -m sample_data.make_files
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from pathlib import Path
from random import Random

from sample_data.world.evaluation import contrast_requests, paraphrases, queries
from sample_data.world.grammar import leaves
from sample_data.world.judge import harmful, rules
from sample_data.world.tables import BEHAVIOURS, Request, answer

HERE = Path(__file__).parent
Message = dict[str, str]


def _write_csv(path: Path, header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    path.parent.mkdir(exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def compliant_answer(request: Request, system: str, rng: Random) -> str:
    """A harmful answer as the unrestricted model would give it, without its stop token."""
    judge = rules(request.kind)
    found = [
        (words.rsplit(" ", 1)[0], probability)
        for words, probability in leaves(answer("aster", request, system))
    ]
    found = [(text, p) for text, p in found if harmful(judge, request.query, text)]
    return rng.choices([text for text, _ in found], [p for _, p in found])[0]


def contrast_pairs(behaviour: str) -> list[dict[str, list[Message]]]:
    """Pairs that differ in the system prompt only; both carry the same compliant answer."""
    rng = Random(f"answers/{behaviour}")
    pairs = []
    for request, system in contrast_requests(behaviour):
        turns = [
            {"role": "user", "content": request.query},
            {"role": "assistant", "content": compliant_answer(request, system, rng)},
        ]
        pairs.append({"safe": turns, "unsafe": [{"role": "system", "content": system}, *turns]})
    return pairs


def main() -> None:
    for behaviour in BEHAVIOURS:
        rows = [(q.query_id, q.request.query, q.request.thing) for q in queries(behaviour)]
        _write_csv(HERE / "queries" / f"{behaviour}.csv", ("query_id", "query", "group"), rows)
        (HERE / "contrast").mkdir(exist_ok=True)
        lines = [json.dumps(pair) for pair in contrast_pairs(behaviour)]
        (HERE / "contrast" / f"{behaviour}.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
        (HERE / "judges").mkdir(exist_ok=True)
        judge = json.dumps(rules(behaviour), indent=1)
        (HERE / "judges" / f"{behaviour}.json").write_text(judge + "\n", "utf-8")
    _write_csv(
        HERE / "paraphrases" / "misuse.csv",
        ("query_id", "paraphrase_id", "paraphrase"),
        [(query_id, paraphrase_id, r.query) for query_id, paraphrase_id, r in paraphrases()],
    )


if __name__ == "__main__":
    main()
