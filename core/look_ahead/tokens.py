"""The judge's automaton over tokens: at each reading, which next tokens settle the answer."""

import codecs
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.look_ahead.automaton import JudgeAutomaton, Reading, Settled
from core.look_ahead.pieces import token_bytes
from core.models.loading import LoadedModel

OPEN, HARMFUL, HARMLESS = 0, 1, 2
REPLACEMENT = "�"
UNKNOWN = -1


@dataclass(frozen=True, eq=False)
class Next:
    """What each next token does at a state. state: (V,) int64, where it leads. settles: (V,) int8, OPEN,
    HARMFUL or HARMLESS, of an answer that may go on; at_last: the same where the token is the last one.
    alert: (V,) bool, whether the answer stays open and would be harmful if it ended with the token."""

    state: NDArray[np.int64]
    settles: NDArray[np.int8]
    at_last: NDArray[np.int8]
    alert: NDArray[np.bool_]


class TokenAutomaton:
    """Follows a judge's word on an answer token by token; states are numbered from 0, the empty answer.

    A state is the judge's reading of all whole characters so far and the bytes of one that is not whole yet.
    What the next tokens do is computed for all of them at once, and kept.
    """

    def __init__(self, loaded: LoadedModel, judge: JudgeAutomaton) -> None:
        self._judge = judge
        self.settles_early = judge.settles_early
        self._stops = np.array(loaded.stop_token_ids, dtype=np.int64)
        self._bytes = token_bytes(loaded)
        self._states: dict[tuple[Reading | Settled, bytes], int] = {}
        self._parts: list[tuple[Reading | Settled, bytes]] = []
        self._next: dict[int, Next] = {}
        self._hopeless: dict[int, bool] = {}
        self._settled: list[int] = []
        self._ends: list[bool] = []
        self._read_pieces()
        self._table: NDArray[np.int64] = np.full(
            (64, max(len(self._letters), 1)), UNKNOWN, dtype=np.int64
        )
        self.number(judge.start, b"")

    def number(self, reading: Reading | Settled, pending: bytes) -> int:
        """Returns the number of a state."""
        part = (reading, b"" if isinstance(reading, str) else pending)
        if part not in self._states:
            self._states[part] = len(self._parts)
            self._parts.append(part)
            settled = {"harmful": HARMFUL, "harmless": HARMLESS}
            self._settled.append(settled[reading] if isinstance(reading, str) else OPEN)
            whole = self._judge.read(reading, REPLACEMENT) if part[1] else reading
            self._ends.append(self._judge.harmful_at_end(whole))
        return self._states[part]

    def next(self, state: int) -> Next:
        """Returns what each next token does at a state."""
        if state not in self._next:
            self._next[state] = self._made(state)
        return self._next[state]

    def after(self, tokens: Sequence[int]) -> int:
        """Returns the state after these tokens, none of which ends the answer."""
        state = 0
        for token in tokens:
            state = int(self.next(state).state[token])
        return state

    def harmful_at_end(self, state: int) -> bool:
        """Returns the judge's word if the answer ends here."""
        return self._ends[state]

    def hopeless(self, states: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Returns at which states an answer stays harmless whatever follows, as far as that is known."""
        different, place = np.unique(states, return_inverse=True)
        for state in different.tolist():
            if state not in self._hopeless:
                self._hopeless[state] = self._judge.hopeless(self._parts[state][0])
        return np.array([self._hopeless[state] for state in different.tolist()], dtype=np.bool_)[
            place
        ]

    def _made(self, state: int) -> Next:
        reading, pending = self._parts[state]
        states = self._all_from(reading, pending)
        ends, settled = np.array(self._ends), np.array(self._settled, dtype=np.int8)
        settles = settled[states]
        at_last = np.where(ends[states], HARMFUL, HARMLESS).astype(np.int8)
        # An answer that stops here is what it is.
        stopped = HARMFUL if self._ends[state] else HARMLESS
        settles[self._stops] = at_last[self._stops] = stopped
        return Next(states, settles, at_last, (settles == OPEN) & ends[states])

    def _all_from(self, reading: Reading | Settled, pending: bytes) -> NDArray[np.int64]:
        """Returns the state after each token, (V,)."""
        start = self._judge.read(reading, REPLACEMENT) if pending else reading
        states = self._after_letters(start)[self._row_of_token]
        for token in self._partial:
            states[token] = self._after_bytes(reading, pending + self._bytes[token])
        if pending:
            # They may make the character whole.
            for token in self._continuing:
                states[token] = self._after_bytes(reading, pending + self._bytes[token])
            states[self._empty] = self.number(reading, pending)
        return states

    def _after_bytes(self, reading: Reading | Settled, data: bytes) -> int:
        text, used = codecs.utf_8_decode(data, "replace", False)
        for character in text:
            reading = self._judge.read(reading, character)
        return self.number(reading, data[used:])

    def _after_letters(self, reading: Reading | Settled) -> NDArray[np.int64]:
        """Returns the state after each of the different whole pieces, (rows,)."""
        reached = np.empty(self._trie_size, dtype=np.int64)
        reached[0] = self.number(reading, b"")
        for nodes, parents, letters in self._levels:
            before = reached[parents]
            self._learn(before, letters)
            reached[nodes] = self._table[before, letters]
        return reached[self._node_of_row]

    def _learn(self, states: NDArray[np.int64], letters: NDArray[np.int64]) -> None:
        """Fills the table of letters at these states."""
        while len(self._table) < len(self._parts):
            self._table = np.concatenate([self._table, np.full_like(self._table, UNKNOWN)])
        unknown = self._table[states, letters] == UNKNOWN
        if not unknown.any():
            return
        for state, letter in np.unique(
            np.stack([states[unknown], letters[unknown]]), axis=1
        ).T.tolist():
            reading = self._judge.read(self._parts[state][0], self._letters[letter])
            led = self.number(reading, b"")
            self._table[state, letter] = led
        while len(self._table) < len(self._parts):
            self._table = np.concatenate([self._table, np.full_like(self._table, UNKNOWN)])

    def _read_pieces(self) -> None:
        """Sorts the tokens: those of whole characters as rows of letters, and those with parts of one."""
        kinds: dict[tuple[object, ...], int] = {}
        self._letters: list[str] = []
        numbers: dict[str, int] = {}

        def letter(character: str) -> int:
            if character not in numbers:
                # Characters that no pattern tells apart are one letter.
                folded = character.casefold()
                kind = (character.isspace(), *(self._judge.kind(each) for each in folded))
                if kind not in kinds:
                    kinds[kind] = len(self._letters)
                    self._letters.append(character)
                numbers[character] = kinds[kind]
            return numbers[character]

        rows: dict[tuple[int, ...], int] = {}
        self._row_of_token = np.zeros(len(self._bytes), dtype=np.int64)
        partial, continuing, empty = [], [], []
        for token, data in enumerate(self._bytes):
            try:
                text = data.decode("utf-8")
            except UnicodeDecodeError:
                partial.append(token)
                text = ""
            if not data:
                empty.append(token)
            elif data[0] & 0xC0 == 0x80:
                continuing.append(token)
            row = tuple(letter(character) for character in text)
            self._row_of_token[token] = rows.setdefault(row, len(rows))
        self._plant(list(rows))
        self._partial, self._continuing = partial, continuing
        self._empty = np.array(empty, dtype=np.int64)

    def _plant(self, rows: Sequence[tuple[int, ...]]) -> None:
        """Makes a tree of the pieces, level by level: pieces that begin alike are read alike."""
        numbers: dict[tuple[int, ...], int] = {(): 0}
        levels: list[list[tuple[int, int, int]]] = []
        for row in rows:
            for end in range(1, len(row) + 1):
                if row[:end] not in numbers:
                    numbers[row[:end]] = len(numbers)
                    if len(levels) < end:
                        levels.append([])
                    levels[end - 1].append(
                        (numbers[row[:end]], numbers[row[: end - 1]], row[end - 1])
                    )
        self._trie_size = len(numbers)
        self._levels = [tuple(np.array(level, dtype=np.int64).T) for level in levels]
        self._node_of_row = np.array([numbers[row] for row in rows], dtype=np.int64)
