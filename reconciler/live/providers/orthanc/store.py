"""An Orthanc server with its DICOMweb plugin at the plugin's default root.

Its DICOMweb interface reads and searches; a DELETE there is answered with 405, and its STOW-RS
refuses files that Orthanc itself takes. What changes something goes through Orthanc's own REST
interface: an instance is deleted by the identifier that Orthanc gives it, which is a hash of
patient, study, series and instance and so stays with one address.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Set
from contextlib import contextmanager, suppress
from functools import partial
from http import HTTPStatus
from itertools import islice
from typing import BinaryIO

from reconciler.errors import CredentialsError, LiveError
from reconciler.live.dicomweb import probe_reply
from reconciler.live.dicomweb.absence import no_absence
from reconciler.live.dicomweb.multipart import read_single_part
from reconciler.live.dicomweb.probe_reply import describe
from reconciler.live.dicomweb.qido_rows import (
    SERIES_RELATED_INSTANCES,
    STUDY_RELATED_INSTANCES,
    STUDY_RELATED_SERIES,
    read_counts,
)
from reconciler.live.dicomweb.replies import unsent
from reconciler.live.dicomweb.store import DicomWebStore, PageSizes, not_retrieved
from reconciler.live.http.answer import Answer, Stream
from reconciler.live.http.bodies import is_json, is_multipart_dicom, media_type, parse_json
from reconciler.live.http.bounds import Term
from reconciler.live.http.channel import RequestKind
from reconciler.live.http.faults import AttemptError
from reconciler.live.http.file_body import FileBody
from reconciler.live.http.identity import BasicIdentity, Identity
from reconciler.live.http.numbers import read_number
from reconciler.live.http.transport import Call, Guards, Transport
from reconciler.live.providers.orthanc import preflight as orthanc_preflight
from reconciler.live.providers.orthanc import replies as orthanc_replies
from reconciler.live.providers.orthanc.preflight import ROOT
from reconciler.live.settings import ConnectionSettings
from reconciler.live.store import Body
from reconciler.model.address import InstanceAddress, Provider, SeriesAddress, StoreAddress
from reconciler.model.live import (
    PRESENT,
    Observation,
    OddRow,
    OnSeries,
    Presence,
    References,
    SeriesListing,
    SeriesRow,
    StorageInfo,
    StudyRow,
)
from reconciler.model.patient import PatientKey
from reconciler.model.reply import Reply, ReplyKind

_VERSION = r"[0-9A-Za-z.+-]{1,40}"
_ID = r"[0-9a-f]{8}(?:-[0-9a-f]{8}){4}"
_IN_STUDY, _IN_SERIES = STUDY_RELATED_INSTANCES, SERIES_RELATED_INSTANCES
_TAGS = ("0020-000d", "0020-000e", "0008-0018")
"""Study, Series and SOP Instance UID, as Orthanc writes tags in its paths."""

_PAGES = PageSizes(series=5_000, instances=5_000)
"""Its documentation names no most; `LimitFindInstances` of its options may be less."""


def guards() -> Guards:
    """What may be deleted, what planning may ask by POST, where files go."""
    return Guards(
        delete=re.compile(f"/instances/{_ID}"),
        question=re.compile("/tools/lookup"),
        store=re.compile("/instances"),
    )


def identity(settings: ConnectionSettings, _term: Callable[[], Term]) -> Identity:
    """A user name and a password, which ask nobody."""
    name, password = Provider.ORTHANC.facts.credentials
    return BasicIdentity(settings.credentials.get(name), settings.credentials.get(password))


def open_store(
    address: StoreAddress,
    transport: Callable[[Guards], Transport],
    *,
    page_size: int | None,
    nobody: Callable[[], InstanceAddress],  # noqa: ARG001 - its 404 needs no comparison
) -> OrthancStore:
    """The store that is the server."""
    pages = _PAGES if page_size is None else PageSizes(page_size, page_size)
    return OrthancStore(address, transport(guards()), pages=pages)


class OrthancStore(DicomWebStore):
    """Speaks for one Orthanc; see `DicomStore` for what each method promises."""

    def __init__(self, address: StoreAddress, transport: Transport, *, pages: PageSizes) -> None:
        super().__init__(address, transport, root=ROOT, pages=pages)

    def preflight(self, *, deleting: bool, storing: bool = False) -> None:
        """Search for what nobody has; Orthanc has no resource of its store, nor permissions."""
        orthanc_preflight.check(self._transport, changing=deleting or storing)

    def observed(self, answer: Answer, depth: int) -> Observation:  # noqa: ARG002 - of the base
        """Any 404 may be an absence, whatever it says; the lookup that follows decides.

        Its words differ by release and options, and gateways write their own.
        """
        return probe_reply.observe(answer, lambda _: True)

    def confirmed(
        self,
        instance: InstanceAddress,
        seen: Observation,
        *,
        explained: bool = False,
        since: float | None = None,  # noqa: ARG002 - it is searched for after that in any case
    ) -> Observation:
        """Search for the instance; what `probe` says was looked up already.

        So a lookup that another service answers, or nobody's, is no proof against what the
        DICOMweb interface holds.
        """
        is_explained = explained and not self._transport.is_in_doubt
        if is_explained or seen.presence is not Presence.ABSENT:
            return seen
        try:
            is_shown = instance in self._apart().find(instance.instance_uid)
        except LiveError as error:
            return no_absence(f", but then it could not be searched for: {error}")
        return no_absence(", but a search shows it") if is_shown else seen

    def probe(self, instance: InstanceAddress) -> Observation:
        """Retrieve the metadata; it is absent if it is for the lookup, too.

        The plugin answers 404 for an address that two patients share, of which the lookup knows
        both, and gateways for anything.
        """
        seen = super().probe(instance)
        if seen.presence is not Presence.ABSENT:
            return seen
        try:
            known = len(self._matching(instance))
        except LiveError as error:
            return no_absence(f", but not looked up: {error}")
        if known > 1:
            return PRESENT
        return no_absence(", but Orthanc's lookup knows it") if known else seen

    def probe_study_or_series(self, study_uid: str, series_uid: str | None) -> Observation:
        """As `probe`; what the lookup knows under any address is not absent."""
        seen = super().probe_study_or_series(study_uid, series_uid)
        if seen.presence is not Presence.ABSENT:
            return seen
        uid, level = (study_uid, "Study") if series_uid is None else (series_uid, "Series")
        try:
            is_known = bool(self._candidates(uid, level))
        except LiveError as error:
            return no_absence(f", but not looked up: {error}")
        where = "here, elsewhere, or for two patients"
        return no_absence(f", but Orthanc's lookup knows it {where}") if is_known else seen

    def list_instances(
        self,
        study_uid: str,
        series_uid: str | None = None,
        *,
        at_most: int | None = None,
        on_series: OnSeries | None = None,
    ) -> Iterator[InstanceAddress | OddRow]:
        """Search, then compare with how many Orthanc counts: its searches may be cut short.

        What is cut off on purpose, by ``at_most``, is not compared. Of an address that two
        patients share there are two rows, and two are counted.
        """
        rows_of = super().list_instances(
            study_uid, series_uid, at_most=at_most, on_series=on_series
        )
        found = list(islice(rows_of, at_most))
        rows = Counter(found)
        yield from rows
        yield from (OddRow(row) for row in rows if rows[row] > 1 and not isinstance(row, OddRow))
        if at_most is not None:
            return
        if series_uid is None:
            counted = self._count("studies", f"StudyInstanceUID={study_uid}", _IN_STUDY)
        else:
            path = f"studies/{study_uid}/series"
            counted = self._count(path, f"SeriesInstanceUID={series_uid}", _IN_SERIES)
        _require_all(len(found), counted, f"instances of study {study_uid}")

    def list_series(self, study_uid: str) -> Iterator[SeriesListing | OddRow]:
        """As `list_instances`."""
        found = list(super().list_series(study_uid))
        counted = self._count("studies", f"StudyInstanceUID={study_uid}", STUDY_RELATED_SERIES)
        _require_all(len(found), counted, f"series of study {study_uid}")
        yield from found

    def list_studies(self, study_uid: str | None = None) -> Iterator[str | OddRow]:
        """As `list_instances`; how many there are stands in Orthanc's statistics."""
        found = list(super().list_studies(study_uid))
        yield from found
        if study_uid is None:
            _require_all(len(found), self._held("Studies"), "studies")

    def search_studies(self, key: PatientKey, on_split: Callable[[], None]) -> Iterator[StudyRow]:
        """As `list_studies`."""
        found = set()
        for row in super().search_studies(key, on_split):
            found.add(hash((row.study_uid, row.patient)))
            yield row
        _require_all(len(found), self._held("Studies"), "studies")

    def search_series(self, on_split: Callable[[], None]) -> Iterator[SeriesRow]:
        """As `list_studies`; the rows of one series of several patients are alike."""
        found = 0
        for row in super().search_series(on_split):
            found += 1
            yield row
        _require_all(found, self._held("Series"), "series")

    def references_of_series(
        self,
        series: SeriesAddress,  # noqa: ARG002 - of the base
        among: Set[str],  # noqa: ARG002 - of the base
    ) -> Mapping[str, References]:
        """Answer for none: the metadata of a series may be cut down to some tags, without a word.

        Its option SeriesMetadata decides; that of instances is always whole.
        """
        return {}

    def delete(self, instance: InstanceAddress) -> Reply:
        """Look the instance up, make sure that it is the one, and send one DELETE for it."""
        try:
            identifier = self._look_up(instance)
        except CredentialsError as error:
            return unsent(ReplyKind.UNAUTHENTICATED, error)
        except LiveError as error:
            return unsent(ReplyKind.REFUSED, error)
        if identifier is None:
            return Reply(ReplyKind.NOT_FOUND, None, "the lookup found nothing")
        send = partial(self._transport.delete, f"/instances/{identifier}")
        return self.changed(send, orthanc_replies.deleted)

    def store(self, file: BinaryIO) -> Reply:
        """Send the file to Orthanc's own interface; it says whether it was stored already."""
        send = partial(
            self._transport.store, "/instances", FileBody(file), accept="application/json"
        )
        return self.changed(send, orthanc_replies.stored)

    def version(self) -> str:
        """The versions of Orthanc and of its DICOMweb plugin."""
        paths = {"Orthanc": "/system", "DICOMweb": "/plugins/dicom-web"}
        return ", ".join(f"{name} {self._version_at(path)}" for name, path in paths.items())

    def _held(self, what: str) -> int:
        counts = parse_json(self._ask(Call(RequestKind.SEARCH, "/statistics")).body)
        counted = read_number(counts.get(f"Count{what}")) if isinstance(counts, dict) else None
        if counted is None:
            raise LiveError(f"Orthanc does not say how many {what.lower()} it holds")
        return counted

    def _version_at(self, path: str) -> str:
        with suppress(LiveError):
            match parse_json(self._ask(Call(RequestKind.FACT, path)).body):
                case {"Version": str(version)} if re.fullmatch(_VERSION, version):
                    return version
        return "of unknown version"

    def storage(self, instance: InstanceAddress) -> StorageInfo:
        """The size of the DICOM file; Orthanc knows no storage classes.

        Addresses are compared only where it holds several instances of this UID.
        """
        found = self._candidates(instance.instance_uid, "Instance")
        identifier = found[0] if len(found) == 1 else self._look_up(instance)
        if identifier is None:
            raise LiveError(f"the instance {instance} could not be looked up")
        path = f"/instances/{identifier}/attachments/dicom/size"
        size = self._ask(Call(RequestKind.STORAGE, path, accept="*/*")).body
        return StorageInfo(read_number(size.decode("ascii", "replace")))

    @contextmanager
    def opened(self, instance: InstanceAddress, piece: int) -> Iterator[Body]:
        """Retrieve the instance as the one part of a multipart body, the only way it is given."""
        call = Call(
            RequestKind.RETRIEVE,
            f"{self._web}{instance}",
            accept='multipart/related; type="application/dicom"; transfer-syntax=*',
            encoding="identity",
        )
        with self._transport.open(call) as stream:
            if stream.status != HTTPStatus.OK or not is_multipart_dicom(stream.content_type):
                raise not_retrieved(instance, stream)
            part = read_single_part(stream.content_type, stream.chunks(piece))
            if media_type(part.content_type) != "application/dicom":
                raise LiveError(f"the instance {instance} came as a part that is not DICOM")
            yield part

    def _count(self, path: str, criterion: str, tag: str) -> int:
        query = f"{criterion}&includefield={tag}"
        return sum(self.page(f"{self._web}/{path}", query, partial(read_counts, tag=tag)))

    def _look_up(self, instance: InstanceAddress) -> str | None:
        """Orthanc's identifier of the instance; None if it holds nothing at this address.

        Raises:
            LiveError: it could not be asked, knows the UID at other addresses only, or holds
                this address for two patients.
            CredentialsError: it does not accept the credentials.
        """
        matching = self._matching(instance)
        if not matching and self._candidates(instance.instance_uid, "Instance"):
            raise LiveError("Orthanc's lookup gives instances of other addresses only")
        if len(matching) > 1:
            raise LiveError("Orthanc holds this very address for more than one patient")
        return matching[0] if matching else None

    def _matching(self, instance: InstanceAddress) -> list[str]:
        found = self._candidates(instance.instance_uid, "Instance")
        return [identifier for identifier in found if self._address_of(identifier) == instance]

    def _candidates(self, uid: str, level: str) -> list[str]:
        """The identifiers of everything at this level that has this UID."""
        call = Call(
            RequestKind.LOOKUP,
            "/tools/lookup",
            body=uid.encode(),
            content_type="text/plain",
        )
        answer = self._ask(call)
        found = parse_json(answer.body) if is_json(answer.content_type) else None
        if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
            raise AttemptError("the lookup did not answer with a list")
        found = [one.get("ID") for one in found if one.get("Type") == level]
        for identifier in found:
            if not isinstance(identifier, str) or not re.fullmatch(_ID, identifier):
                shown = json.dumps(identifier)[:60]
                raise AttemptError(f"the lookup returned an invalid identifier: {shown}")
        return sorted(found)

    def _address_of(self, identifier: str) -> InstanceAddress:
        """Whose identifier it is; tag by tag, so that nothing of the patient is read."""
        path = f"/instances/{identifier}/content"
        uids = (
            self._ask(Call(RequestKind.LOOKUP, f"{path}/{tag}", accept="*/*")).body for tag in _TAGS
        )
        return InstanceAddress(*(uid.decode("ascii", "replace").strip("\0 ") for uid in uids))

    def _ask(self, call: Call) -> Answer:
        answer = self._transport.read(call, Stream.answer)
        if answer.status == HTTPStatus.UNAUTHORIZED:
            raise CredentialsError("Orthanc does not accept the user name and password")
        if answer.status != HTTPStatus.OK or not answer.is_whole:
            raise LiveError(f"Orthanc could not be asked for the instance: {describe(answer)}")
        return answer


def _require_all(found: int, counted: int, what: str) -> None:
    """Refuse a listing that is shorter than what is there; a row for each patient."""
    if found < counted:
        raise LiveError(
            f"the search shows {found} of the {counted} {what} that Orthanc counts: its options"
            " LimitFindResults and LimitFindInstances may cut it short"
        )
