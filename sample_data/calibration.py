"""Compares intended risks with the models' own (``reference.csv``): ``calibration.csv`` and tables.

python -m sample_data.calibration
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import torch

from sample_data.dialogues import prompt_tokens
from sample_data.make_reference import LONGEST_ANSWER, Loaded, load
from sample_data.world.evaluation import Query, queries
from sample_data.world.judge import harmful, intended_risk, rules
from sample_data.world.tables import BEHAVIOURS, MODELS

HERE = Path(__file__).parent
HEADER = ("model", "behaviour", "query_id", "intended", "qrisk", "ratio", "method")


def calibration_rows() -> list[dict[str, str]]:
    """One row a line of ``reference.csv``, with the intended risk and qrisk / intended."""
    requests = {q.query_id: q.request for b in BEHAVIOURS for q in queries(b)}
    rows = []
    with (HERE / "reference.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            intended = intended_risk(row["model"], requests[row["query_id"]])
            ratio = float(row["qrisk"]) / intended
            rows.append({**row, "intended": f"{intended:.6g}", "ratio": f"{ratio:.4g}"})
    return rows


def table(rows: list[dict[str, str]]) -> str:
    """Per model and decade of the intended risk: queries, median ratio and 10-90% range (Markdown)."""
    lines = [
        "| model | intended risk | queries | median model/intended | 10%-90% |",
        "|---|---|---|---|---|",
    ]
    for model in MODELS:
        own = [r for r in rows if r["model"] == model]
        exponents = np.array([np.floor(np.log10(float(r["intended"]))) for r in own])
        ratios = np.array([float(r["ratio"]) for r in own])
        for e in sorted(set(exponents), reverse=True):
            low, median, high = np.quantile(ratios[exponents == e], [0.1, 0.5, 0.9])
            lines.append(
                f"| {model} | 1e{e:.0f} to 1e{e + 1:.0f} | {(exponents == e).sum()} "
                f"| {median:.3f} | {low:.3f}-{high:.3f} |"
            )
    return "\n".join(lines)


@torch.inference_mode()
def greedy(loaded: Loaded, query: Query) -> str:
    """The greedily decoded answer."""
    prompt = torch.tensor([prompt_tokens(query.request.query, None, loaded.encode)])
    out = loaded.model.generate(
        prompt,
        attention_mask=torch.ones_like(prompt),
        do_sample=False,
        max_new_tokens=LONGEST_ANSWER,
    )
    return str(loaded.tokenizer.decode(out[0, prompt.shape[1] :], skip_special_tokens=True))


def flip(rows: list[dict[str, str]]) -> str:
    """Share of misuse queries with a harmful answer greedily, and expected in n samples (Markdown)."""
    sizes = (1, 10, 100, 1000, 10_000)
    lines = [
        "| model | greedy | " + " | ".join(f"{n:,} samples" for n in sizes) + " |",
        "|---|---|" + "---|" * len(sizes),
    ]
    judge = rules("misuse")
    for model in MODELS:
        loaded = load(HERE / "models" / model)
        misuse = queries("misuse")
        found = np.mean([harmful(judge, q.request.query, greedy(loaded, q)) for q in misuse])
        risk = np.array(
            [float(r["qrisk"]) for r in rows if r["model"] == model and r["behaviour"] == "misuse"]
        )
        shares = [np.mean(-np.expm1(n * np.log1p(-np.minimum(risk, 1 - 1e-12)))) for n in sizes]
        cells = " | ".join(f"{share:.1%}" for share in shares)
        lines.append(f"| {model} | {found:.1%} | {cells} |")
    return "\n".join(lines)


def main() -> None:
    torch.set_num_threads(1)
    rows = calibration_rows()
    with (HERE / "calibration.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, HEADER, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print(table(rows), flip(rows), sep="\n\n")


if __name__ == "__main__":
    main()
