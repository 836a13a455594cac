"""One access token for all threads, fetched when it is needed and by one thread only."""

from __future__ import annotations

import queue
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from google.auth.credentials import TokenState

from reconciler.errors import CredentialsError
from reconciler.live.http.faults import Fault, NoAnswerError
from reconciler.live.http.token_refusal import advice, may_pass, refusal
from reconciler.live.http.token_session import TokenSession

_HEADER_VALUE = re.compile(r"(?:Bearer )?[\x21-\x7e]+")
"""A token, or the project that is billed: nothing that would end or split a header."""


@dataclass(frozen=True, slots=True)
class TokenSource:
    """What access tokens are made of: google-auth's ``credentials`` and ``request``.

    ``session`` is that of the request. ``longest`` is in seconds, for all that one token takes;
    ``hint`` says what to look at where these credentials give none.
    """

    credentials: Any
    request: Any
    session: TokenSession
    longest: float
    hint: str

    def headers(self) -> dict[str, str]:
        """The headers with the token that is there.

        Raises:
            CredentialsError: it is none that a header can carry.
        """
        headers: dict[str, str] = {}
        try:
            # Not before_request: that would refresh without a lock, and ask other hosts for more.
            self.credentials.apply(headers)
            is_usable = all(_HEADER_VALUE.fullmatch(value) for value in headers.values())
        except Exception:  # noqa: BLE001 - the token may be of any JSON type, and is in the message
            is_usable = False
        if not is_usable:
            raise refusal(None, self.session.last, self.hint)
        return headers

    def fetch(self) -> None:
        """Fetch a token; it raises whatever google-auth makes of what it meets.

        Raises:
            CredentialsError: what came is no token, or expired when it came.
        """
        self.session.last = None
        self.credentials.refresh(self.request)
        self.headers()
        if self.credentials.token_state is TokenState.INVALID:
            raise CredentialsError(
                "the access token had expired when it came",
                hint="look at the clock of this machine and at that of the token service",
            )


class SharedToken:
    """The credentials of a run.

    google-auth does not lock a refresh: 64 threads that start together would fetch 64 tokens.
    """

    may_renew = True

    def __init__(self, source: TokenSource) -> None:
        self._source = source
        self._lock = threading.Lock()
        self._rejected: str | None = None
        self._failure: CredentialsError | None = None
        self._unanswered: tuple[float, str | None] | None = None
        """When the token service last gave no answer, in monotonic seconds, and the hint."""

    @property
    def principal(self) -> str | None:
        """The service account's e-mail address, or the user's; nothing is asked for it.

        A machine's own account has the name ``default`` until its first token is fetched.
        """
        for name in ("service_account_email", "account"):
            value = getattr(self._source.credentials, name, None)
            if isinstance(value, str) and value not in {"", "default"}:
                return value
        return None

    def headers(self) -> Mapping[str, str]:
        """The headers that say who asks, with a token that is good by its date.

        Raises:
            CredentialsError: the credentials give no token.
            NoAnswerError: the token service gave no answer; another attempt may do better.
        """
        if self._failure is not None:
            # The other threads must not repeat a question that has been answered with no.
            raise self._failure
        if self._needs_refresh(self._source):
            self._refresh(self._source)
        return self._source.headers()

    def reject(self, sent: Mapping[str, str]) -> None:
        """Take note that the service answered 401 to these headers.

        The next caller fetches another token, unless someone has done so since they were sent.
        """
        self._rejected = sent.get("authorization")

    def _needs_refresh(self, source: TokenSource) -> bool:
        if source.credentials.token_state is not TokenState.FRESH:  # good for some minutes more
            return True
        return self._rejected is not None and self._rejected == source.headers()["authorization"]

    def _refresh(self, source: TokenSource) -> None:
        asked = time.monotonic()
        with self._lock:
            if self._failure is not None:
                raise self._failure
            if not self._needs_refresh(source):
                return
            if self._unanswered is not None and self._unanswered[0] >= asked:
                # That answer is of all who waited for it: one after the other would wait again.
                raise NoAnswerError(Fault.NO_TOKEN, hint=self._unanswered[1])
            error = _outcome(source.fetch, within=source.longest)
            if error is None:
                self._rejected = None
                return
            # Not as its cause: the texts of google-auth quote replies, tokens among them.
            last = source.session.last
            if last is not None and may_pass(error, last):
                self._unanswered = (time.monotonic(), advice(last))
                raise NoAnswerError(Fault.NO_TOKEN, hint=advice(last))
            self._failure = refusal(error, last, source.hint)
            raise self._failure


def _outcome(work: Callable[[], None], *, within: float) -> BaseException | None:
    """What ``work`` raises; a `CredentialsError` if it is not done within so many seconds.

    It runs in a thread that nobody waits for afterwards: no time limit of a socket holds for a file
    that is a pipe, or for an executable.
    """
    outcome: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - cryptography panics with no Exception
            outcome.put(error)
        else:
            outcome.put(None)

    threading.Thread(target=run, name="token", daemon=True).start()
    try:
        return outcome.get(timeout=within)
    except queue.Empty:
        return CredentialsError(
            f"no access token came within {within:g} s",
            hint="look at the token service, and at the file, URL or executable that the"
            " credentials file names",
        )
