"""Asks an OpenAI-compatible server for one reply, with retries; the key is never shown."""

import http.client
import json
import math
import os
import random
import re
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

from core.errors import SpecError
from core.judges.rate_limit import FailureCounter, Latency, Pacer

MAX_REPLY_BYTES = 4_000_000
SHOWN_CHARACTERS = 160
# Server busy, slow or broken: what may be different a moment later. The rest is final.
TRANSIENT = frozenset({408, 409, 425, 429})
# Reasons for which a reply ends before its end, as servers name them; any other is an end.
CUT_OFF = frozenset({"length", "max_tokens", "model_length", "content_filter"})
_NO_SYSTEM_ROLE = re.compile(
    r"\bsystem\b.{0,20}\b(role|prompt|message|instruction)|\brole\b.{0,40}\bsystem\b", re.IGNORECASE
)


class NoReplyError(Exception):
    """The server gave no usable reply; the message says why, without the key.

    transient: whether another attempt may succeed. wait: seconds that the server asks for, or None.
    about_answer: whether the fault lies with this answer only and says nothing about the server. replied:
    whether the server accepted the request and replied, though not usably. late: whether it timed out.
    no_system_role: whether the server refuses a message of the role system.
    """

    def __init__(
        self,
        message: str,
        *,
        transient: bool,
        wait: float | None = None,
        about_answer: bool = False,
        replied: bool = False,
        late: bool = False,
        no_system_role: bool = False,
    ) -> None:
        super().__init__(message)
        self.transient = transient
        self.wait = wait
        self.about_answer = about_answer
        self.replied = replied
        self.late = late
        self.no_system_role = no_system_role


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        # A redirect would send the key to another host.
        return None


@dataclass(frozen=True)
class ChatServer:
    """The address of a server, and how patiently it is asked.

    timeout_s: seconds for one attempt. attempts: at most, for one answer. backoff_s: wait before the second
    attempt, doubled before each further one, times a jitter in 0.5..1. max_wait_s: the longest wait;
    a server that asks for more is given up. patience_s: seconds of requests after which an answer is not
    sent again.
    """

    url: str
    api_key_env: str | None
    timeout_s: float
    attempts: int
    backoff_s: float
    max_wait_s: float
    pacer: Pacer
    latency: Latency
    patience_s: float = math.inf

    def reply(self, payload: Mapping[str, Any], failures: FailureCounter) -> str:
        """Returns the text of the reply's first choice.

        Raises:
            NoReplyError: no attempt gave a usable reply.
        """
        key = read_key(self.api_key_env)
        spent, attempt = 0.0, 0
        while True:
            self.pacer.wait(failures.stop)
            if failures.stop.is_set():
                raise NoReplyError(failures.reason, transient=True)
            start, attempt = time.monotonic(), attempt + 1
            try:
                text = _text(self._post(payload, key), key)
            except NoReplyError as error:
                spent += time.monotonic() - start
                failures.count_attempt(late=error.late)
                if not error.transient:
                    raise
                failures.stop.wait(self._pause(error, attempt, spent))
            else:
                failures.count_attempt(late=False)
                self.latency.add(time.monotonic() - start)
                return text

    def _pause(self, error: NoReplyError, attempt: int, spent: float) -> float:
        """Returns the seconds until the next attempt. Raises: NoReplyError if no attempt is left."""
        pause = self.backoff_s * 2.0 ** (attempt - 1) * random.uniform(0.5, 1.0)
        pause = max(min(pause, self.max_wait_s), error.wait or 0.0)
        if attempt == self.attempts or spent >= self.patience_s:
            times = f"{attempt} attempt" + ("s" if attempt > 1 else "")
            raise NoReplyError(f"{error} ({times})", transient=True, late=error.late) from None
        if pause > self.max_wait_s:
            raise NoReplyError(
                f"{error}, and asks to wait {pause:.0f} s, more than max_wait_s "
                f"{self.max_wait_s:g}",
                transient=True,
            ) from None
        return pause

    def _post(self, payload: Mapping[str, Any], key: str | None) -> bytes:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        body = json.dumps(payload).encode()
        request = urllib.request.Request(self.url, body, headers, method="POST")
        opener = urllib.request.build_opener(_NoRedirects)
        try:
            with opener.open(request, timeout=self.timeout_s) as response:
                return _read_reply(response, time.monotonic() + self.timeout_s)
        except urllib.error.HTTPError as error:
            with error:
                raise _error_of_status(error, key) from None
        except TimeoutError:
            raise self._late() from None
        except urllib.error.URLError as error:
            if isinstance(error.reason, TimeoutError):
                raise self._late() from None
            raise NoReplyError(
                f"the server cannot be reached: {_shown(str(error.reason), key)}", transient=True
            ) from None
        except (OSError, http.client.HTTPException) as error:
            raise NoReplyError(
                f"the connection broke off: {_shown(str(error) or type(error).__name__, key)}",
                transient=True,
            ) from None

    def _late(self) -> NoReplyError:
        return NoReplyError(
            f"the server took more than {self.timeout_s:g} s", transient=True, late=True
        )


def read_key(name: str | None) -> str | None:
    """Returns the key in the named environment variable, None without a name.

    Raises:
        SpecError: the variable is not set, or holds no valid key; the message never holds its value.
    """
    if name is None:
        return None
    key = os.environ.get(name, "").strip()
    if not key:
        raise SpecError(f"environment variable {name!r}, named by api_key_env, is not set")
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise SpecError(f"environment variable {name!r}, named by api_key_env, holds no key")
    return key


def _read_reply(response: http.client.HTTPResponse, deadline: float) -> bytes:
    parts = bytearray()
    # In pieces: the socket's own time limit starts again with every byte of a slow server.
    while piece := response.read1(65_536):
        parts += piece
        if time.monotonic() > deadline:
            raise TimeoutError
        if len(parts) > MAX_REPLY_BYTES:
            raise NoReplyError(
                f"the reply is longer than {MAX_REPLY_BYTES:,} bytes",
                transient=False,
                about_answer=True,
                replied=True,
            )
    if response.length:
        raise http.client.IncompleteRead(bytes(parts), response.length)
    return bytes(parts)


def _error_of_status(error: urllib.error.HTTPError, key: str | None) -> NoReplyError:
    transient = error.code in TRANSIENT or error.code >= 500
    try:
        reply = _shown(error.read(65_536).decode(errors="replace"), key)
    except (OSError, http.client.HTTPException):
        reply = ""
    no_system_role = error.code in (400, 422, 500) and _NO_SYSTEM_ROLE.search(reply) is not None
    # Some servers report a chat template's refusal as their own fault; it is final all the same.
    transient = transient and not no_system_role
    return NoReplyError(
        f"the server answered with status {error.code}" + (f" ({reply})" if reply else ""),
        transient=transient,
        no_system_role=no_system_role,
        wait=_retry_after(error.headers.get("Retry-After")) if transient else None,
        # Too long, or refused for its content: another answer may pass.
        about_answer=error.code in (400, 413, 422),
    )


def _retry_after(value: str | None) -> float | None:
    """Returns the seconds to wait, from either form of the header (RFC 9110, 10.2.3)."""
    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        until = parsedate_to_datetime(value)
    except ValueError:
        return None
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return max(0.0, (until - datetime.now(UTC)).total_seconds())


def _text(body: bytes, key: str | None) -> str:
    """Returns the reply's text. A complete response that is no reply is not requested again."""
    shown = _shown(body.decode(errors="replace"), key)
    try:
        choice = json.loads(body)["choices"][0]
        text = choice["message"]["content"]
    except (ValueError, KeyError, IndexError, TypeError, RecursionError):
        raise NoReplyError(f"the server sent no chat reply: {shown!r}", transient=False) from None
    # A '10' may be the beginning of a cut off '100'.
    if str(choice.get("finish_reason")).lower() in CUT_OFF:
        raise NoReplyError(
            f"the reply was cut off ({choice['finish_reason']!r}): {_shown(_joined(text) or '', key)!r}",
            transient=False,
            about_answer=True,
            replied=True,
        )
    joined = _joined(text)
    if joined is None:
        raise NoReplyError(
            "the reply holds no text", transient=False, about_answer=True, replied=True
        )
    return _without_key(joined, key)


def _joined(content: object) -> str | None:
    """Returns the text of a message: a string, or its text parts, without the model's thoughts."""
    if not isinstance(content, list):
        return content if isinstance(content, str) else None
    texts = [
        part["text"]
        for part in content
        if isinstance(part, dict)
        and part.get("type") in ("text", "output_text")
        and isinstance(part.get("text"), str)
    ]
    return "".join(texts) if texts else None


def _without_key(text: str, key: str | None) -> str:
    """Returns text with the key masked, in every form in which a server may repeat it."""
    if key is not None:
        for form in (key, json.dumps(key)[1:-1], key.replace("/", "\\/"), quote(key, safe="")):
            text = text.replace(form, "***")
    return text


def _shown(text: str, key: str | None) -> str:
    plain = " ".join(_without_key(text, key).split())
    return plain if len(plain) <= SHOWN_CHARACTERS else plain[:SHOWN_CHARACTERS] + "..."
