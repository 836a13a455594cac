"""The plan file: written once, reviewed, applied once.

Three names stand in it. The ``digest`` covers the stable part and is equal for equal inputs and
answers on any machine; the ``plan_id`` is this one making of it; the ``seal`` covers every byte
before it, so that any edit is seen. Against a forger, who can seal anew, there is
``--expect-digest``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from reconciler.errors import PlanFileError, PlanRefused
from reconciler.json_codec import codec_of
from reconciler.json_stream import JsonError, JsonStream
from reconciler.model.gate import Gate
from reconciler.model.plan import OverdueHold, Plan, SavedPlan
from reconciler.model.plan_summary import PlanSummary
from reconciler.planning.gates import gates_of
from reconciler.planning.never_seen import NeverSeen, never_seen_of, with_never_seen
from reconciler.planning.plan_json import canonical, decode_plan, encode_plan
from reconciler.planning.seal import PLAN, SEAL, SealedBytes
from reconciler.regular_file import open_regular

FORMAT_VERSION = "1.0"
_MAJOR = FORMAT_VERSION.partition(".")[0]
_WRITE = "write one with reconciler plan --out, or in Python with show(plan, format='json')"


def digest_of(plan: Plan) -> str:
    """The name of the stable part: ``sha256:`` and 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for piece in encode_plan(plan):
        digest.update(piece.encode())
    return f"sha256:{digest.hexdigest()}"


def require_unchanged(saved: SavedPlan) -> None:
    """Refuse a plan whose digest is not that of what it plans, however it came here.

    Raises:
        PlanRefused: it was changed since it was made or read.
    """
    if digest_of(saved.plan) != saved.digest:
        raise PlanRefused(
            "the plan was changed: its digest does not match what it plans",
            hint="make the plan again",
        )


def write_plan(saved: SavedPlan) -> Iterator[str]:
    """The text of the plan file, in pieces."""
    seal = hashlib.sha256()
    for piece in _unsealed(saved):
        seal.update(piece.encode())
        yield piece
    yield f'{SEAL}{seal.hexdigest()}"}}\n'


def _unsealed(saved: SavedPlan) -> Iterator[str]:
    members = codec_of(SavedPlan).write(saved, {"format_version": FORMAT_VERSION})
    del members["plan"]
    members |= {
        "summary": codec_of(PlanSummary).write(PlanSummary.of(saved)),
        "gates": [
            codec_of(Gate).write(gate, {"passed": gate.is_passed}) for gate in gates_of(saved)
        ],
        "never_seen": [codec_of(NeverSeen).write(one) for one in never_seen_of(saved.plan)],
        "overdue_holds": [codec_of(OverdueHold).write(one) for one in saved.overdue_holds],
    }
    yield "{\n" + ",\n".join(f"{canonical(key)}:{canonical(members[key])}" for key in members)
    yield PLAN
    for piece in encode_plan(saved.plan):
        yield "\n" + piece if piece.startswith("{") else piece


def read_plan(path: Path, on_progress: Callable[[int, int], None] | None = None) -> SavedPlan:
    """Read a plan file, as a stream, and check that it is as it was written.

    ``on_progress`` is called with how many of its bytes are read, and how many it has.

    Raises:
        PlanFileError: it cannot be read, or is not a plan file.
        PlanRefused: it was edited, or another major version of the format wrote it.
    """
    try:
        with open_regular(path) as file:
            return _read(path, SealedBytes(file, on_progress))
    except OSError as error:
        raise PlanFileError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise PlanFileError(f"{path} is not a plan file: it is not UTF-8 text") from error


def _read(path: Path, sealed: SealedBytes) -> SavedPlan:
    try:
        saved = _decode(path, JsonStream(sealed.chunks()))
    except (*_UNREADABLE, PlanFileError) as error:
        # What was edited is reported as edited, whatever it reads like now.
        sealed.skip()
        if sealed.has_seal:
            _require_seal(path, sealed)
        raise _unreadable(path, error) from error
    _require_seal(path, sealed)
    if saved.digest != f"sha256:{sealed.digest}":
        raise PlanRefused(
            f"{path} was edited: its digest does not match what it plans",
            hint="make the plan again",
        )
    return saved


_UNREADABLE = (AttributeError, KeyError, TypeError, ArithmeticError, ValueError, RecursionError)


def _unreadable(path: Path, error: Exception) -> PlanFileError:
    match error:
        case PlanFileError():
            return error
        case UnicodeDecodeError():
            why = "it is not UTF-8 text"
        case JsonError():
            why = str(error)
        case KeyError():
            why = f"{error} is missing"
        case _:
            return PlanFileError(f"{path} is not a plan file that can be read: {error}")
    return PlanFileError(
        f"{path} is not a plan file: {why}",
        hint=_WRITE,
    )


def _require_seal(path: Path, sealed: SealedBytes) -> None:
    if not sealed.is_whole:
        raise PlanRefused(f"{path} was edited: its seal does not match", hint="make the plan again")


def _decode(path: Path, stream: JsonStream) -> SavedPlan:
    document: dict[str, Any] = {}
    if stream.peek() != "{":
        stream.value()
    else:
        for key in stream.members():
            document[key] = decode_plan(stream) if key == "plan" else stream.value()
            if key == "format_version":
                _check_version(path, document)
    stream.end()
    if "format_version" not in document:
        raise PlanFileError(
            f"{path} is not a plan file: it has no format_version",
            hint=_WRITE,
        )
    saved = codec_of(SavedPlan).read(document)
    never_seen = [codec_of(NeverSeen).read(one) for one in document["never_seen"]]
    return replace(saved, plan=with_never_seen(saved.plan, never_seen))


def _check_version(path: Path, document: Mapping[str, Any]) -> None:
    version = document["format_version"]
    if not isinstance(version, str) or version.partition(".")[0] != _MAJOR:
        raise PlanRefused(
            f"{path} has format_version {version!r}, this version reads {_MAJOR}.x",
            hint="make the plan again with this version",
        )
