"""What a provider has to write for its DICOM store: this protocol, and nothing else."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Set
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from reconciler.live.http.answer import Answer
from reconciler.live.http.bodies import DICOM_JSON
from reconciler.live.http.labels import AuditLabels
from reconciler.model.address import InstanceAddress, SeriesAddress, StoreAddress
from reconciler.model.live import (
    FileMeta,
    Observation,
    OddRow,
    OnSeries,
    References,
    SeriesListing,
    SeriesRow,
    StorageInfo,
    StudyRow,
)
from reconciler.model.patient import Attributes, PatientKey
from reconciler.model.reply import Reply
from reconciler.model.thumbnail import Thumbnail


@dataclass(frozen=True, slots=True)
class Body:
    """An instance as it is stored, while it arrives.

    ``content_type`` is the header's text; ``length`` the bytes announced, if any. ``chunks`` can
    be read once; it raises `LiveError` when the body ends early.
    """

    content_type: str
    length: int | None
    chunks: Iterator[bytes]


class ReadableStore(Protocol):
    """What planning needs. Every method may be called from several threads at once.

    The abstract methods, also those of `DicomStore`, are what no two providers do alike.
    """

    address: StoreAddress

    @abstractmethod
    def preflight(self, *, deleting: bool, storing: bool = False) -> None:
        """Make sure that the store answers and that the caller may read (and delete, and store).

        Raises:
            PreflightError: it does not, or the caller may not.
            CredentialsError: there are no credentials that the service accepts.
        """

    def probe(self, instance: InstanceAddress) -> Observation:
        """Look for an instance with a retrieve that never downloads pixel data.

        PRESENT only if the answer names this instance, ABSENT only on a 404 in the store's own
        words, which counts once it is `confirmed`; what is unclear after the retries is UNKNOWN.
        Never raises for what a server does.
        """

    @abstractmethod
    def confirmed(
        self,
        instance: InstanceAddress,
        seen: Observation,
        *,
        explained: bool = False,
        since: float | None = None,
    ) -> Observation:
        """The same observation; UNKNOWN for an absence that nothing else confirms.

        ``explained`` says that a DELETE of the instance was accepted. ``since`` is when the
        absence had been seen, in monotonic seconds: only what the store says after that confirms
        it. None is now, and what it said shortly before will do. It may wait, for as long as a
        listing may lag behind deletions.
        """

    def probe_study_or_series(self, study_uid: str, series_uid: str | None) -> Observation:
        """Look for a study, or for a series of it, as `probe` does for an instance.

        PRESENT says that there is something, by the headers alone.
        """

    def list_instances(
        self,
        study_uid: str,
        series_uid: str | None = None,
        *,
        at_most: int | None = None,
        on_series: OnSeries | None = None,
    ) -> Iterator[InstanceAddress | OddRow]:
        """Search the instances of a study or series, page by page (QIDO-RS, PS3.18 10.6).

        The result may lag behind deletions for seconds, and may name one twice where instances
        come and go meanwhile. What several patients share is named once, and is an odd row
        besides. What may refer to others is a `Referrer`, an image that may be derived, since that
        is not reported, an `UnreportedImage`. ``at_most`` is how many rows the caller will take;
        ``on_series`` is given, at least once for each series, what the rows say of that besides.

        Raises:
            LiveError: a page could not be read; what came before it proves nothing.
        """

    def find(self, instance_uid: str) -> tuple[InstanceAddress, ...]:
        """Every address at which the store lists this SOP Instance UID.

        Raises:
            LiveError: the search could not be read, or shows it where no request can address it.
        """

    def list_studies(self, study_uid: str | None = None) -> Iterator[str | OddRow]:
        """Search the studies of the store, or this one, page by page; their Study Instance UIDs.

        One that several patients share may be named as often.

        Raises:
            LiveError: as `list_instances`.
        """

    def list_series(self, study_uid: str) -> Iterator[SeriesListing | OddRow]:
        """Search the series of a study, page by page.

        Raises:
            LiveError: as `list_instances`.
        """

    def search_studies(self, key: PatientKey, on_split: Callable[[], None]) -> Iterator[StudyRow]:
        """Search all studies of the store, with what rules ask of them; some rows twice.

        Pseudonyms are made with the key, and nothing of a patient stands in a request.
        ``on_split`` is called if there are so many that only those with a Study Date are found.

        Raises:
            LiveError: as `list_instances`.
        """

    def search_series(self, on_split: Callable[[], None]) -> Iterator[SeriesRow]:
        """Search all series of the store, as `search_studies` does."""

    @abstractmethod
    def storage(self, instance: InstanceAddress) -> StorageInfo:
        """Ask how an instance is kept, without reading it.

        Raises:
            LiveError: the store did not answer that.
        """

    def file_meta(self, instance: InstanceAddress) -> FileMeta:
        """Read the File Meta Information of an instance, and nothing that comes after it.

        Raises:
            LiveError: it could not be retrieved, or does not begin with one.
        """

    def attributes(self, instance: InstanceAddress, key: PatientKey) -> Attributes:
        """Read whose an instance is, and the rest that a removal may be bound to, by its metadata.

        The patient is always there, as the pseudonym of the Patient ID, which itself never leaves
        this method.

        Raises:
            LiveError: it could not be read.
        """

    def references(self, instance: InstanceAddress, among: Set[str]) -> References:
        """Read which of these instances and series an instance refers to; all else is dropped.

        What its metadata leave out, and may hold a reference, is read in the instance itself.

        Raises:
            LiveError: it could not be read as a whole.
        """

    def references_of_series(
        self, series: SeriesAddress, among: Set[str]
    ) -> Mapping[str, References]:
        """As `references`, of a series by one request; by SOP Instance UID.

        An instance whose metadata leave something out is not among the answers.

        Raises:
            LiveError: the metadata could not be read.
        """

    def retrieve(self, instance: InstanceAddress) -> AbstractContextManager[Body]:
        """Open an instance as it is stored, without transcoding; the caller closes it.

        Raises:
            LiveError: it could not be opened.
        """

    def rendered(self, instance: InstanceAddress) -> Thumbnail:
        """Retrieve an instance as an image that shows its pixels (PS3.18 10.4.1.1.3).

        The thumbnail has a problem where the store answered with no image, or with too large a one.

        Raises:
            LiveError: the store did not answer.
        """


class DicomStore(ReadableStore, Protocol):
    """What applying and restoring need."""

    def ask(
        self, path: str, query: str = "", *, accept: str = DICOM_JSON, head: bool = False
    ) -> Answer:
        """Give the raw answer to a GET, or a HEAD, of a path below the root of DICOMweb.

        Raises:
            LiveError: no usable answer after all attempts, or no credentials.
        """

    @abstractmethod
    def version(self) -> str:
        """The version of what serves the store, as it names it itself; never raises."""

    def labelled(self, labels: AuditLabels) -> DicomStore:
        """The same store, with these labels on every request to it."""

    @abstractmethod
    def delete(self, instance: InstanceAddress) -> Reply:
        """Send exactly one DELETE for one instance; never raises for what a server does."""

    def store(self, file: BinaryIO) -> Reply:
        """Send exactly one DICOM file, once; never raises for what a server does.

        The open file is read from its beginning while it is sent. An instance that is stored
        already is not replaced.
        """
