"""The objects of the locks in a bucket, and their names: epochs of stores, claims of shards."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from secrets import token_hex
from typing import TypeAlias

from reconciler.errors import BrokenJournal
from reconciler.journal.folder import is_run_name
from reconciler.journal.places.members import HINT, LONGEST
from reconciler.json_codec import codec_of
from reconciler.model.address import StoreAddress
from reconciler.model.lock import Holder

STORES = "stores"
"""The folder of all epochs."""
CLAIMS = "claims"
"""The folder of all claims."""
_STORE = re.compile(rf"{STORES}/([0-9a-f]{{32}})/epochs/")


@dataclass(frozen=True, slots=True)
class Epoch:
    """Who holds a store, in the object of that number."""

    number: int
    """Counts the epochs of the store from 1."""
    store: StoreAddress
    """The store."""
    nonce: str
    """Random, so that whoever created it knows it again."""
    holder: Holder
    """The run, and the process that works on it."""
    since: str
    """Since when, for people."""
    lease: int
    """In milliseconds: so long without a beat, and somebody else may take the store over."""
    manifest: str | None = None
    """The plan in shards whose runs share the store, as members of the epoch."""

    @property
    def folder(self) -> str:
        """Where the epochs of the store are."""
        return folder_of(self.store)

    @property
    def title(self) -> str:
        """What it is an epoch of, for messages."""
        return str(self.store)


@dataclass(frozen=True, slots=True)
class Claim:
    """Who works on a shard, in the object of that number: an epoch of the shard."""

    number: int
    """Counts the claims of the shard from 1."""
    plan_id: str
    """The id of the shard."""
    nonce: str
    """Random."""
    holder: Holder
    """The run, and the process that works on it."""
    since: str
    """Since when, for people."""
    lease: int
    """In milliseconds."""

    @property
    def folder(self) -> str:
        """Where the claims of the shard are."""
        return f"{CLAIMS}/{self.plan_id}"

    @property
    def title(self) -> str:
        """What it is a claim of, for messages."""
        return f"shard {self.plan_id}"

    @property
    def manifest(self) -> None:
        """Nobody shares a shard."""
        return


Held: TypeAlias = Epoch | Claim


@dataclass(frozen=True, slots=True)
class EpochEnd:
    """The end of an epoch or a claim, in the object beside it."""

    holder: Holder
    """Who ended it: the holder, or whoever unlocked the store."""
    nonce: str
    """Random."""


def folder_of(store: StoreAddress) -> str:
    """Where the epochs of a store are."""
    return f"{STORES}/{hash_of(store)}/epochs"


def hash_of(store: StoreAddress) -> str:
    """The folder of a store below ``stores/``."""
    return hashlib.sha256(str(store).encode()).hexdigest()[:32]


def folder_in(name: str) -> str | None:
    """The folder of a store's epochs in which an object has this name."""
    found = _STORE.match(name)
    return found[0].rstrip("/") if found else None


def name_of(held: Held) -> str:
    """The name of its object."""
    return numbered(held.folder, held.number)


def numbered(folder: str, number: int) -> str:
    """The name of an epoch or a claim; they count from 1."""
    return f"{folder}/{number:08}"


def end_of(held: Held) -> str:
    """The name of its end."""
    return f"{name_of(held)}.end"


def written(value: Held | EpochEnd) -> bytes:
    """The object."""
    return json.dumps(codec_of(type(value)).write(value)).encode("ascii") + b"\n"


def read(folder: str, number: int, data: bytes) -> Held:
    """The epoch or the claim of this name.

    Raises:
        BrokenJournal: it is none.
    """
    place = numbered(folder, number)
    kind: type[Held] = Claim if folder.startswith(f"{CLAIMS}/") else Epoch
    try:
        held: Held = codec_of(kind).read(json.loads(data))
    except (ValueError, RecursionError) as error:
        raise BrokenJournal(place, f"it is no epoch: {error}", hint=HINT) from error
    is_own = (held.number, held.folder) == (number, folder)
    if not is_own or not is_run_name(held.holder.run) or not 0 < held.lease <= LONGEST * 1000:
        raise BrokenJournal(place, "it is not the epoch of this name", hint=HINT)
    return held


def beat_name(run: str, number: int) -> str:
    """The name of a beat; they count from 1."""
    return f"beats/{run}/{number:08}"


def new_beat() -> bytes:
    """What a beat holds: something that no other one does."""
    return token_hex(16).encode("ascii")


def segment_name(folder: str, run: str, number: int) -> str:
    """The name of a segment; they count from 0."""
    return f"{folder}/{run}/{number:08}"
