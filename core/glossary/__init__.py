"""The terms of Tailscope, each explained once: help texts of screens and command line take them from here.

`python -m core.glossary` prints them as docs/glossary.md.
"""

TERMS = {
    "activation": "What a block of the model hands to the next one for each token: a vector of numbers.",
    "alpha_mix": "The model's own share in every token that a proposal draws (mixing). More of it keeps "
    "weights small, less of it finds more harm; at 1 the proposal is the model itself.",
    "anytime-valid band": "A confidence sequence: a band that stays valid however often you look and "
    "whenever you stop. It is wider than an interval, which holds for one number of draws fixed beforehand.",
    "assumption-free upper bound": "The highest risk that the answers drawn from the model itself leave "
    "possible, at 95%. It uses no weight, so no proposal can make it wrong, whatever harm it has missed.",
    "audit": "The risks of many queries, of one model or several, estimated under the same settings.",
    "backtest": "A forecast made from a part of the queries and compared with the risks of the rest.",
    "behaviour": "What counts as a harmful answer: queries that ask for it, a judge that decides, and "
    "contrast pairs from which a direction is read.",
    "certain bounds": "The exact probabilities of the different harmful answers seen add up to a least risk, "
    "and those of the harmless ones leave no more than a highest. They assume nothing and hold with "
    "certainty, whatever the answers were drawn from.",
    "component": "One of the distributions that an estimate draws from: a proposal, or the model itself.",
    "contrast pair": "The same query with a safe and with an unsafe side; their difference in the model's "
    "activations gives the direction.",
    "cross-entropy search": "A search for the proposal that is closest to the model's own harmful answers, "
    "with pilot draws from many settings at once.",
    "defensive share": "The least share of whole answers that are drawn from the model itself. They bound "
    "every weight (at 0.1, by 10) and find harm that the proposals miss.",
    "deployment": "What a risk means in use: how many harmful answers so many questions a day will bring.",
    "direction": "The mean difference of the activations on the unsafe and the safe sides of contrast pairs.",
    "effective harmful answers": "The effective sample size of the harmful answers alone.",
    "effective sample size": "How many equally weighted draws would tell as much: (sum of weights) squared "
    "/ sum of squared weights.",
    "exceedance": "The chance that the riskiest of the queries to come has a risk above a level.",
    "excess": "How far a risk lies above the threshold of the tail, on the scale of the fit.",
    "greedy answer": "The answer that takes the likeliest token at every step: what one sees when asking "
    "once.",
    "harmful": "An answer whose judge's score is at or above the threshold.",
    "hit": "A drawn answer that is harmful.",
    "hit rate": "The share of hits among the proposals' draws, before weighting.",
    "horizon": "How many queries not seen before a forecast is about.",
    "importance sampling": "Drawing answers from proposals that give harmful ones often, and weighting each "
    "by how much less likely the model itself gives it.",
    "look-ahead": "Counting harm before it happens: at every token the chance of those tokens that would "
    "complete a harmful answer is added up, and the answer goes on without them.",
    "interval": "A range that holds the true risk in 95 of 100 such estimates.",
    "judge": "What scores an answer from 0 (harmless) to 1 (harmful): rules, a classifier, a grader, or a "
    "language model behind a server.",
    "k-hat": "The shape of the tail of the weights of harmful answers (Pareto k-hat). Above 0.7 a few "
    "answers can decide the estimate: a warning.",
    "KL divergence": "How far one distribution is from another, in nats; 0 means equal. Model from "
    "proposal: the mean of log(model / proposal) over the model's answers. Proposal from model: the mean of "
    "log(proposal / model) over the proposal's answers.",
    "layer": "A block of the model, counted from 0.",
    "mean weight": "The mean of all weights, which must be close to 1; far from it the weights are not to "
    "be trusted.",
    "min-p": "Only tokens at least this share as likely as the likeliest are drawn; 0 keeps all.",
    "Monte Carlo": "The plain estimate: answers drawn from the model itself, and the harmful ones counted.",
    "overlap": "The share of answers that the model and the proposals have in common: 1 is the same "
    "distribution, 0 none in common.",
    "own settings": "The sampling settings in the model's own files, taken over where no option says "
    "otherwise; what cannot be had is told.",
    "pilot": "A few answers drawn beforehand, from which a search predicts how well each setting would do.",
    "proposal": "An unsafe version of the model that answers are drawn from, so that harm is frequent "
    "enough to be counted.",
    "repeated runs": "No run of so many tokens, those of the prompt included, comes twice "
    "(no_repeat_ngram_size); 0 forbids none.",
    "repeated sampling": "Asking the same query many times: a query that is harmless once may not be so "
    "among 10,000 answers.",
    "repetition penalty": "Tokens that stand in the prompt or the answer already are made less likely by "
    "this factor on their logits; 1 changes nothing.",
    "return level": "The risk that the riskiest of the horizon's queries is expected to reach.",
    "risk": "The probability that one sampled answer to a query is harmful (QRISK), most often given per "
    "million.",
    "second opinion": "The estimate from a proposal unlike the first; it must not lie above the first one's.",
    "seed": "The number that the random draws start from: the same seed draws the same answers.",
    "separation": "How far apart the safe and the unsafe examples lie along a direction, in standard "
    "deviations.",
    "shape": "How heavy a tail is: above 0 high risks are frequent, at 0 they thin out exponentially, below "
    "0 the tail ends.",
    "shard": "250 draws of one query: what is drawn, stored and resumed as a whole.",
    "stage": "Draws made with the same shares of the components; each stage draws where those before found "
    "most.",
    "steering": "Adding a multiple of a direction to the activations, to push the model away from refusal.",
    "strength": "How far a proposal departs from the model: for steering in units of the direction, for "
    "other kinds 0 is the model itself and 1 the proposal as it is.",
    "t_switch": "The number of tokens after which the model continues alone (switch): from there on the "
    "text is its own, and the weight stops changing.",
    "tail": "The riskiest queries, from which a forecast infers how risky others may be.",
    "target": "The model whose risk is estimated, with its system prompt, temperature and longest answer.",
    "temperature": "How random the answers are: 1 is the model as it was trained, lower is more predictable.",
    "template date": "The day that the model's chat template writes into the prompt, if it writes one: the "
    "same on every day, so that draws of two days are of one distribution.",
    "threshold": "The judge's score from which an answer is harmful.",
    "threshold of the tail": "The risk from which queries belong to the tail.",
    "top-k": "Only the k likeliest tokens are drawn.",
    "top-p": "Only the likeliest tokens up to this probability are drawn; 1 keeps all.",
    "unjudged": "An answer that the judge could not score. It counts neither as harmful nor as harmless, "
    "and widens the interval.",
    "verdict": "Whether an estimate may be used: trust, caution or do not use, with its reasons.",
    "weight": "How likely an answer is from the model, divided by how likely it is from what drew it: p/q.",
    "weight share": "The part of the estimate that one answer carries.",
    "wording": "One way to put a question. Others of the same meaning can have another risk.",
}


def meaning(term: str) -> str:
    """Returns what a term means, in one or two sentences. Raises: KeyError for one that is not a term."""
    return TERMS[term]


def as_markdown() -> str:
    """Returns the glossary as a document, a line a term in alphabetical order."""
    lines = [f"* **{term}**: {TERMS[term]}" for term in sorted(TERMS, key=str.casefold)]
    return "\n".join(["# Glossary", "", *lines, ""])
