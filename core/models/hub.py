"""The Hugging Face Hub's refusals: what each means, and what to do about it."""

from huggingface_hub.errors import (
    DisabledRepoError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from core.models.findings import Finding


def hub_refusal(name: str, revision: str | None, error: BaseException) -> Finding | None:
    """Returns the Hub's refusal as a finding, also if another error wraps it; None if there is none.

    name, revision: of the model requested.
    """
    link: BaseException | None = error
    while link is not None:
        refusal = _meaning(name, revision, link)
        if refusal is not None:
            code, message, what_to_do = refusal
            return Finding(code, "refused", message, what_to_do)
        link = link.__cause__ or link.__context__
    return None


def in_a_sentence(finding: Finding) -> str:
    """Returns a finding and what to do about it as one sentence."""
    first, rest = finding.what_to_do[:1].lower(), finding.what_to_do[1:].rstrip(".")
    return f"{finding.message.rstrip('.')}; {first}{rest}"


def _meaning(name: str, revision: str | None, error: BaseException) -> tuple[str, str, str] | None:
    # The error of a gated repository is also a "not found" error, so it is checked first.
    if isinstance(error, GatedRepoError):
        return (
            "gated",
            f"{name!r} is gated: its owner grants access, and this machine has none.",
            "Accept the terms on the model's page, then log in with `hf auth login`.",
        )
    if isinstance(error, RevisionNotFoundError):
        return (
            "revision",
            f"{name!r} has no revision {revision!r}.",
            "Name a branch, a tag or a commit that the repository has.",
        )
    if isinstance(error, RepositoryNotFoundError):
        return (
            "not_found",
            f"There is no {name!r} on the Hugging Face Hub, or it is private.",
            "Check the spelling; for a private model, log in with `hf auth login`.",
        )
    if isinstance(error, DisabledRepoError):
        return ("disabled", f"The Hub has disabled {name!r}.", "Use another model.")
    if isinstance(error, HfHubHTTPError) and error.response.status_code in (401, 403):
        return (
            "token",
            f"The Hub does not let this machine's token have {name!r}.",
            "Check HF_TOKEN, or log in anew with `hf auth login`.",
        )
    if isinstance(error, HFValidationError):
        return (
            "not_found",
            f"{name!r} is neither a folder nor a Hugging Face id.",
            "Give an embedded model, a model folder, or a Hugging Face id such as org/name.",
        )
    return None
