"""The index of the record: what later runs ask of a run that is over, without reading it again.

The index of a run is made from its record alone, as lines of JSON: the first record but for its
secret, the last one if it says how the run ended, and a line of type ``index``. Instances are not
named there: each is a *key*, 64 bits of a hash. What has no key there, the run did not touch; of
what has one, the record has the last word. The indexes of many runs make one object; see
`index_objects`.
"""

from __future__ import annotations

import hashlib
import sys
from array import array
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field, replace
from functools import cached_property
from io import BytesIO

from reconciler.journal.codec import from_json
from reconciler.journal.fold import Attempt, Event, Fold, Proof, Read, Records, RestoreDone, Untried
from reconciler.journal.records import RestoreStarted, RunEnded, RunStarted, Settled
from reconciler.journal.segments import fields_of, json_line, line_of
from reconciler.json_codec import codec_of
from reconciler.model.address import InstanceAddress, SeriesAddress
from reconciler.model.as_json import as_json
from reconciler.model.service import Store

_TYPE = {"type": "index"}
_KEY_BYTES = 8
_NO_SECRET = "0" * 64
"""In place of that of the run, which stands in its record alone."""


def key_of(store: Store, *uids: str) -> int:
    """The key of a study, a series or an instance of a store: 64 bits of a SHA-256."""
    text = "\n".join((store.service, str(store.address), *uids))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:_KEY_BYTES], "big")


def _keys_in(text: str) -> array[int]:
    data = b64decode(text, validate=True)
    if len(data) % _KEY_BYTES:
        raise ValueError("a key is cut off")
    return _swapped(array("Q", data))


def _text_of(keys: Iterable[int]) -> str:
    return b64encode(_swapped(array("Q", sorted(keys))).tobytes()).decode("ascii")


def _swapped(keys: array[int]) -> array[int]:
    """With the most significant byte first, as they are written, or back again."""
    if sys.byteorder == "little":
        keys.byteswap()
    return keys


def _checked(text: str) -> str:
    _keys_in(text)
    return text


def _all_checked(texts: Mapping[str, str]) -> Mapping[str, str]:
    return {run: _checked(text) for run, text in texts.items()}


_KEYS = as_json(check=_checked)


@dataclass(frozen=True, slots=True)
class IndexLine:
    """The line of type ``index``; keys are sorted, eight bytes each, in base64."""

    run: str
    """The run."""
    size: int
    """How many records it has."""
    root: str
    """The root of the tree over them."""
    gone: str = field(metadata=_KEYS)
    """The instances that it proved to be gone."""
    restored: str = field(metadata=_KEYS)
    """Those that it put back."""
    other: str = field(metadata=_KEYS)
    """The other instances that it was to delete or to put back."""
    open: str = field(metadata=_KEYS)
    """Of the others, those with an attempt that its own record leaves open."""
    parents: str = field(metadata=_KEYS)
    """The studies and series of all of them."""
    settled: Mapping[str, str] = field(metadata=as_json(check=_all_checked))
    """The instances of which it closed the attempt of another run, by that run."""
    met_operation: bool
    """Whether a DELETE was answered with a long-running operation."""
    has_begun: bool
    """Whether it recorded more than what it was to do."""
    only: tuple[str, ...]
    """The SOP Instance UIDs that a restore was asked to put back, where it is not all of them."""


@dataclass(frozen=True)
class RunIndex:
    """What the index says of one run; ``ended`` is None of one that did not end by itself.

    Instances, series and studies are keys; see `key_of`.
    """

    started: RunStarted | RestoreStarted
    ended: RunEnded | None
    line: IndexLine

    @property
    def plan_id(self) -> str | None:
        """The plan that it applied; None of a restore."""
        return self.started.plan_id if isinstance(self.started, RunStarted) else None

    @cached_property
    def gone(self) -> frozenset[int]:
        """As `IndexLine.gone`."""
        return frozenset(_keys_in(self.line.gone))

    @cached_property
    def restored(self) -> frozenset[int]:
        """As `IndexLine.restored`."""
        return frozenset(_keys_in(self.line.restored))

    @cached_property
    def other(self) -> frozenset[int]:
        """As `IndexLine.other`."""
        return frozenset(_keys_in(self.line.other))

    @cached_property
    def open(self) -> frozenset[int]:
        """As `IndexLine.open`."""
        return frozenset(_keys_in(self.line.open))

    @cached_property
    def parents(self) -> frozenset[int]:
        """As `IndexLine.parents`."""
        return frozenset(_keys_in(self.line.parents))

    @cached_property
    def all_settled(self) -> frozenset[int]:
        """What it settled for other runs."""
        return frozenset().union(*map(self.settled, self.line.settled))

    def settled(self, run: str) -> frozenset[int]:
        """What it settled for another run."""
        return frozenset(_keys_in(self.line.settled.get(run, "")))

    def parents_among(self, keys: Set[int]) -> Set[int]:
        """Those of these studies and series that it names; no set of it is made for that."""
        return frozenset(keys).intersection(_keys_in(self.line.parents))

    def names_any(self, instances: Set[int]) -> bool:
        """Whether it names one of the instances; the sets of it are not made for that."""
        texts = (self.line.gone, self.line.restored, self.line.other)
        return not all(instances.isdisjoint(_keys_in(text)) for text in texts)


class Mentions:
    """Collects what the fold says of one run."""

    def __init__(self) -> None:
        self._gone: set[int] = set()
        self._restored: set[int] = set()
        self._parents: set[int] = set()
        self._other: set[int] = set()
        self._open: set[int] = set()
        self._settled: dict[str, set[int]] = {}
        self._latest: tuple[Store, SeriesAddress] | None = None

    def add(self, event: Event) -> None:
        """Take an event of the run."""
        match event:
            case Proof(store=store, record=record):
                key = self._key(store, record.instance)
                (self._gone if record.outcome.is_gone else self._other).add(key)
                if isinstance(record, Settled):
                    self._settled.setdefault(record.run, set()).add(key)
            case RestoreDone(store=store, record=record):
                key = self._key(store, record.instance)
                (self._restored if record.outcome.is_restored else self._other).add(key)
            case Untried(store=store, instance=instance):
                self._other.add(self._key(store, instance))

    def leave_open(self, attempt: Attempt) -> None:
        """Take an attempt that the record of the run leaves open."""
        key = self._key(attempt.store, attempt.instance)
        self._open.add(key)
        self._other.add(key)

    def index(self, read: Read, size: int = 0, root: str = "") -> RunIndex:
        """The index of the run; size and root of its record are known of one that is over."""
        line = IndexLine(
            read.run.name,
            size,
            root,
            _text_of(self._gone),
            _text_of(self._restored),
            _text_of(self._other - self._gone - self._restored),
            _text_of(self._open),
            _text_of(self._parents),
            {run: _text_of(keys) for run, keys in sorted(self._settled.items())},
            read.met_operation,
            read.has_begun,
            read.only,
        )
        return RunIndex(replace(read.run.started, secret=_NO_SECRET), read.ended, line)

    def _key(self, store: Store, instance: InstanceAddress) -> int:
        series = instance.series
        if self._latest != (store, series):  # those of a series stand close together
            self._parents.add(key_of(store, instance.study_uid))
            self._parents.add(key_of(store, *series))
            self._latest = store, series
        return key_of(store, *instance)


def mentions_of(records: Records) -> tuple[Read, Mentions] | None:
    """Read a run to its end, for its index; None for what is no apply and no restore.

    Raises:
        JournalError: as `Fold.add`.
    """
    fold, mentions = Fold([records.file.name]), Mentions()
    read: Read | None = None
    for event in fold.add(records):
        mentions.add(event)
        read = event if isinstance(event, Read) else None
    for attempt in fold.open_attempts():
        mentions.leave_open(attempt)
    return None if read is None else (read, mentions)


def write_index(index: RunIndex) -> bytes:
    """The lines of a run; what says the same has the same bytes."""
    ended = [] if index.ended is None else [line_of(index.ended)]
    own = json_line(codec_of(IndexLine).write(index.line, _TYPE))
    return b"".join([line_of(index.started), *ended, own])


def read_index(data: bytes) -> Iterator[RunIndex]:
    """The runs of an object of the index, in their order there.

    Raises:
        ValueError: it is no such object.
    """
    lines = BytesIO(data)
    for raw in lines:
        started, ended, fields = from_json(_fields_of(raw)), None, _fields_of(next(lines, b""))
        if fields.get("type") != _TYPE["type"]:
            ended, fields = from_json(fields), _fields_of(next(lines, b""))
        line = codec_of(IndexLine).read(fields)
        if not isinstance(started, RunStarted | RestoreStarted) or started.run != line.run:
            raise ValueError("the first record of the run is missing")
        if ended is not None and not isinstance(ended, RunEnded):
            raise ValueError("the last record of the run is none")
        yield RunIndex(started, ended, line)


def _fields_of(line: bytes) -> Mapping[str, object]:
    fields = fields_of(line)
    if fields is None:
        raise ValueError("it is cut off")
    return fields
