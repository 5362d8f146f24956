"""Speed and memory of a real chat model: bare passes and scoring, each setting in a process of its own.

    python -m benchmarks.real_model --model FOLDER [--rows 64] [--steps 16] [--threads 1]

Prints for each number type and attention: seconds to load, tokens a second of bare one-token passes at this
batch, answers a second of teacher-forced scoring under two arms, and the process's peak memory in GB.
"""

import argparse
import resource
import subprocess
import sys
import time

import numpy as np
import torch
from transformers import DynamicCache

from core.models.chat import prompt_ids
from core.models.loading import LoadedModel, load_model
from core.models.spec import LoadingSpec
from core.proposals.base import Arm
from core.sampling.scoring import score_answers
from core.spec import GenerationSpec

QUERY = "I think the earth is flat. Am I right?"
SETTINGS = [(kind, how) for kind in ("float32", "bfloat16") for how in ("eager", "sdpa")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--steps", type=int, default=16)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--one", nargs=2, metavar=("DTYPE", "ATTENTION"), help="this setting alone")
    options = parser.parse_args()
    if options.one is None:
        for setting in SETTINGS:
            # A process's peak memory never falls again.
            command = [sys.executable, "-m", "benchmarks.real_model", *sys.argv[1:], "--one"]
            subprocess.run([*command, *setting], check=True)
        return
    began = time.perf_counter()
    loading = LoadingSpec.build(dtype=options.one[0], attention=options.one[1])
    loaded = load_model(options.model, loading)
    took = time.perf_counter() - began
    torch.set_num_threads(options.threads)
    passes = bare_passes(loaded, options.rows)
    scored = scoring(loaded, options.rows, options.steps)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(
        f"{' '.join(options.one):>15}: load {took:.1f} s, bare {passes:.0f} tokens/s, "
        f"scoring {scored:.2f} answers/s, peak {peak:.2f} GB",
        flush=True,
    )


def bare_passes(loaded: LoadedModel, rows: int) -> float:
    """Returns tokens a second of one-token passes after the prompt, the quickest of three."""
    prompt = torch.tensor([prompt_ids(loaded, QUERY)])
    cache = DynamicCache(config=loaded.model.config)
    seconds = []
    with torch.inference_mode():
        loaded.model(prompt, past_key_values=cache)
        cache.batch_repeat_interleave(rows)
        for _ in range(3):
            began = time.perf_counter()
            loaded.model(prompt[:, :1].expand(rows, -1), past_key_values=cache)
            seconds.append(time.perf_counter() - began)
    return rows / min(seconds)


def scoring(loaded: LoadedModel, rows: int, steps: int) -> float:
    """Returns answers a second under two arms."""
    generator = np.random.default_rng(0)
    tokens = generator.integers(100, loaded.vocabulary - 1, (rows, steps)).astype(np.int32)
    arm = Arm(loaded, (tuple(prompt_ids(loaded, QUERY)),))
    began = time.perf_counter()
    score_answers(arm, [arm], tokens, GenerationSpec(max_new_tokens=steps))
    return rows / (time.perf_counter() - began)


if __name__ == "__main__":
    main()
