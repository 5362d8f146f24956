"""How many threads a model gets."""

from collections.abc import Iterator

import pytest
import torch

from core.models.threads import SMALL_PARAMETERS, use_fitting_threads


@pytest.fixture(autouse=True)
def four_cores(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = torch.get_num_threads()
    monkeypatch.setattr("core.models.threads.usable_cores", lambda: 4)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("limit", "threads"),
    [("", 4), ("1", 1), ("3", 3), ("2,1", 2), ("9", 4), ("0", 4), ("many", 4)],
)
def test_a_large_model_gets_the_cores_that_the_user_allows(
    limit: str, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", limit)
    assert use_fitting_threads(SMALL_PARAMETERS) == threads
    assert torch.get_num_threads() == threads
    assert use_fitting_threads(SMALL_PARAMETERS - 1) == 1
