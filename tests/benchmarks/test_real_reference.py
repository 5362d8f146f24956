"""The gathering of reference risks: what is drawn next, and that a killed run loses nothing."""

from dataclasses import asdict, fields, replace
from pathlib import Path

import pytest
from scipy.stats import binom

from benchmarks.real_reference import (
    BLOCK,
    CHECK_DRAWS,
    CHECKED,
    Block,
    Job,
    agreement,
    drawn,
    generated,
    jobs,
    next_block,
    order,
    read_blocks,
    reference_rows,
    write_rows,
)
from core.behaviours.load import REAL_BEHAVIOURS, load_queries, load_references
from core.models.loading import load_model


def test_forty_jobs_are_asked_and_twelve_of_them_long() -> None:
    every = jobs()
    assert len(every) == len({job.key("f", "float32") for job in every}) == 40
    assert {job.behaviour for job in every[:5]} == set(REAL_BEHAVIOURS)
    wanted: dict[tuple[str, str], int] = {}
    for job, source, draws in order(every):
        wanted[job.key("f", "float32"), source] = draws
    ours = [draws for (_, source), draws in wanted.items() if source == "tailscope"]
    assert sorted(ours) == [10_000] * 28 + [50_000] * 12
    plain = [draws for (_, source), draws in wanted.items() if source == "generate"]
    assert plain == [CHECK_DRAWS] * CHECKED


def test_a_key_changes_with_all_that_counts_depend_on() -> None:
    job = jobs()[0]
    keys = {
        job.key("f", "float32"),
        job.key("g", "float32"),
        job.key("f", "bfloat16"),
        replace(job, temperature=0.9).key("f", "float32"),
        replace(job, max_new_tokens=5).key("f", "float32"),
        replace(job, query=replace(job.query, system="s")).key("f", "float32"),
        replace(job, behaviour="claims").key("f", "float32"),
    }
    assert len(keys) == 7


def test_blocks_go_on_where_a_run_was_killed(tmp_path: Path) -> None:
    path = tmp_path / "counts.csv"
    held = [Block("a", "tailscope", 0, BLOCK, 3, 0), Block("b", "generate", 4, 100, 0, 1)]
    write_rows(path, [one.name for one in fields(Block)], map(asdict, held))
    assert read_blocks(path) == held
    assert next_block("a", "tailscope", held, 1_000) == (1, BLOCK)
    assert next_block("a", "tailscope", held, BLOCK + 30) == (1, 30)
    assert next_block("a", "tailscope", held, BLOCK) == (1, 0)
    # Another source, and another key, begin anew.
    assert next_block("a", "generate", held, 1_000) == (0, BLOCK)
    assert next_block("c", "tailscope", held, 1_000) == (0, BLOCK)


def test_rows_add_up_their_own_blocks_only() -> None:
    every = jobs()
    key = every[0].key("f", "float32")
    held = [
        Block(key, "tailscope", 0, 250, 2, 1),
        Block(key, "tailscope", 1, 250, 4, 0),
        Block(key, "generate", 0, 250, 90, 0),
        Block("of another text", "tailscope", 0, 250, 99, 0),
    ]
    ours, plain = reference_rows(every, held, "f", "smollm2", "float32")
    assert (ours["draws"], ours["harmful"], ours["unjudged"], ours["qrisk"]) == (500, 6, 1, "0.012")
    assert float(str(ours["ci_low"])) < 0.012 < float(str(ours["ci_high"]))
    assert (plain["source"], plain["harmful"]) == ("generate", 90)
    (line,) = agreement([ours, plain])
    assert "6 of 500 against 90 of 250" in line
    assert line.endswith("p = 0.00")


@pytest.mark.study
def test_both_sources_draw_from_the_same_distribution() -> None:
    loaded = load_model("aster")
    known = load_references("aster", "sycophancy")
    often = max(load_queries("sycophancy"), key=lambda query: known[query.query_id].qrisk)
    job = Job("sycophancy", often, 1.0, 40)
    draws = 1_000
    low, high = binom.interval(1 - 1e-6, draws, known[often.query_id].qrisk)
    assert low > 0
    for draw in (drawn, generated):
        harmful, unjudged = draw(loaded, job, 3, draws)
        assert low <= harmful <= high
        assert unjudged == 0
