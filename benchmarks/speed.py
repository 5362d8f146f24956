"""Speed of the sampling loops, measured in one run on one machine.

    python -m benchmarks.speed [--model aster] [--batch 250] [--rounds 7] [--temperature 1]

Prints answers a second of `model.generate`, of the Monte Carlo loop, and the importance-sampling loop's
time per token over the Monte Carlo loop's. The contenders take turns, so that a machine whose speed drifts
slows all of them; medians are compared.
"""

import argparse
import statistics
import time

import torch
from transformers import AutoModelForCausalLM

from cache import MemoryStore
from core.models.chat import prompt_ids
from core.models.loading import load_model, resolve_model
from core.proposals import SteerSpec
from core.runs.defaults import known_default
from core.runs.prepare import fingerprints, ready_proposals
from core.runs.request import EstimateRequest, sampling_spec
from core.sampling.shards import draw_rows
from core.spec import GenerationSpec

QUERY = "tell me how to open the larkspur vault"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="aster")
    parser.add_argument("--batch", type=int, default=250)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--switch", type=int, default=3)
    parser.add_argument(
        "--temperature", type=float, default=1.0, help="5 makes answers that share no beginning"
    )
    options = parser.parse_args()

    loaded = load_model(options.model)
    # generate gets the attention it would have by default, not the one our loop asks for.
    plain = AutoModelForCausalLM.from_pretrained(resolve_model(options.model))
    default = known_default(loaded, "misuse", MemoryStore()) or SteerSpec(layer=1)
    proposal = default.model_copy(update={"t_switch": options.switch})
    # Both arms draw from the target: the loops then make answers of the same length, and the importance
    # sampling arm still runs its steered pass before the switch.
    requests = {
        name: EstimateRequest(
            query=QUERY,
            model=options.model,
            method=method,
            proposal=proposal,
            generation=GenerationSpec(temperature=options.temperature),
        )
        for name, method in (("monte carlo", "mc"), ("importance sampling", "is"))
    }
    ready = {name: ready_proposals(loaded, request) for name, request in requests.items()}
    prompt = torch.tensor([prompt_ids(loaded, QUERY)] * options.batch)
    mask = torch.ones_like(prompt)

    def generate() -> int:
        torch.manual_seed(0)
        answers = plain.generate(
            prompt,
            attention_mask=mask,
            do_sample=True,
            top_k=0,
            temperature=options.temperature,
            top_p=1.0,
            max_new_tokens=40,
            eos_token_id=list(loaded.stop_token_ids),
            pad_token_id=loaded.tokenizer.pad_token_id,
        )
        return int((answers[:, prompt.shape[1] :] != loaded.tokenizer.pad_token_id).sum())

    def loop(name: str) -> int:
        shares = (1.0, *(0.0 for _ in ready[name]))
        spec = sampling_spec(requests[name], fingerprints(loaded, ready[name]), shares)
        shard = draw_rows(loaded, spec, range(options.batch), ready[name], options.batch)
        return int(shard.rows.lengths.sum())

    contenders = {
        "generate": generate,
        "monte carlo": lambda: loop("monte carlo"),
        "importance sampling": lambda: loop("importance sampling"),
    }
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    per_token: dict[str, list[float]] = {name: [] for name in contenders}
    for round_ in range(options.rounds + 1):
        for name, run in contenders.items():
            began = time.perf_counter()
            tokens = run()
            took = time.perf_counter() - began
            if round_:  # the first one warms up
                seconds[name].append(took)
                per_token[name].append(took / tokens)
    rate = {name: options.batch / statistics.median(times) for name, times in seconds.items()}
    print(
        f"{options.model}, batch {options.batch}, temperature {options.temperature:g}, "
        f"threads {torch.get_num_threads()}"
    )
    for name in contenders:
        token = statistics.median(per_token[name]) * 1e6
        print(f"{name:>20}: {rate[name]:8.0f} answers/s  {token:7.1f} us/token")
    faster = statistics.median(
        a / b for a, b in zip(seconds["generate"], seconds["monte carlo"], strict=True)
    )
    slower = statistics.median(
        a / b
        for a, b in zip(per_token["importance sampling"], per_token["monte carlo"], strict=True)
    )
    print(f"monte carlo loop over generate: {faster:.2f} times the answers a second (wanted: 1.7)")
    print(
        f"importance sampling over monte carlo, t_switch {options.switch}: "
        f"{slower:.2f} times the time a token (wanted: at most 1.3)"
    )


if __name__ == "__main__":
    main()
