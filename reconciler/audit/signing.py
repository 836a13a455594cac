"""A head of the log as an in-toto Statement v1, signed in a DSSE envelope; and back again.

Statement: https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md. Envelope:
https://github.com/secure-systems-lab/dsse/blob/master/envelope.md. Keys are local PEM files.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    load_pem_private_key,
    load_pem_public_key,
)
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import Error as SigningError
from securesystemslib.signer import CryptoSigner, SSlibKey

from reconciler.audit.snapshot import Snapshot
from reconciler.errors import JournalError, SignatureRefused, UsageError
from reconciler.journal.read_only import NothingDone, PlanMade
from reconciler.journal.reader import RunRecords
from reconciler.journal.records import RunStarted
from reconciler.journal.state import RunFile

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "urn:reconciler:journal-head:v1"

_JOURNAL = "journal"
_PLAN = "plan"


@dataclass(frozen=True, slots=True)
class SignedHead:
    """What a statement says: the head with a run, and the digest of its plan if it has one.

    ``time`` is when it was signed, in UTC as it is written.
    """

    run: str
    head: str
    plan: str | None
    time: str | None = None


def head_of(snapshot: Snapshot, file: RunFile) -> SignedHead:
    """The head of the log with which a run was added to it.

    Raises:
        JournalError: its first record cannot be read, or it is in no log.
    """
    log = snapshot.logs[file.folder]
    heads = [one.head for one in log if one.entry.run == file.name]
    first = next(iter(RunRecords(file)), None)
    if first is None or not heads:
        raise JournalError(
            f"the run {file.name} is in no log, so it has no head",
            hint="the next apply to its store adds a run whose process died",
        )
    return SignedHead(
        file.name,
        heads[0],
        first.digest if isinstance(first, RunStarted | PlanMade | NothingDone) else None,
    )


def sign(signed: SignedHead, key: bytes) -> str:
    """The envelope as JSON, signed with an unencrypted private key in PEM.

    Raises:
        UsageError: it is not such a key, or of a kind that cannot sign.
    """
    envelope = Envelope(_statement(signed), PAYLOAD_TYPE, {})
    try:
        envelope.sign(CryptoSigner(load_pem_private_key(key, None)))
    except (SigningError, TypeError, ValueError, UnsupportedAlgorithm) as error:
        raise UsageError(
            "the key is not an unencrypted private key in PEM that can sign",
            hint="make one: openssl genpkey -algorithm ed25519 -out key.pem",
        ) from error
    return json.dumps(envelope.to_dict(), indent=2) + "\n"


def read_signed(text: str, public_key: bytes) -> SignedHead:
    """What an envelope says, once its signature is checked.

    Raises:
        SignatureRefused: the signature is not this key's, or what was signed is no such statement.
        UsageError: the key is not a public key in PEM.
    """
    try:
        key = SSlibKey.from_crypto(load_pem_public_key(public_key))
    except (SigningError, TypeError, ValueError, UnsupportedAlgorithm) as error:
        raise UsageError("the public key is not one in PEM that can check a signature") from error
    try:
        envelope = Envelope.from_dict(json.loads(text))
        envelope.verify([key], 1)
        return _signed_head(envelope.payload_type, json.loads(envelope.payload))
    except SigningError as error:
        raise SignatureRefused("the signature is not that of this key") from error
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise SignatureRefused("what is signed is not the head of a run") from error


def _statement(signed: SignedHead) -> bytes:
    subjects = [{"name": _JOURNAL, "digest": {"sha256": signed.head}}]
    if signed.plan is not None:
        digest = signed.plan.removeprefix("sha256:")
        subjects.append({"name": _PLAN, "digest": {"sha256": digest}})
    statement = {
        "_type": STATEMENT_TYPE,
        "subject": subjects,
        "predicateType": PREDICATE_TYPE,
        "predicate": {"run": signed.run, "time": signed.time},
    }
    return json.dumps(statement, sort_keys=True).encode()


def _signed_head(payload_type: str, statement: object) -> SignedHead:
    match payload_type, statement:
        case "application/vnd.in-toto+json", {
            "_type": "https://in-toto.io/Statement/v1",
            "predicateType": "urn:reconciler:journal-head:v1",
            "subject": [{"name": "journal", "digest": {"sha256": str(head)}}, *others],
            "predicate": {"run": str(run), "time": str() | None as time},
        }:
            return SignedHead(run, head, _plan_digest(others), time)
    raise ValueError("not a statement about a journal")


def _plan_digest(subjects: list[object]) -> str | None:
    match subjects:
        case [{"name": "plan", "digest": {"sha256": str(digest)}}]:
            return f"sha256:{digest}"
    return None
