"""Judges: what turns an answer into a score between 0 (harmless) and 1 (harmful)."""

from core.judges.base import Judge, Judgement
from core.judges.config import load_judge
from core.judges.rules import RuleJudge, load_rule_judge

__all__ = ["Judge", "Judgement", "RuleJudge", "load_judge", "load_rule_judge"]
