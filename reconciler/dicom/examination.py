"""Whether a DICOM file is whole, and whose it is, in one reading of any length."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

from reconciler.dicom.byte_stream import DamagedError, inflate
from reconciler.dicom.encoding import DEFLATED, encoding_of
from reconciler.dicom.file_head import HEAD, FileHead, read_head
from reconciler.dicom.walk import ADDRESS, Walk


@dataclass(frozen=True, slots=True)
class Examination:
    """What a dataset says of itself.

    ``address`` has the UIDs of study, series and instance, empty where it does not say one.
    ``damage`` is empty for one that is whole: it says in words why it is not, and quotes nothing.
    A cut exactly between two elements of the top level shows in no length.
    """

    address: tuple[str, str, str]
    damage: str


def examine(pieces: Iterable[bytes]) -> Examination:
    """Read a file to its end, also where it is damaged; memory holds a few pieces of it.

    Raises:
        NotDicomFileError: it is no DICOM file; it is read to its end nevertheless.
    """
    rest = iter(pieces)
    try:
        head = take_head(rest)
        meta = read_head(head)
        return _examine(meta, chain([head[meta.dataset_offset :]], rest))
    finally:
        for _ in rest:
            pass


def take_head(pieces: Iterator[bytes]) -> bytes:
    """The first pieces, joined: `HEAD` bytes or more, unless there are fewer."""
    head = b""
    while len(head) < HEAD and (piece := next(pieces, b"")):
        head += piece
    return head


def _examine(meta: FileHead, dataset: Iterator[bytes]) -> Examination:
    if meta.transfer_syntax_uid in DEFLATED:
        dataset = inflate(dataset)
    walk, damage = Walk(dataset, encoding_of(meta.transfer_syntax_uid)), ""
    try:
        walk.to_end()
    except DamagedError as error:
        damage = str(error)
    study, series, instance = (walk.uids.get(tag, "") for tag in ADDRESS)
    return Examination((study, series, instance), damage)
