"""A model of eight tokens with byte-level pieces, one of them half a letter, whose answers are enumerated."""

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer, decoders, models
from transformers import PreTrainedTokenizerFast

from core.judges.rules import Demand, RuleJudge, RuleSet
from core.models.chat import answer_text
from core.models.loading import LoadedModel
from core.proposals.base import Arm
from core.sampling.loop import PAD, run_rows
from core.sampling.streams import open_stream
from core.spec import GenerationSpec
from tests.models.tiny_models import tiny_model

# 0 a special token that is no stop; 1 the stop token; then "a", "b", " a", "ab.", and the halves of "ä".
PIECES = ["<pad>", "<stop>", "a", "b", "Ġa", "ab.", "Ã", "¤"]
STOP, STEPS = 1, 4
PROMPT = (2, 3, 4)
DEMANDS = {
    "phrase": Demand(required=("a",)),
    "word that may go on": Demand(required=("ab",)),
    "two in order": Demand(required=("ab", "a")),
    "letter of two bytes": Demand(required=({"regex": "bä"},)),
    "cleared": Demand(required=("a",), forbidden=("ab",)),
    "refusal": Demand(refusals=("a ab", "bä")),
    "nothing harmful": Demand(required=("zebra",)),
}


def byte_tokenizer() -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE({piece: k for k, piece in enumerate(PIECES)}, []))
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<stop>"
    )


def toy() -> LoadedModel:
    loaded = tiny_model(
        vocabulary=len(PIECES), stops=(STOP,), dtype=torch.float64, seed=5, scale=3.0
    )
    return replace(loaded, tokenizer=byte_tokenizer())


def answers() -> NDArray[np.int32]:
    """Every answer, (n, STEPS), PAD after the stop token."""
    done: list[list[int]] = []
    growing: list[list[int]] = [[]]
    for step in range(STEPS):
        longer = [[*answer, token] for answer in growing for token in range(len(PIECES))]
        ended = [a for a in longer if a[-1] == STOP or step + 1 == STEPS]
        done += [a + [PAD] * (STEPS - len(a)) for a in ended]
        growing = [a for a in longer if a[-1] != STOP] if step + 1 < STEPS else []
    return np.array(done, dtype=np.int32)


def probabilities(
    loaded: LoadedModel, generation: GenerationSpec, tokens: NDArray[np.int32]
) -> NDArray[np.float64]:
    """Returns the probability of each answer under the target, (n,)."""
    rows = run_rows(
        open_stream([Arm(loaded, (PROMPT,))], STEPS),
        generation,
        stop_token_ids=(STOP,),
        vocabulary=len(PIECES),
        uniforms=np.zeros(tokens.shape),
        forced=tokens,
    )
    return np.asarray(np.exp(rows.log_p.sum(1)))


def harmful(loaded: LoadedModel, demand: Demand, tokens: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Returns the judge's word on each answer's text, (n,)."""
    judge = RuleJudge(RuleSet(default=demand))
    texts = [answer_text(loaded, [int(t) for t in row if t != PAD]) for row in tokens]
    return np.array([j.score is not None and j.score >= 0.75 for j in judge.judge("q", texts)])
