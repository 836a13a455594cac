"""The head of a run as an in-toto Statement v1, signed in a DSSE envelope; and back again.

Statement: https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md. Envelope:
https://github.com/secure-systems-lab/dsse/blob/master/envelope.md. Keys are local PEM files.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    load_pem_private_key,
    load_pem_public_key,
)
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import Error as SigningError
from securesystemslib.signer import CryptoSigner, SSlibKey

from reconciler.errors import JournalError, SignatureRefused, UsageError
from reconciler.journal.reader import RunRecords

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "urn:reconciler:journal-head:v1"

_JOURNAL = "journal"
_PLAN = "plan"


@dataclass(frozen=True, slots=True)
class SignedHead:
    """What a statement says: the head of a run, and the digest of its plan if it has one.

    ``time`` is when it was signed, in UTC as it is written.
    """

    run: str
    head: str
    plan: str | None
    time: str | None = None


def head_of(links: RunRecords) -> SignedHead:
    """Read a whole run, and so prove its chain up to the head.

    Raises:
        JournalError: it is broken, cannot be read, or never started.
    """
    first: Mapping[str, object] | None = None
    for link in links.links():
        first = link.fields if first is None else first
    if first is None or links.head is None:
        raise JournalError(f"the run {links.path.stem} never started, so it has no head")
    digest = first.get("digest")
    return SignedHead(links.path.stem, links.head, digest if isinstance(digest, str) else None)


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
