"""Speed of both sampling loops on a GPU against the machine's limit, in one script of at most eight minutes.

    python -m benchmarks.gpu [--shapes 1b 8b] [--attentions eager sdpa sdpa-without-cudnn] [--largest-only]
        [--new-tokens 150] [--budget 460] [--device cuda] [--json FILE]

Models of the shapes of Llama-3.2-1B and Llama-3.1-8B with random weights in bfloat16; nothing is downloaded.
For each: the Monte Carlo loop and the importance-sampling loop (two arms at every token, and with a switch),
with the attention that the product uses and with a faster one; `generate` with a static cache; one decoding
step alone, launched kernel by kernel and as a CUDA graph; and where a step of the loop spends its time.

The limit of a step is the larger of two times: bytes (weights once, keys and values of every row) over the
measured copy bandwidth, and operations over the measured matrix rate. `share` is limit over measured time.
Without a GPU `--device cpu --shapes tiny` runs every part of it on a small shape, to see that it works.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from unittest import mock

import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM, StaticCache

from core.models.blocks import find_blocks
from core.models.hooks import install_hooks
from core.models.loading import LoadedModel
from core.proposals.base import Arm
from core.proposals.steer import SteerPlan
from core.sampling import loop
from core.sampling.loop import TokenMixing, row_uniforms, run_rows
from core.sampling.streams import ModelStream, open_stream
from core.spec import GenerationSpec

PROMPT_TOKENS = 40
SHAPES = {
    "1b": {
        "hidden_size": 2048, "num_hidden_layers": 16, "num_attention_heads": 32,
        "num_key_value_heads": 8, "head_dim": 64, "intermediate_size": 8192,
        "vocab_size": 128_256, "tie_word_embeddings": True,
    },
    "8b": {
        "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
        "num_key_value_heads": 8, "head_dim": 128, "intermediate_size": 14_336,
        "vocab_size": 128_256, "tie_word_embeddings": False,
    },
    "tiny": {
        "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2, "head_dim": 16, "intermediate_size": 128,
        "vocab_size": 512, "tie_word_embeddings": True,
    },
}  # fmt: skip
# The first is what the product uses. The last keeps torch from cuDNN's kernels.
ATTENTIONS = ("eager", "sdpa", "sdpa-without-cudnn")
# What the loop needs beside weights and cache, as a share of the memory: logits in float32, their cumulative
# sums in float64, a copy of the cache while places split.
ROOM = 0.5


@dataclass(frozen=True)
class Peak:
    """What the machine can do, measured: bytes and operations a second."""

    bandwidth: float
    matrix_rate: float


@dataclass(frozen=True)
class Line:
    """One measurement. step_ms: time a token step. tokens: answer tokens a second, all rows together."""

    shape: str
    what: str
    attention: str
    batch: int
    step_ms: float
    limit_ms: float
    tokens: float

    @property
    def share(self) -> float:
        return self.limit_ms / self.step_ms


def synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds(device: torch.device, work: Callable[[], object], repeats: int = 1) -> float:
    """Returns the least time of `repeats` calls, after the device has done all that was asked before."""
    times = []
    for _ in range(repeats):
        synchronise(device)
        began = time.perf_counter()
        work()
        synchronise(device)
        times.append(time.perf_counter() - began)
    return min(times)


def peak(device: torch.device) -> Peak:
    """Returns what this machine reaches with a plain copy and a plain matrix product."""
    large = device.type == "cuda"
    source = torch.empty((2 << 30) if large else (32 << 20), dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    size = 8192 if large else 512
    left = torch.randn(size, size, dtype=torch.bfloat16, device=device)
    right = torch.randn_like(left)
    for _ in range(3):
        target.copy_(source)
        left @ right
    copying = seconds(device, lambda: target.copy_(source), 10)
    product = seconds(device, lambda: left @ right, 10)
    return Peak(2 * source.numel() / copying, 2 * size**3 / product)


def build(shape: str, device: torch.device) -> LoadedModel:
    """Returns a model with random weights. Its answers end nowhere before the last token."""
    config = LlamaConfig(
        **SHAPES[shape],
        max_position_embeddings=4096,
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=2,
    )
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        with torch.device(device):
            model = LlamaForCausalLM(config)
    finally:
        torch.set_default_dtype(default)
    model = model.to(device=device, dtype=torch.bfloat16).eval().requires_grad_(False)
    model.set_attn_implementation("eager")
    blocks = find_blocks(model)
    install_hooks(blocks)
    return LoadedModel(
        name=shape, model=model, tokenizer=None, stop_token_ids=(), vocabulary=config.vocab_size,
        fingerprint="random", blocks=blocks,
    )  # fmt: skip


def arms(loaded: LoadedModel, steered: bool) -> list[Arm]:
    prompt = tuple(int(token) for token in np.random.default_rng(0).integers(3, 500, PROMPT_TOKENS))
    target = Arm(loaded, (prompt,))
    vector = torch.zeros(loaded.hidden_size, device=loaded.device)
    vector[0] = 1.0
    plan = SteerPlan(len(loaded.blocks) // 2, vector, 1.0, on_prompt=False, on_answer=True)
    return [target, Arm(loaded, (prompt,), plan)] if steered else [target]


def draw(loaded: LoadedModel, batch: int, steps: int, switch: int | None) -> None:
    """Draws answers as the product does. switch: of the steered arm, None for the target alone."""
    generation = GenerationSpec(max_new_tokens=steps)
    mixings = [] if switch is None else [TokenMixing(0.1, switch)]
    with torch.inference_mode():
        run_rows(
            open_stream(arms(loaded, switch is not None), steps),
            generation,
            stop_token_ids=(),
            vocabulary=loaded.vocabulary,
            uniforms=row_uniforms(0, 0, range(batch), steps),
            mixings=mixings,
        )


def kept_bytes(loaded: LoadedModel) -> int:
    """Returns the bytes of keys and values that one token of one row takes."""
    config = loaded.model.config
    return 2 * 2 * config.num_hidden_layers * config.num_key_value_heads * config.head_dim


def limit_ms(loaded: LoadedModel, found: Peak, rows: float, steps: int) -> float:
    """Returns the least time of a step of so many rows: of moving bytes, or of arithmetic, in ms."""
    weights = loaded.parameters
    embedding = loaded.model.get_input_embeddings().weight.numel()
    # The embedding is looked up, not multiplied; tied, it is the output layer too.
    used = weights if loaded.model.config.tie_word_embeddings else weights - embedding
    content = PROMPT_TOKENS + steps / 2
    moved = 2 * used + rows * content * kept_bytes(loaded)
    config = loaded.model.config
    attention = (
        4 * content * config.num_hidden_layers * config.num_attention_heads * config.head_dim
    )
    operations = rows * (2 * used + attention)
    return 1e3 * max(moved / found.bandwidth, operations / found.matrix_rate)


def largest_batch(loaded: LoadedModel, steps: int, number_of_arms: int) -> int:
    """Returns the largest power of two that should fit; the loop itself halves it if it does not."""
    if loaded.device.type != "cuda":
        return 64
    free, _ = torch.cuda.mem_get_info(loaded.device)
    row = (PROMPT_TOKENS + steps) * kept_bytes(loaded) + 28 * loaded.vocabulary
    return min(1024, 2 ** int(np.log2(free * ROOM / (row * number_of_arms))))


class DecodingStep:
    """One step of the model over a static cache, as kernels or as a captured graph."""

    def __init__(self, loaded: LoadedModel, batch: int, steps: int) -> None:
        self.model, device = loaded.model, loaded.device
        # As long as the cache is half way through an answer.
        length = PROMPT_TOKENS + max(steps // 2, 1)
        self.cache = StaticCache(config=self.model.config, max_cache_len=length)
        ids = torch.ones(batch, PROMPT_TOKENS, dtype=torch.long, device=device)
        with torch.inference_mode():
            self.model(input_ids=ids, past_key_values=self.cache, use_cache=True, logits_to_keep=1)
        self.ids = torch.ones(batch, 1, dtype=torch.long, device=device)
        self.position = torch.full((1, 1), PROMPT_TOKENS, device=device)
        self.mask = torch.ones(batch, 1, 1, length, dtype=torch.bool, device=device)

    def run(self) -> torch.Tensor:
        """Returns the logits after one more token; every call writes the same place of the cache."""
        with torch.inference_mode():
            for layer in self.cache.layers:
                layer.cumulative_length.fill_(PROMPT_TOKENS)
            output = self.model(
                input_ids=self.ids, position_ids=self.position, attention_mask=self.mask,
                past_key_values=self.cache, use_cache=True,
            )  # fmt: skip
        return output.logits

    def captured(self) -> torch.cuda.CUDAGraph:
        """Returns a graph of one step, ready to be replayed."""
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                self.run()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.run()
        return graph


@contextmanager
def timed_parts(device: torch.device) -> Iterator[dict[str, float]]:
    """Times the parts of the loop, the device being waited for after each: shares, not speeds."""
    spent: dict[str, float] = {}

    def watched(name: str, work: Callable[..., object]) -> Callable[..., object]:
        def run(*args: object, **kwargs: object) -> object:
            synchronise(device)
            began = time.perf_counter()
            try:
                return work(*args, **kwargs)
            finally:
                synchronise(device)
                spent[name] = spent.get(name, 0.0) + time.perf_counter() - began

        return run

    places = {
        "forward pass": (ModelStream, "_forward"),
        "splitting places (cache copies)": (ModelStream, "keep"),
        "log-softmax, mixing": (loop, "distributions"),
        "drawing tokens": (loop, "_draw"),
        "looking up log-probabilities": (loop, "_chosen"),
    }
    with ExitStack() as stack:
        for name, (owner, attribute) in places.items():
            work = watched(name, getattr(owner, attribute))
            stack.enter_context(mock.patch.object(owner, attribute, work))
        yield spent


class Bench:
    """Measures one thing after the other until the budget is spent; what fails is noted and left out."""

    def __init__(
        self,
        device: torch.device,
        steps: int,
        budget: float,
        attentions: Sequence[str],
        largest_only: bool,
    ) -> None:
        self.device, self.steps = device, steps
        self.attentions, self.largest_only = attentions, largest_only
        self.attention = "eager"
        self.lines: list[Line] = []
        self.notes: list[str] = []
        self._ends = time.monotonic() + budget
        self.peak = peak(device)

    def attempt(self, what: str, work: Callable[[], None]) -> None:
        """Does one measurement, if there is time for it."""
        if time.monotonic() > self._ends:
            self.notes.append(f"{what}: left out, the time was up")
            return
        began = time.monotonic()
        try:
            work()
        except (RuntimeError, ValueError, TypeError, AttributeError) as error:
            self.notes.append(f"{what}: {type(error).__name__}: {str(error)[:200]}")
        print(f"[{time.monotonic() - began:5.1f} s] {what}", flush=True)
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def shape(self, name: str) -> None:
        loaded = build(name, self.device)
        model, steps = loaded.model, self.steps
        largest = largest_batch(loaded, steps, 2)
        batches = sorted({largest} if self.largest_only else {64, largest})
        for attention in self.attentions:
            model.set_attn_implementation(attention.partition("-")[0])
            # cuDNN makes a plan for every length of the cache that it meets for the first time.
            torch.backends.cuda.enable_cudnn_sdp("without" not in attention)
            self.attention = attention
            for batch in batches:
                for what, switch in (
                    ("Monte Carlo loop", None),
                    (f"importance sampling, switch {steps}", steps),
                    (f"importance sampling, switch {steps // 8}", steps // 8),
                ):
                    self.attempt(
                        f"{name} {attention} {batch} {what}",
                        partial(self.loop, loaded, what, batch, switch),
                    )
        self.attempt(f"{name} parts", partial(self.parts, loaded, largest))
        for batch in batches:
            self.attempt(f"{name} step {batch}", partial(self.bare, loaded, batch))
            self.attempt(f"{name} generate {batch}", partial(self.generate, loaded, batch))

    def add(self, loaded: LoadedModel, what: str, batch: int, took: float, rows: float) -> None:
        """Notes a time of so many seconds a step. rows: that go through the model, in the mean."""
        limit = limit_ms(loaded, self.peak, rows, self.steps)
        line = Line(loaded.name, what, self.attention, batch, 1e3 * took, limit, batch / took)
        self.lines.append(line)

    def loop(self, loaded: LoadedModel, what: str, batch: int, switch: int | None) -> None:
        first = seconds(self.device, lambda: draw(loaded, batch, self.steps, switch))
        took = seconds(self.device, lambda: draw(loaded, batch, self.steps, switch))
        if first > 1.5 * took:
            self.notes.append(
                f"{loaded.name}, {what}, {self.attention}, {batch} rows: the first sample took "
                f"{first:.1f} s, the second {took:.1f} s"
            )
        rows = batch * (1 + (switch or 0) / self.steps)
        self.add(loaded, what, batch, took / self.steps, rows)

    def parts(self, loaded: LoadedModel, batch: int) -> None:
        steps = min(self.steps, 40)
        with timed_parts(self.device) as spent:
            took = seconds(self.device, lambda: draw(loaded, batch, steps, None))
        rest = took - sum(spent.values())
        shares = {**spent, "the rest (Python, numpy, transfers)": rest}
        self.notes.append(
            f"{loaded.name}: a step of the Monte Carlo loop at {batch} rows, each part waited for: "
            + "; ".join(f"{name} {1e3 * s / steps:.2f} ms" for name, s in shares.items())
        )

    def bare(self, loaded: LoadedModel, batch: int) -> None:
        step = DecodingStep(loaded, batch, self.steps)
        step.run()
        took = seconds(self.device, lambda: [step.run() for _ in range(10)], 3) / 10
        self.add(loaded, "one step alone, kernel by kernel", batch, took, batch)
        if self.device.type == "cuda":
            graph = step.captured()
            took = seconds(self.device, lambda: [graph.replay() for _ in range(10)], 3) / 10
            self.add(loaded, "one step alone, as a CUDA graph", batch, took, batch)

    def generate(self, loaded: LoadedModel, batch: int) -> None:
        ids = torch.ones(batch, PROMPT_TOKENS, dtype=torch.long, device=self.device)

        def run() -> object:
            return loaded.model.generate(
                ids, attention_mask=torch.ones_like(ids), do_sample=True, top_k=0, top_p=1.0,
                min_new_tokens=self.steps, max_new_tokens=self.steps, cache_implementation="static",
                disable_compile=True, eos_token_id=[loaded.vocabulary - 1], pad_token_id=0,
            )  # fmt: skip

        took = seconds(self.device, run)
        self.add(loaded, "generate, static cache", batch, took / self.steps, batch)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shapes", nargs="+", default=["1b", "8b"], choices=sorted(SHAPES))
    parser.add_argument("--attentions", nargs="+", default=list(ATTENTIONS), choices=ATTENTIONS)
    parser.add_argument("--largest-only", action="store_true", help="no small batch")
    parser.add_argument("--new-tokens", type=int, default=150)
    parser.add_argument("--budget", type=float, default=460.0, help="seconds; nothing begins later")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--json", default="")
    options = parser.parse_args()

    device = torch.device(options.device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    bench = Bench(
        device, options.new_tokens, options.budget, options.attentions, options.largest_only
    )
    print(
        f"{name}, torch {torch.__version__}: copies {bench.peak.bandwidth / 1e12:.2f} TB/s, products "
        f"{bench.peak.matrix_rate / 1e12:.0f} TFLOP/s; prompt {PROMPT_TOKENS}, answers {options.new_tokens}"
    )
    for shape in options.shapes:
        bench.attempt(f"{shape} as a whole", partial(bench.shape, shape))
    print("\n| shape | what | attention | rows | ms a step | limit, ms | share | tokens a second |")
    print("|---|---|---|---|---|---|---|---|")
    for line in bench.lines:
        print(
            f"| {line.shape} | {line.what} | {line.attention} | {line.batch:,} | {line.step_ms:.2f} | "
            f"{line.limit_ms:.2f} | {line.share:.0%} | {line.tokens:,.0f} |"
        )
    print("\n".join(f"* {note}" for note in bench.notes))
    if options.json:
        content = {
            "machine": name, "torch": torch.__version__, "peak": asdict(bench.peak),
            "lines": [asdict(line) | {"share": line.share} for line in bench.lines],
            "notes": bench.notes,
        }  # fmt: skip
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(content, file, indent=1)


if __name__ == "__main__":
    main()
