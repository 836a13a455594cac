"""The questions that docs/wire.md leaves open, asked of the user's own store.

Each takes a handful of requests. An answer holds nothing but what `anonymous` lets pass, numbers,
and words of this module.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Set
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from reconciler.applying.storing import store_file
from reconciler.drill.own_store.anonymous import said, words
from reconciler.errors import LiveError
from reconciler.live.dicomweb.qido_rows import (
    STUDY_RELATED_INSTANCES,
    STUDY_RELATED_SERIES,
    read_counts,
)
from reconciler.live.http.bodies import parse_json
from reconciler.live.http.faults import AttemptError
from reconciler.live.store import DicomStore
from reconciler.model.address import InstanceAddress
from reconciler.model.live import OddRow

Json = Any

_AS_STORED = 'multipart/related; type="application/dicom"; transfer-syntax=*'
_PAUSES = (0.2, 0.3, 0.5, 1.0, 2.0, 4.0, 7.0, 10.0, 15.0, 20.0)
"""Seconds between the searches that wait for a change to show; a minute together."""

_OK = 200
_NO_CONTENT = 204


@dataclass(frozen=True, slots=True)
class WireFacts:
    """What was found so far; ``names`` (in lower case) must not show, ``wait`` ends if it stops."""

    store: DicomStore
    names: Set[str]
    new_uid: Callable[[], str]
    wait: Callable[[float], bool]
    found: dict[str, Json] = field(default_factory=dict)

    def ask_of_nobody(self) -> None:
        """Ask for what nobody has."""
        nobody = InstanceAddress(self.new_uid(), self.new_uid(), self.new_uid())
        self._note("metadata of a missing instance", f"{nobody}/metadata")
        self._note("retrieve of a missing instance", f"{nobody}", accept=_AS_STORED)
        self._note("metadata of a missing study", f"/studies/{nobody.study_uid}/metadata")
        self._put("search in a missing study", lambda: self._rows(_instances_of(nobody)))

    def ask_of_stored(self, specimens: Mapping[InstanceAddress, Path]) -> None:
        """Ask for the specimens, and for their UIDs at addresses that are not theirs."""
        one, *_ = specimens
        other_series = next(it for it in specimens if it[0] == one[0] and it[1] != one[1])
        other_study = next(it for it in specimens if it[0] != one[0])
        misplaced = {
            "another series of its study": one._replace(series_uid=other_series.series_uid),
            "a missing series": one._replace(series_uid=self.new_uid()),
            "another study": one._replace(study_uid=other_study.study_uid),
        }
        for where, address in misplaced.items():
            self._note(f"metadata of an instance under {where}", f"{address}/metadata")
        self._note("HEAD of metadata", f"{one}/metadata", head=True)
        self._note("HEAD of an instance", f"{one}", accept=_AS_STORED, head=True)
        self._put("ETag", lambda: self._etags(one))
        self._put("size in bytes", lambda: self._sizes(one, specimens[one]))
        self._put("store again", lambda: self._stored_again(specimens[one]))
        self._put("counts", lambda: self._counts(specimens))
        self._ask_for_pages(one, sum(it.study_uid == one.study_uid for it in specimens))

    def ask_of_deleted(self, instance: InstanceAddress) -> None:
        """Ask for an instance that was there."""
        self._note("metadata of a deleted instance", f"{instance}/metadata")

    def time_search(
        self, change: str, instances: Collection[InstanceAddress], *, listed: bool
    ) -> None:
        """Note how many seconds after a change all searches show it; null if not in a minute.

        Raises:
            LiveError: a search could not be read.
        """
        started = time.monotonic()
        fact = f"search lag after {change}, in seconds"
        self.found[fact] = None
        for pause in (0.0, *_PAUSES):
            if self.wait(pause):
                return
            if listed_of(self.store, instances) == (set(instances) if listed else set()):
                self.found[fact] = round(time.monotonic() - started, 1)
                return

    def _note(self, fact: str, path: str, **how: Any) -> None:
        self._put(fact, lambda: said(self.store.ask(path, **how), self.names))

    def _put(self, fact: str, answer: Callable[[], Json]) -> None:
        try:
            self.found[fact] = answer()
        except LiveError as error:
            self.found[fact] = {"unanswered": words(str(error), self.names)}
            if isinstance(error, AttemptError) and error.retry_after is not None:
                self.found[fact]["retryAfter"] = error.retry_after

    def _etags(self, one: InstanceAddress) -> Json:
        return {
            "metadata": self.store.ask(f"{one}/metadata").has_etag,
            "instance": self.store.ask(f"{one}", accept=_AS_STORED).has_etag,
        }

    def _sizes(self, one: InstanceAddress, file: Path) -> Json:
        with self.store.retrieve(one) as body:
            retrieved = sum(len(piece) for piece in body.chunks)
        return {
            "stored": file.stat().st_size,
            "retrieved": retrieved,
            "storage": self.store.storage(one).size_bytes,
        }

    def _stored_again(self, path: Path) -> Json:
        reply = store_file(self.store, path)
        return {"status": reply.status, "taken for": reply.kind.value}

    def _counts(self, specimens: Collection[InstanceAddress]) -> Json:
        """How many instances and series a study has, as they were stored and as it is said."""
        study_uid = next(iter(specimens)).study_uid
        held = Counter(it.series for it in specimens if it.study_uid == study_uid)
        tags = {"instances": STUDY_RELATED_INSTANCES, "series": STUDY_RELATED_SERIES}
        fields = ",".join(tags.values())
        query = f"StudyInstanceUID={study_uid}&includefield={fields}"
        body = self.store.ask("/studies", query).body
        listed = self.store.list_series(study_uid)
        return {
            "stored": {
                "instances": held.total(),
                "series": len(held),
                "instances of series": sorted(held.values()),
            },
            "said": {
                **{what: sum(read_counts(iter([body]), tag)) for what, tag in tags.items()},
                "instances of series": sorted(
                    one.instances or 0 for one in listed if not isinstance(one, OddRow)
                ),
            },
        }

    def _ask_for_pages(self, one: InstanceAddress, held: int) -> None:
        pages = {
            "a page shorter than what is there": (held - 1, 0),
            "the page after it": (held - 1, held - 1),
            "a page as long as what is there": (held, 0),
            "a page beyond it": (held, held),
            "limit 5000": (5_000, 0),
            "limit 5001": (5_001, 0),
            "limit 50001": (50_001, 0),
            "offset 1000001": (1, 1_000_001),
        }
        for page, (limit, offset) in pages.items():
            query = f"limit={limit}&offset={offset}"
            self._put(f"search, {page}", partial(self._rows, _instances_of(one), query))

    def _rows(self, path: str, query: str = "") -> Json:
        """The status, and how many rows; what is in a row is not looked at."""
        answer = self.store.ask(path, query)
        if answer.status not in {_OK, _NO_CONTENT}:
            return said(answer, self.names)
        rows = parse_json(answer.body)
        return {"status": answer.status, "rows": len(rows) if isinstance(rows, list) else 0}


def listed_of(
    store: DicomStore, instances: Collection[InstanceAddress]
) -> frozenset[InstanceAddress]:
    """Those that the searches of their studies show.

    Raises:
        LiveError: a search could not be read.
    """
    studies = {instance.study_uid for instance in instances}
    listed = {row for study_uid in studies for row in store.list_instances(study_uid)}
    return frozenset(one for one in instances if one in listed)


def _instances_of(one: InstanceAddress) -> str:
    return f"/studies/{one.study_uid}/instances"
