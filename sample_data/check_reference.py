"""Checks ``reference.csv`` without any sampling: adds up the model's probabilities of harmful answers.

    python -m sample_data.check_reference

The grammar has a few hundred harmful answers a query; the sum of the model's probabilities of them is
exact, and a lower bound of the risk (a model may also be harmful in words the grammar never says).
Prints the quantiles of (reference - sum) / standard error: about a standard normal's if all is well.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import torch

from sample_data.dialogues import prompt_tokens
from sample_data.make_reference import Loaded, load
from sample_data.world.evaluation import Query, queries
from sample_data.world.grammar import encoded_leaves
from sample_data.world.judge import harmful, rules
from sample_data.world.tables import BEHAVIOURS, MODELS, answer

HERE = Path(__file__).parent


@torch.inference_mode()
def harmful_mass(loaded: Loaded, query: Query) -> float:
    """The model's probability of all answers that the grammar knows and the judge finds harmful."""
    request = query.request
    judge = rules(request.kind)
    prompt = prompt_tokens(request.query, None, loaded.encode)
    found = [
        tokens
        for words, tokens, _ in encoded_leaves(answer("aster", request), loaded.encode)
        if harmful(judge, request.query, words.rsplit(" ", 1)[0])
    ]
    lengths = torch.tensor([len(tokens) for tokens in found])
    answers = torch.zeros(len(found), int(lengths.max()), dtype=torch.long)
    for row, tokens in enumerate(found):
        answers[row, : len(tokens)] = torch.tensor(tokens)
    rows = torch.cat([torch.tensor(prompt).expand(len(found), -1), answers], dim=1)
    log_p = torch.log_softmax(loaded.model(rows).logits[:, len(prompt) - 1 : -1].double(), -1)
    of_token = log_p.gather(-1, answers[..., None])[..., 0]
    counted = torch.arange(answers.shape[1]) < lengths[:, None]
    return float((of_token * counted).sum(-1).exp().sum())


def main() -> None:
    torch.set_num_threads(1)
    with (HERE / "reference.csv").open(encoding="utf-8") as file:
        reference = {(row["model"], row["query_id"]): row for row in csv.DictReader(file)}
    for model in MODELS:
        loaded = load(HERE / "models" / model)
        scores, relative = [], []
        for query in (q for behaviour in BEHAVIOURS for q in queries(behaviour)):
            row = reference[model, query.query_id]
            mass, risk = harmful_mass(loaded, query), float(row["qrisk"])
            scores.append((risk - mass) / float(row["standard_error"]))
            relative.append(risk / mass)
        quantiles = (0.0, 0.025, 0.16, 0.5, 0.84, 0.975, 1.0)
        print(model, "z quantiles", np.round(np.quantile(scores, quantiles), 2))
        print(model, "reference / sum, median", f"{np.median(relative):.4f}")


if __name__ == "__main__":
    main()
