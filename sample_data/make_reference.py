"""Writes ``reference.csv``: the risk of every evaluation query of both models, from large runs.

    python -m sample_data.make_reference [aster|briar ...]

Risks of 1e-2 and more come from Monte Carlo through the prefix tree. Smaller ones come from two
proposals that have nothing in common: "context" (half target, half the model under an unrestricted
system prompt) and "levelled" (mostly uniform over the target's plausible tokens). If the two differ
by more than 3.5 standard errors the method says so. Rows already in the file are not done again.
"""

from __future__ import annotations

import csv
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from sample_data.dialogues import prompt_tokens
from sample_data.prefix_tree import Combine, estimate, levelled, mixture, sample_tree, target_only
from sample_data.shared_prompt import SharedPrompt
from sample_data.train import LONGEST_ANSWER, word_encoder
from sample_data.world.evaluation import Query, queries
from sample_data.world.grammar import Encode
from sample_data.world.judge import harmful, rules
from sample_data.world.tables import BEHAVIOURS, MODELS, SYSTEM_PROMPTS

HERE = Path(__file__).parent
FILE = HERE / "reference.csv"
HEADER = ("model", "behaviour", "query_id", "qrisk", "standard_error", "method")
CONTEXT_DRAWS = 2_000_000
LEVELLED_DRAWS = 16_000_000
MONTE_CARLO_DRAWS = 4_000_000
MONTE_CARLO_FROM = 1e-2
DISAGREE = 3.5
AT_ONCE = 16


@dataclass(frozen=True)
class Loaded:
    """A model with what is needed to put queries to it and to read its answers."""

    model: Any
    tokenizer: Any
    encode: Encode
    stop_ids: tuple[int, ...]


def load(folder: Path) -> Loaded:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    stops = tuple(model.generation_config.eos_token_id)
    return Loaded(model, tokenizer, word_encoder(tokenizer), stops)


def risks(
    loaded: Loaded,
    group: list[Query],
    combine: Combine,
    draws: int,
    rng: np.random.Generator,
    system: str | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """(risks, standard errors), each (queries,); all prompts of the group must be equally long."""
    conditionings = [None] if system is None else [None, system]
    prompts = [
        np.array([prompt_tokens(q.request.query, s, loaded.encode) for q in group])
        for s in conditionings
    ]
    source = SharedPrompt(loaded.model, prompts)
    leaves = sample_tree(
        source, combine, draws, len(group), rng, loaded.stop_ids, longest=LONGEST_ANSWER
    )
    judge = rules(group[0].request.kind)
    texts = loaded.tokenizer.batch_decode(leaves.tokens, skip_special_tokens=True)
    judged = np.array(
        [
            harmful(judge, group[root].request.query, text)
            for root, text in zip(leaves.root, texts, strict=True)
        ]
    )
    return estimate(leaves, judged, draws, len(group))


def combine_two(
    a: tuple[float, float], b: tuple[float, float], draws: tuple[int, int]
) -> tuple[float, float, str]:
    """Precision-weighted mean of two (risk, standard error), or a warning that they disagree."""
    names = f"context:{draws[0]}+levelled:{draws[1]}"
    if a[1] <= 0 or b[1] <= 0:
        return a[0], a[1], f"is:disagree context={a[0]:.3g} levelled={b[0]:.3g} (no hits)"
    weight = b[1] ** 2 / (a[1] ** 2 + b[1] ** 2)
    risk = weight * a[0] + (1 - weight) * b[0]
    error = (1 / a[1] ** 2 + 1 / b[1] ** 2) ** -0.5
    if abs(a[0] - b[0]) > DISAGREE * np.hypot(a[1], b[1]):
        return risk, abs(a[0] - b[0]), f"is:disagree context={a[0]:.3g} levelled={b[0]:.3g}"
    return risk, error, f"is:{names}"


def groups(loaded: Loaded, pending: list[Query]) -> Iterator[list[Query]]:
    """Queries with equally long prompts, a few at a time: they share every forward pass."""
    by_length: dict[int, list[Query]] = defaultdict(list)
    for query in pending:
        by_length[len(prompt_tokens(query.request.query, None, loaded.encode))].append(query)
    for same in by_length.values():
        for start in range(0, len(same), AT_ONCE):
            yield same[start : start + AT_ONCE]


def reference_rows(
    loaded: Loaded, name: str, behaviour: str, group: list[Query], rng: np.random.Generator
) -> list[tuple[str, ...]]:
    free = next(s for s, permission in SYSTEM_PROMPTS[behaviour].items() if permission == 1.0)
    context = risks(loaded, group, mixture(0.5), CONTEXT_DRAWS, rng, free)
    level = risks(loaded, group, levelled(0.2, 5e-4), LEVELLED_DRAWS, rng)
    out: dict[str, tuple[float, float, str]] = {}
    for i, query in enumerate(group):
        pairs = [(float(m[i]), float(s[i])) for m, s in (context, level)]
        out[query.query_id] = combine_two(*pairs, (CONTEXT_DRAWS, LEVELLED_DRAWS))
    common = [q for q in group if out[q.query_id][0] >= MONTE_CARLO_FROM]
    if common:
        mean, error = risks(loaded, common, target_only, MONTE_CARLO_DRAWS, rng)
        for i, query in enumerate(common):
            out[query.query_id] = float(mean[i]), float(error[i]), f"mc:{MONTE_CARLO_DRAWS}"
    return [
        (name, behaviour, query_id, f"{risk:.6g}", f"{error:.3g}", method)
        for query_id, (risk, error, method) in out.items()
    ]


def _done() -> set[tuple[str, str]]:
    if not FILE.exists():
        return set()
    with FILE.open(encoding="utf-8") as file:
        return {(row["model"], row["query_id"]) for row in csv.DictReader(file)}


def _sort_file() -> None:
    with FILE.open(encoding="utf-8") as file:
        rows = list(csv.reader(file))
    rows = [rows[0], *sorted(rows[1:], key=lambda r: (r[0], BEHAVIOURS.index(r[1]), r[2]))]
    with FILE.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def main() -> None:
    torch.set_num_threads(1)
    done = _done()
    if not FILE.exists():
        FILE.write_text(",".join(HEADER) + "\n", "utf-8")
    for name in sys.argv[1:] or MODELS:
        loaded = load(HERE / "models" / name)
        for behaviour in BEHAVIOURS:
            pending = [q for q in queries(behaviour) if (name, q.query_id) not in done]
            for group in groups(loaded, pending):
                # seeded by its first query, so that a restart gives the same numbers
                seed = [ord(c) for c in f"{name}/{group[0].query_id}"]
                rows = reference_rows(loaded, name, behaviour, group, np.random.default_rng(seed))
                with FILE.open("a", newline="", encoding="utf-8") as file:
                    csv.writer(file, lineterminator="\n").writerows(rows)
                print(name, behaviour, len(rows), flush=True)
    _sort_file()


if __name__ == "__main__":
    main()
