"""What a DICOM file holds, in one reading of any length: as a whole, and its dataset alone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import BinaryIO

from reconciler.dicom.examination import Examination, examine, take_head
from reconciler.dicom.file_head import NotDicomFileError, read_head

_PIECE = 1024 * 1024


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
    taking = _Taking()
    for _ in taking.passed(iter(chunks)):
        pass
    return taking.fingerprint


def read_file(file: BinaryIO) -> tuple[Fingerprint, Examination]:
    """Read an open file once, from its beginning to its end; what it holds, and what it says.

    Raises:
        OSError: it cannot be read.
        NotDicomFileError: it is no DICOM file.
    """
    taking = _Taking()
    file.seek(0)
    examination = examine(taking.passed(iter(lambda: file.read(_PIECE), b"")))
    return taking.fingerprint, examination


class _Taking:
    """Takes the fingerprint of what passes."""

    fingerprint: Fingerprint

    def passed(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """The same bytes; when they are over, there is a fingerprint."""
        whole, dataset, size = hashlib.sha256(), hashlib.sha256(), 0
        head = take_head(chunks)
        try:
            meta = read_head(head)
        except NotDicomFileError:
            meta = None
        skipped = meta.dataset_offset if meta else 0
        for chunk in chain([head], chunks):
            whole.update(chunk)
            size += len(chunk)
            if meta:
                dataset.update(memoryview(chunk)[skipped:])
                skipped = 0
            yield chunk
        self.fingerprint = Fingerprint(
            whole.hexdigest(),
            size,
            meta.transfer_syntax_uid if meta else None,
            dataset.hexdigest() if meta else None,
        )
