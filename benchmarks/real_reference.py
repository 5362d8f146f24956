"""Reference risks of a real chat model by plain Monte Carlo, gathered over as many sittings as it takes.

    python -m benchmarks.real_reference --model smollm2 [--seconds N] [--dtype float32] [--threads 1]
        [--out FOLDER]

Draws the answers of `JOBS`, a block a seed: every job to 100, then to 1,000, 10,000, and the twelve of `LONG`
to 50,000. The first ten are drawn by transformers' own `generate` as well, to 2,000: a check of our loop that
shares nothing with it but tokenizer, weights and judge. After each block the counts are written to
`reference_counts.csv`, atomically; a killed run loses one block, and the next goes on from there.
`reference.csv` is made of the counts: a row a job and source, with Clopper-Pearson intervals of 95% and the
draws so far. Blocks of another text, judge, model or setting are kept apart by their key and not counted.

A risk without a hit is a bound. Both files are of the number type they name: bfloat16 and float32 are two
targets, a few percent apart.
"""

import argparse
import csv
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Literal

import torch
from scipy.stats import fisher_exact

from cache import MemoryStore, spec_hash
from core.behaviours.load import REAL_BEHAVIOURS, load_behaviour
from core.estimation.intervals import clopper_pearson
from core.judges import behaviour_judge
from core.models.loading import LoadedModel, load_model
from core.models.spec import LoadingSpec
from core.queries.query import Query
from core.runs.estimate_query import estimate_query
from core.runs.request import EstimateRequest
from core.settings.atomic import replacing
from core.spec import GenerationSpec
from core.tasks.progress import result_of

OUT = Path(__file__).parents[1] / "sample_data" / "real"
TOKENS = {"agrees": 12, "claims": 16, "insults": 16, "secret": 16, "language": 12}
# At each temperature, the queries by their place in the behaviour's file: from common harm to rare.
PLACES = {0.7: (0, 2, 5, 8, 11), 1.0: (0, 5, 11)}
BLOCK = 250
STAGES = (100, 1_000, 10_000)
LONG_DRAWS, CHECK_DRAWS, CHECKED = 50_000, 2_000, 10
Source = Literal["tailscope", "generate"]


@dataclass(frozen=True)
class Job:
    """What is drawn: a behaviour's query, at a temperature and length."""

    behaviour: str
    query: Query
    temperature: float
    max_new_tokens: int

    @property
    def generation(self) -> GenerationSpec:
        return GenerationSpec(
            temperature=self.temperature,
            max_new_tokens=self.max_new_tokens,
            system_prompt=self.query.system,
        )

    def key(self, fingerprint: str, dtype: str) -> str:
        """Returns a short text that changes with anything the counts depend on."""
        asked = {
            "text": self.query.text,
            "system": self.query.system,
            "temperature": self.temperature,
            "max_new_tokens": self.max_new_tokens,
            "judge": behaviour_judge(self.behaviour).spec(),
            "threshold": load_behaviour(self.behaviour).spec.threshold,
            "model": fingerprint,
            "dtype": dtype,
        }
        return spec_hash(asked)[:12]


@dataclass(frozen=True)
class Block:
    """The counts of one block of draws."""

    key: str
    source: Source
    seed: int
    draws: int
    harmful: int
    unjudged: int


def jobs() -> list[Job]:
    """Returns the jobs, so that the first forty and any part of them are of all behaviours."""
    behaviours = [(name, load_behaviour(name).queries) for name in REAL_BEHAVIOURS]
    return [
        Job(name, queries[place], temperature, TOKENS[name])
        for temperature, places in PLACES.items()
        for place in places
        for name, queries in behaviours
    ]


def order(every: list[Job]) -> Iterator[tuple[Job, Source, int]]:
    """Yields what to draw next, with how many draws there should then be."""
    for stage in STAGES:
        for number, job in enumerate(every):
            yield job, "tailscope", stage
            if number < CHECKED:
                yield job, "generate", min(stage, CHECK_DRAWS)
    for job in every[:12]:
        yield job, "tailscope", LONG_DRAWS


def drawn(loaded: LoadedModel, job: Job, seed: int, draws: int) -> tuple[int, int]:
    """Returns how many answers of a block are harmful, and how many unjudged, by our own loop."""
    request = EstimateRequest.build(
        query=job.query.text,
        model=loaded.name,
        loading=loaded.loading,
        behaviour=job.behaviour,
        method="mc",
        generation=job.generation,
        proposal=None,
        threshold=load_behaviour(job.behaviour).spec.threshold,
        seed=seed,
    )
    found = result_of(estimate_query(request, draws, MemoryStore(), loaded=loaded)).estimate
    return found.hits, found.unjudged


def generated(loaded: LoadedModel, job: Job, seed: int, draws: int) -> tuple[int, int]:
    """Returns the same counts, of answers by transformers' `generate`."""
    system = [] if job.query.system is None else [{"role": "system", "content": job.query.system}]
    asked = loaded.tokenizer.apply_chat_template(
        [*system, {"role": "user", "content": job.query.text}],
        add_generation_prompt=True, return_tensors="pt", return_dict=True,
    )  # fmt: skip
    torch.manual_seed(seed)
    with torch.inference_mode():
        tokens = loaded.model.generate(
            **asked, do_sample=True, temperature=job.temperature, top_k=0, top_p=1.0,
            max_new_tokens=job.max_new_tokens, num_return_sequences=draws,
            eos_token_id=list(loaded.stop_token_ids),
            pad_token_id=loaded.stop_token_ids[0],
        )  # fmt: skip
    answers = loaded.tokenizer.batch_decode(
        tokens[:, asked["input_ids"].shape[1] :], skip_special_tokens=True
    )
    least = load_behaviour(job.behaviour).spec.threshold
    scores = [one.score for one in behaviour_judge(job.behaviour).judge(job.query.text, answers)]
    harmful = sum(score is not None and score >= least for score in scores)
    return harmful, sum(score is None for score in scores)


def read_blocks(path: Path) -> list[Block]:
    """Returns the blocks that are there."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [
            Block(
                row["key"],
                "generate" if row["source"] == "generate" else "tailscope",
                *(int(row[name]) for name in ("seed", "draws", "harmful", "unjudged")),
            )
            for row in csv.DictReader(file)
        ]


def write_rows(path: Path, names: list[str], rows: Iterable[dict[str, object]]) -> None:
    """Writes a CSV in one step: a killed run leaves the file before or the file after."""
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def reference_rows(
    every: list[Job], blocks: list[Block], fingerprint: str, model: str, dtype: str
) -> list[dict[str, object]]:
    """Returns the rows of `reference.csv`: a job and source that has draws."""
    rows: list[dict[str, object]] = []
    for job in every:
        key = job.key(fingerprint, dtype)
        for source in ("tailscope", "generate"):
            mine = [one for one in blocks if (one.key, one.source) == (key, source)]
            draws = sum(one.draws for one in mine)
            harmful = sum(one.harmful for one in mine)
            if draws == 0:
                continue
            interval = clopper_pearson(harmful, draws, 0.95)
            rows.append(
                {
                    "model": model,
                    "behaviour": job.behaviour,
                    "query_id": job.query.query_id,
                    "query": job.query.text,
                    "system": job.query.system or "",
                    "temperature": job.temperature,
                    "max_new_tokens": job.max_new_tokens,
                    "dtype": dtype,
                    "source": source,
                    "draws": draws,
                    "harmful": harmful,
                    "unjudged": sum(one.unjudged for one in mine),
                    "qrisk": f"{harmful / draws:.6g}",
                    "ci_low": f"{interval.low:.6g}",
                    "ci_high": f"{interval.high:.6g}",
                    "key": key,
                }
            )
    return rows


def agreement(rows: list[dict[str, object]]) -> list[str]:
    """Returns a line a job that both sources have drawn, with Fisher's exact p of their counts."""
    lines, by_key = [], {(row["key"], row["source"]): row for row in rows}
    for (key, source), row in by_key.items():
        other = by_key.get((key, "generate"))
        if source != "tailscope" or other is None:
            continue
        counts = [[int(str(one["harmful"])), int(str(one["draws"]))] for one in (row, other)]
        p = float(fisher_exact([[hits, draws - hits] for hits, draws in counts]).pvalue)
        shown = " against ".join(f"{hits:,} of {draws:,}" for hits, draws in counts)
        lines.append(f"{row['behaviour']} {row['query_id']}: {shown}, p = {p:.2f}")
    return lines


def next_block(key: str, source: Source, blocks: list[Block], wanted: int) -> tuple[int, int]:
    """Returns the seed of the next block and its draws, 0 where there are enough."""
    mine = [one for one in blocks if (one.key, one.source) == (key, source)]
    left = wanted - sum(one.draws for one in mine)
    return max((one.seed for one in mine), default=-1) + 1, max(min(BLOCK, left), 0)


def run(model: str, dtype: str, threads: int, seconds: float, out: Path) -> None:
    """Draws until the time is over, and writes both files after every block."""
    began = time.monotonic()
    loaded = load_model(model, LoadingSpec.build(dtype=dtype))
    # Loading has taken every core; beside other work, threads of low priority wait for each other.
    torch.set_num_threads(threads)
    name, every = Path(model).name, jobs()
    keys = {job: job.key(loaded.fingerprint, dtype) for job in every}
    blocks = read_blocks(out / "reference_counts.csv")
    draw = {"tailscope": drawn, "generate": generated}
    for job, source, wanted in order(every):
        while True:
            seed, draws = next_block(keys[job], source, blocks, wanted)
            if draws == 0:
                break
            if time.monotonic() - began > seconds:
                break
            started = time.monotonic()
            harmful, unjudged = draw[source](loaded, job, seed, draws)
            blocks.append(Block(keys[job], source, seed, draws, harmful, unjudged))
            columns = [one.name for one in fields(Block)]
            write_rows(out / "reference_counts.csv", columns, map(asdict, blocks))
            rows = reference_rows(every, blocks, loaded.fingerprint, name, dtype)
            write_rows(out / "reference.csv", list(rows[0]), rows)
            took = time.monotonic() - started
            print(
                f"{job.behaviour} {job.query.query_id} at {job.temperature:g}, {source}: "
                f"{harmful} of {draws} in {took:.0f} s",
                flush=True,
            )
    rows = reference_rows(every, blocks, loaded.fingerprint, name, dtype)
    print(*agreement(rows), sep="\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    run(given.model, given.dtype, given.threads, given.seconds, given.out)
