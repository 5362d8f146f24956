"""A cancel acts within a step: the loop over tokens looks for it."""

import numpy as np
import pytest

from core.proposals import target_arm
from core.sampling.loop import run_rows
from core.sampling.streams import open_stream
from core.spec import GenerationSpec
from core.tasks import Cancellation, CancelledError, cancelled_by
from tests.models.tiny_models import tiny_model


def test_drawing_ends_before_the_next_token() -> None:
    loaded, generation = tiny_model(), GenerationSpec(max_new_tokens=4)
    cancellation = Cancellation()
    cancellation.request()
    with cancelled_by(cancellation), pytest.raises(CancelledError):
        run_rows(
            open_stream([target_arm(loaded, ["w5 w6"], generation)], 4),
            generation,
            stop_token_ids=loaded.stop_token_ids,
            vocabulary=loaded.vocabulary,
            uniforms=np.full((2, 4), 0.5),
            mixings=[],
        )
