"""When an absence counts: the study's own listing must agree.

A gateway may answer 404 for every instance below a path, in words like the API's, while searches
and the store itself still work. So a 404 that no accepted DELETE explains counts only if the
listing of its study does not show the instance. A listing lags behind deletions for seconds: while
it still shows the instance it is read again, for `SEARCH_LAG`, and then the presence is UNKNOWN.

One listing serves every absence of its study.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import chain, repeat

from reconciler.errors import LiveError
from reconciler.live.dicomweb.absence import Word, no_absence, word_of
from reconciler.live.http.answer import Answer
from reconciler.model.address import InstanceAddress
from reconciler.model.live import ABSENT, Observation, OddRow, OddRows

SEARCH_LAG = 10.0
"""Seconds for which a listing may go on showing what is gone: "a few", says the API's
documentation."""

_PAUSES = (0.25, 0.5, 1.0, 2.0)
"""Seconds between two listings of a study; the last one repeats."""

_GOOD_FOR = 60.0
"""Seconds for which a listing serves absences that are seen after it was read."""

_MOST_STUDIES = 128
"""So many listings are held: apply goes from study to study, with a few at a time in hand."""


@dataclass(frozen=True, slots=True)
class _Listing:
    """What a study's listing showed, or what hid it; ``asked`` is in monotonic seconds.

    Of the rows only hashes are held, a quarter of their size. Two that are equal by chance leave an
    absence unconfirmed; they never confirm one. An odd row that may be the instance does the same.
    """

    asked: float
    rows: frozenset[int] = frozenset()
    odd: OddRows = field(default_factory=OddRows)
    problem: str = ""

    def shows(self, instance: InstanceAddress) -> bool:
        """Whether there is a row of it, or one that may be."""
        return hash(instance) in self.rows or self.odd.may_be(*instance)


class _Study:
    """The latest listing of a study; whoever holds the lock may read a new one."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.listing: _Listing | None = None


class Listings:
    """The listings of one store that its absences are compared with; shared by all threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._studies: OrderedDict[str, _Study] = OrderedDict()

    def confirm(
        self,
        instance: InstanceAddress,
        read: Callable[[str], Iterable[InstanceAddress | OddRow]],
        pause: Callable[[float], bool],
        *,
        since: float | None,
    ) -> Observation:
        """ABSENT if the instance's study does not show it, else UNKNOWN.

        ``read`` lists a study; ``pause`` waits so many seconds, and says whether the run stops.
        ``since`` is when the absence had been seen, in monotonic seconds: only what is listed
        after that counts. None is now, and a listing that was read shortly before will do.
        """
        seen = time.monotonic() if since is None else since
        oldest = seen - _GOOD_FOR if since is None else seen
        newest = seen - _PAUSES[0]  # what shows it is read again in any case
        for wait in chain(_PAUSES, repeat(_PAUSES[-1])):
            listing = self._listing(instance, read, unshown=oldest, shown=newest)
            if listing.problem:
                return no_absence(f", but its study cannot be listed: {listing.problem}")
            if not listing.shows(instance):
                return ABSENT
            left = seen + SEARCH_LAG - listing.asked
            newest = listing.asked + min(wait, left)
            if left <= 0 or pause(max(0.0, newest - time.monotonic())):
                break
        return no_absence(", but the listing of its study still shows it")

    def _listing(
        self,
        instance: InstanceAddress,
        read: Callable[[str], Iterable[InstanceAddress | OddRow]],
        *,
        unshown: float,
        shown: float,
    ) -> _Listing:
        """The latest listing, or a new one.

        That one must not be older than ``unshown`` if it does not show the instance, and than
        ``shown`` if it does, or if nothing could be listed.
        """
        study = self._study(instance.study_uid)
        with study.lock:
            latest = study.listing
            if latest is not None:
                decides = not (latest.problem or latest.shows(instance))
                if latest.asked >= (unshown if decides else shown):
                    return latest
            study.listing = _read(instance.study_uid, read)
            return study.listing

    def _study(self, study_uid: str) -> _Study:
        with self._lock:
            study = self._studies.setdefault(study_uid, _Study())
            self._studies.move_to_end(study_uid)
            if len(self._studies) > _MOST_STUDIES:
                self._studies.popitem(last=False)
            return study


def _read(study_uid: str, read: Callable[[str], Iterable[InstanceAddress | OddRow]]) -> _Listing:
    asked = time.monotonic()
    rows: set[int] = set()
    odd = []
    try:
        for row in read(study_uid):
            if isinstance(row, OddRow):
                odd.append(row)
            else:
                rows.add(hash(row))
        return _Listing(asked, frozenset(rows), OddRows(tuple(odd)))
    except LiveError as error:
        return _Listing(asked, problem=str(error))


class Texts:
    """The bare strings with which a store says 404; shared by all threads.

    Such a string is the API's word only if what nobody has gets the same one, and if some instance
    of the study was PRESENT in this run, or `Listings` agree.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._of_nobody: dict[int, bytes | None] = {}
        self._seen: set[str] = set()
        self._tried: set[str] = set()

    def is_nobodys(self, answer: Answer, depth: int, ask: Callable[[], Answer]) -> bool:
        """Whether what nobody has gets the same text; asked for once.

        ``depth`` is of how many UIDs the address is, as that of what ``ask`` asks for.

        Raises:
            LiveError: that could not be asked.
        """
        with self._lock:
            if depth not in self._of_nobody:
                of_nobody = ask()
                self._of_nobody[depth] = of_nobody.body if word_of(of_nobody) is Word.TEXT else None
            return self._of_nobody[depth] == answer.body

    def note_present(self, study_uid: str) -> None:
        """Take note that an instance of the study was PRESENT."""
        self._seen.add(study_uid)

    def has_control(self, study_uid: str) -> bool:
        """Whether an instance of the study was PRESENT in this run."""
        return study_uid in self._seen

    def wants_control(self, study_uid: str) -> bool:
        """Whether an instance of the study is to be looked at before the first is deleted.

        Once for each study, and only where the store is known to speak so.
        """
        if self.has_control(study_uid):
            return False
        with self._lock:
            is_wanted = any(self._of_nobody.values()) and study_uid not in self._tried
            if is_wanted:
                self._tried.add(study_uid)
            return is_wanted
