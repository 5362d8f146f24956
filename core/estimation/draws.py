"""The sampled answers as numbers: what every estimator reads, and nothing else."""

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Ahead:
    """What rows that are beginnings of answers are worth.

    log_values: (n,) float64, nats, log of each row's unbiased value of the risk. exact: the part of it that
    is known without them, the same in all. largest: the most that a row can be worth. certain_low,
    certain_high: between which the risk is for certain, whatever the rows say.
    """

    log_values: FloatArray
    exact: float
    largest: float
    certain_low: float = 0.0
    certain_high: float = 1.0


@dataclass(frozen=True, eq=False)
class Draws:
    """One row a sampled answer, in the order of the global row index.

    Parameters
    ----------
    log_p : (n,) float64, nats
        The answer's log-probability under the target, stop token included.
    log_q : (n, J) float64, nats
        Its log density under each of the J components, -inf where a component cannot make it. The target's
        column, if there is one, equals log_p.
    component : (n,) int64
        The component that drew the row.
    component_names : (J,) str
        Their names, in the order of log_q's columns.
    target_component : int, optional
        The column of log_q that is the target, None if no row can be target-drawn.
    harmful : (n,) bool
        False wherever the row is unjudged.
    judged : (n,) bool
        An unjudged answer is missing, never harmless.
    forward_tokens : int, tokens
        What went through the models for the draws; 0 if not known.
    seconds : float, s
        How long drawing took; 0 if not known.
    stage : (n,) int64
        Never falling; rows of a stage share one allocation to the components, chosen from the stages before
        it. Left out, all rows are stage 0.
    stage_allocations : tuple of (J,) int, rows
        One for each stage, by its number, as `log_q` has its columns: of every sum(allocation) rows from the
        stage's first row on, how many each component draws. (1, 9) repeats after 10 rows, a tenth of them the
        first component's. It is settled before the stage's first row. Left out where it is not known; a
        confidence sequence needs it.

    answer : (n,) int64
        The same number for rows of the same tokens. Left out, it is not known which rows are alike.
    least_log_p : (n,) float64, nats
        What log_p is at least, whatever the rounding in it; left out with `answer`.

    Raises
    ------
    ValueError
        Shapes that do not fit together, NaN or +inf in a log density, a row that its own component cannot
        have drawn, a harmful row that nobody judged, or a stage below that of the row before; with the row.
        Allocations that lack a stage or a component.

    Examples
    --------
    Four answers, drawn in turn from the target and from a proposal under which they are twice as likely; the
    last one is harmful.

    >>> import numpy as np
    >>> draws = Draws(
    ...     log_p=np.log([0.2, 0.1, 0.2, 0.1]),
    ...     log_q=np.log([[0.2, 0.4], [0.1, 0.2], [0.2, 0.4], [0.1, 0.2]]),
    ...     component=np.array([0, 1, 0, 1]),
    ...     component_names=("target", "steer"),
    ...     target_component=0,
    ...     harmful=np.array([False, False, False, True]),
    ...     judged=np.array([True, True, True, True]),
    ...     stage_allocations=((1, 1),),
    ... )
    >>> draws.samples, draws.counts.tolist(), draws.from_target.tolist()
    (4, [2, 2], [True, False, True, False])
    """

    log_p: FloatArray
    log_q: FloatArray
    component: IntArray
    component_names: tuple[str, ...]
    target_component: int | None
    harmful: BoolArray
    judged: BoolArray
    forward_tokens: int = 0
    seconds: float = 0.0
    stage: IntArray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    stage_allocations: tuple[tuple[int, ...], ...] = ()
    ahead: Ahead | None = None
    answer: IntArray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    least_log_p: FloatArray = field(default_factory=lambda: np.zeros(0))

    def __post_init__(self) -> None:
        if len(self.stage) == 0:
            object.__setattr__(self, "stage", np.zeros(len(self.log_p), dtype=np.int64))
        for name, kind in _COLUMN_TYPES.items():
            # A copy that nobody can write to: a result must not change under its reader.
            column: npt.NDArray[np.generic] = np.array(getattr(self, name), dtype=kind)
            column.setflags(write=False)
            object.__setattr__(self, name, column)
        object.__setattr__(self, "component_names", tuple(self.component_names))
        allocations = tuple(tuple(int(rows) for rows in each) for each in self.stage_allocations)
        object.__setattr__(self, "stage_allocations", allocations)
        _check_shapes(self)
        _check_rows(self)
        _check_allocations(self)

    @property
    def samples(self) -> int:
        """How many answers were drawn, judged or not."""
        return len(self.log_p)

    @property
    def counts(self) -> IntArray:
        """(J,) int64: how many rows each component drew."""
        return np.bincount(self.component, minlength=len(self.component_names)).astype(np.int64)

    @property
    def from_target(self) -> BoolArray:
        """(n,) bool: which rows the target itself drew."""
        if self.target_component is None:
            return np.zeros(self.samples, dtype=np.bool_)
        return np.asarray(self.component == self.target_component)

    @property
    def knows_answers(self) -> bool:
        """Whether it is known which rows are the same answer."""
        return len(self.answer) == self.samples

    @classmethod
    def of_beginnings(cls, worth: Ahead) -> "Draws":
        """Returns beginnings of answers of which only their worth is known."""
        count = len(worth.log_values)
        return cls(
            log_p=np.zeros(count),
            log_q=np.zeros((count, 1)),
            component=np.zeros(count, dtype=np.int64),
            component_names=("target",),
            target_component=0,
            harmful=worth.log_values > -np.inf,
            judged=np.ones(count, dtype=np.bool_),
            ahead=worth,
        )

    def take(self, rows: BoolArray | IntArray | slice) -> "Draws":
        """Returns the chosen rows; the costs stay those of the whole, as they cannot be divided.

        Raises:
            ValueError: rows out of the order of their stages.
        """
        return Draws(
            log_p=self.log_p[rows],
            log_q=self.log_q[rows],
            component=self.component[rows],
            component_names=self.component_names,
            target_component=self.target_component,
            harmful=self.harmful[rows],
            judged=self.judged[rows],
            forward_tokens=self.forward_tokens,
            seconds=self.seconds,
            stage=self.stage[rows],
            stage_allocations=self.stage_allocations,
            ahead=self.ahead and replace(self.ahead, log_values=self.ahead.log_values[rows]),
            answer=self.answer[rows] if self.knows_answers else self.answer,
            least_log_p=self.least_log_p[rows] if self.knows_answers else self.least_log_p,
        )


_COLUMN_TYPES: dict[str, type] = {
    "log_p": np.float64,
    "log_q": np.float64,
    "component": np.int64,
    "harmful": np.bool_,
    "judged": np.bool_,
    "stage": np.int64,
    "answer": np.int64,
    "least_log_p": np.float64,
}


def _check_shapes(draws: Draws) -> None:
    components = len(draws.component_names)
    if components == 0:
        raise ValueError("component_names must name at least one component, got ()")
    if draws.log_p.ndim != 1:
        raise ValueError(f"log_p must have one dimension, got shape {draws.log_p.shape}")
    n = len(draws.log_p)
    if draws.log_q.shape != (n, components):
        raise ValueError(f"log_q must have shape {(n, components)}, got {draws.log_q.shape}")
    for name in ("component", "harmful", "judged", "stage"):
        shape = getattr(draws, name).shape
        if shape != (n,):
            raise ValueError(f"{name} must have shape {(n,)}, got {shape}")
    for name in ("answer", "least_log_p"):
        shape = getattr(draws, name).shape
        if shape not in ((n,), (0,)) or shape != draws.answer.shape:
            raise ValueError(f"{name} must have shape {(n,)}, or be left out, got {shape}")
    target = draws.target_component
    if target is not None and not 0 <= target < components:
        raise ValueError(f"target_component must be in 0..{components - 1} or None, got {target}")


def _check_rows(draws: Draws) -> None:
    components = len(draws.component_names)
    _refuse(
        (draws.component < 0) | (draws.component >= components),
        f"component must be in 0..{components - 1}",
        draws.component,
    )
    for name, column in [("log_p", draws.log_p)] + [
        (f"log_q of {label!r}", draws.log_q[:, j]) for j, label in enumerate(draws.component_names)
    ]:
        _refuse(np.isnan(column) | (column == np.inf), f"{name} must be a number below inf", column)
    own = draws.log_q[np.arange(len(draws.log_p)), draws.component]
    _refuse(own == -np.inf, "log_q of the component that drew the row must be finite", own)
    if draws.target_component is not None:
        column = draws.log_q[:, draws.target_component]
        _refuse(column != draws.log_p, "the target's log_q must equal log_p", column)
    falls = np.diff(draws.stage, prepend=draws.stage[:1]) < 0
    _refuse(falls, "stage must not be below that of the row before", draws.stage)
    _refuse(draws.harmful & ~draws.judged, "a harmful answer must have been judged", draws.judged)


def _check_allocations(draws: Draws) -> None:
    allocations, components = draws.stage_allocations, len(draws.component_names)
    if not allocations:
        return
    for each in allocations:
        if len(each) != components or min(each) < 0 or sum(each) == 0:
            raise ValueError(
                f"a stage's allocation must be rows of {components} components, got {each}"
            )
    stages = int(draws.stage[-1]) + 1 if draws.samples else 0
    if stages > len(allocations):
        raise ValueError(
            f"stage_allocations must be one for each of {stages} stages, got {len(allocations)}"
        )


def _refuse(bad: BoolArray, rule: str, values: npt.NDArray[np.generic]) -> None:
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise ValueError(f"{rule}, got {values[row].item()} in row {row}")
