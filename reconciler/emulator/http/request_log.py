"""The log of every request that was received; tests and benchmarks read it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

AUDIT_PREFIX = "x-goog-healthcare-audit-"


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """One request.

    ``sequence`` counts from 1 and never backwards; ``time`` is in seconds of the monotonic clock.
    ``path`` is raw, with its query. ``headers`` holds Accept, X-Request-Id and the audit headers,
    under lower-case names. ``status`` is what was answered, ``reset`` or ``hang`` where nothing
    was, ``lost`` where the client left before it had asked, and None while it is in the works;
    ``changed`` says whether a store was changed, ``authorized`` whether an Authorization header
    came, whose value is never kept.
    """

    sequence: int
    time: float
    method: str
    path: str
    headers: Mapping[str, str]
    authorized: bool
    status: int | str | None = None
    changed: bool = False


class RequestLog:
    """All requests since the start or the last `clear`, in the order of their arrival."""

    def __init__(self, path: Path | None = None) -> None:
        self._records: list[RequestRecord] = []
        self._first = 1
        self._file = path.open("a", encoding="utf-8") if path is not None else None

    def received(
        self, *, time: float, method: str, path: str, headers: Mapping[str, str]
    ) -> RequestRecord:
        """Note a request that has just come in."""
        record = RequestRecord(
            self._first + len(self._records),
            time,
            method,
            path,
            _headers_that_matter(headers),
            "Authorization" in headers,
        )
        self._records.append(record)
        return record

    def answered(self, record: RequestRecord, *, status: int | str, changed: bool) -> None:
        """Note how a request is answered, before the answer is sent."""
        record = replace(record, status=status, changed=changed)
        place = record.sequence - self._first
        if place >= 0:
            self._records[place] = record
        if self._file is not None:
            self._file.write(json.dumps(asdict(record)) + "\n")
            self._file.flush()

    def lost(self, record: RequestRecord) -> None:
        """Note that the client left: amid its request, of which nothing was done, or its answer."""
        place = record.sequence - self._first
        if place >= 0 and self._records[place].status is None:
            self.answered(record, status="lost", changed=False)

    def since(self, sequence: int = 0) -> list[RequestRecord]:
        """The records after the one with this number."""
        return self._records[max(0, sequence + 1 - self._first) :]

    def clear(self) -> None:
        """Forget all records; the numbers go on."""
        self._first += len(self._records)
        self._records = []

    def close(self) -> None:
        """Close the file, if there is one."""
        if self._file is not None:
            self._file.close()


def _headers_that_matter(headers: Mapping[str, str]) -> dict[str, str]:
    return {
        name.lower(): value
        for name, value in headers.items()
        if name.lower() in {"accept", "x-request-id"} or name.lower().startswith(AUDIT_PREFIX)
    }
