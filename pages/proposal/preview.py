"""Answers of model and proposal side by side, with the few figures that say whether it works."""

import math

import streamlit as st

from core.proposals import KINDS
from core.proposals.kind import KindWords
from core.runs.preview import Preview, PreviewAnswer
from core.runs.reach import ANSWERS, Reach
from core.runs.request import EstimateRequest
from pages.shared import resources
from pages.shared.answers import Line, answer_list, judged_by
from pages.shared.paid_judges import UnaskedJudge

SHOWN_ANSWERS = 6
SHOWN_HARMFUL = 3
# Below these the estimate's own verdict complains; the preview warns before the draws are paid for.
LOW_OVERLAP = 0.05
HIGH_KL = 4.0
Z95 = 1.96


def preview_view(asked: EstimateRequest) -> None:
    """Draws the preview of a request. Raises: TailscopeError if it does not fit the model."""
    seen = resources.previewed(asked.model_dump_json())
    words = KINDS["steer" if asked.proposal is None else asked.proposal.kind].words
    _figures(seen)
    judge = resources.free_judge(asked)
    if isinstance(judge, UnaskedJudge):
        st.info("Not judged: the judge sends requests, and none was sent.", icon=":material/info:")
    else:
        _advice(seen, words)
        judged_by(judge, asked)
    base, steered = st.columns(2, gap="large")
    with base:
        st.subheader("The model itself", anchor=False)
        answer_list(_lines(seen.target_answers), judge, asked.query)
    with steered:
        st.subheader(words.answers, anchor=False)
        answer_list(_lines(seen.steered_answers), judge, asked.query)
    drawn = f"{seen.rows} answers of each, drawn in {seen.seconds:.1f} s."
    if seen.relative_strength is not None:
        drawn += f" The push is {seen.relative_strength:.2f} times as long as the model's own activations."
    st.caption(drawn)


def _lines(answers: tuple[PreviewAnswer, ...]) -> list[Line]:
    """Returns the most frequent answers, harmful ones first, and the others in one line."""
    harmful = [answer for answer in answers if answer.harmful][:SHOWN_HARMFUL]
    harmless = [answer for answer in answers if not answer.harmful]
    shown = harmful + harmless[: SHOWN_ANSWERS - len(harmful)]
    lines = [Line(answer.text, _harmful(answer), answer.count) for answer in shown]
    rest = [answer for answer in answers if answer not in shown]
    if rest:
        draws = sum(answer.count for answer in rest)
        bad = sum(answer.count for answer in rest if answer.harmful)
        words = f"{len(rest)} other answers" + (f", {bad} of these draws harmful" if bad else "")
        lines.append(Line(words, False, draws))
    return lines


def _harmful(answer: PreviewAnswer) -> bool | None:
    return None if math.isnan(answer.score) else answer.harmful


def _figures(seen: Preview) -> None:
    one, two, three, four, five = st.columns(5)
    one.metric(
        "Hits: model",
        f"{round(seen.target_hit_rate * seen.rows)} of {seen.rows}",
        border=True,
        help="Harmful answers among a few of the model itself.",
    )
    two.metric(
        "Hits: proposal",
        f"{round(seen.steered_hit_rate * seen.rows)} of {seen.rows}",
        border=True,
        help="Harmful answers among the proposal's. It is no risk: the weights turn it into one.",
    )
    three.metric(
        "KL(p‖q)",
        f"{max(seen.kl_target_proposal, 0.0):.2f}",
        border=True,
        help="KL divergence of the model p from the proposal q, in nats: how surprised the proposal "
        "is by the model's own answers. "
        "The draws needed grow like its exponential; above 4 they are many.",
    )
    four.metric(
        "KL(q‖p)",
        f"{max(seen.kl_proposal_target, 0.0):.2f}",
        border=True,
        help="KL divergence of the proposal q from the model p, in nats: how surprised the model "
        "is by the proposal's answers.",
    )
    five.metric(
        "Useful share",
        f"{seen.ess_share:.0%}",
        border=True,
        help="Effective sample size over draws: the part of the proposal's draws that still counts "
        "once each is weighed by how likely the model itself makes it.",
    )


def _advice(seen: Preview, words: KindWords) -> None:
    """One sentence in plain words on what these settings do; always one, so that nothing jumps."""
    if seen.kl_target_proposal > HIGH_KL or seen.overlap < LOW_OVERLAP:
        st.warning(
            f"{words.too_far}: the proposal hardly ever says what the model itself says, so "
            "harm may hide where it no longer looks. Lower the strength, mix in more of the "
            "model, or let it act on fewer tokens.",
            icon=":material/warning:",
        )
    elif all(_harmful(answer) is None for answer in seen.target_answers):
        st.warning(
            "The judge cannot score answers to this question, so no risk can be estimated for it.",
            icon=":material/warning:",
        )
    else:
        _reach_view(seen.reach)


def _reach_view(found: Reach) -> None:
    hits = f"{found.hits} harmful {'answer' if found.hits == 1 else 'answers'}"
    match found.judgement:
        case "no hits":
            st.info(
                "No answer here was harmful, so nothing is known of what these draws can carry. Raise the "
                "strength, or let it act on more tokens.",
                icon=":material/info:",
            )
        case "not the model's":
            st.warning(
                "The model itself hardly ever gives these harmful answers (typically "
                f"{found.typical_weight:.0e} times as often as the proposal): they carry next to nothing "
                "of its risk. Lower the strength, or mix in more of the model.",
                icon=":material/warning:",
            )
        case "few hits":
            st.info(
                f"{hits}, worth {found.effective_hits:.1f} of equal weight: too few to say what such draws "
                "can carry. The search below asks far more answers.",
                icon=":material/info:",
            )
        case "no better":
            st.warning(
                f"No better than Monte Carlo: {ANSWERS:,} answers would give about "
                f"±{_percent(found.error)} (95%), and Monte Carlo at equal cost "
                f"±{_percent(found.monte_carlo_error)}.",
                icon=":material/warning:",
            )
        case "better":
            st.success(
                f"{ANSWERS:,} answers would give about ±{_percent(found.error)} (95%), and Monte Carlo at "
                f"equal cost ±{_percent(found.monte_carlo_error)}: rough figures, from {hits}.",
                icon=":material/check_circle:",
            )


def _percent(error: float) -> str:
    """Returns the half-width of a 95% interval, in percent; far beyond all use, no figure."""
    wide = Z95 * error
    return f"{wide:.0%}" if wide < 10 else "1,000% or more"
