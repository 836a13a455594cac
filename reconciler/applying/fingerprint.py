"""What a DICOM file holds, in one reading of any length: as a whole, and its dataset alone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from reconciler.dicom_file import HEAD, NotDicomFileError, read_head


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """``dataset_sha256`` covers every byte after the File Meta Information, ``size`` is in bytes.

    What is no DICOM file has neither transfer syntax nor dataset.
    """

    sha256: str
    size: int
    transfer_syntax_uid: str | None
    dataset_sha256: str | None

    def has_same_dataset(self, other: Fingerprint) -> bool:
        """Whether only preamble and File Meta Information may differ (PS3.10 section 7.1)."""
        if self.dataset_sha256 is None:
            return False
        mine = (self.transfer_syntax_uid, self.dataset_sha256)
        return mine == (other.transfer_syntax_uid, other.dataset_sha256)


def take_fingerprint(chunks: Iterable[bytes]) -> Fingerprint:
    """Read the file to its end, a piece at a time; raises what the reading raises."""
    whole, size, rest = hashlib.sha256(), 0, iter(chunks)
    head = bytearray()
    while len(head) < HEAD and (chunk := next(rest, b"")):
        head += chunk
    whole.update(head)
    size = len(head)
    try:
        meta = read_head(bytes(head))
    except NotDicomFileError:
        meta = None
    dataset = hashlib.sha256(head[meta.dataset_offset :] if meta else b"")
    del head
    for chunk in rest:
        whole.update(chunk)
        size += len(chunk)
        if meta:
            dataset.update(chunk)
    return Fingerprint(
        whole.hexdigest(),
        size,
        meta.transfer_syntax_uid if meta else None,
        dataset.hexdigest() if meta else None,
    )
