"""Where a direction is read and what is steered, as the screen names them."""

DIRECTION_WORDS = {"last_prompt": "last token of the question", "answer_mean": "whole answer"}
POSITION_WORDS = {"prompt": "the question", "answer": "the answer", "both": "both"}
