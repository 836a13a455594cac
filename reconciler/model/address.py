"""How one instance is addressed: the seven parameters of the Healthcare API.

Files, plans, records and messages spell them as the API does (``projectsId`` …);
Python spells them ``project_id`` …. This module is the one place that translates.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from reconciler.model.as_json import as_json

UID_MAX_LENGTH = 64
"""PS3.5 section 9.1: a UID has at most 64 characters."""

_UID = re.compile(r"[0-9]+(?:\.[0-9]+)*")
_PROJECT_ID = re.compile(r"[a-z0-9](?:[-a-z0-9.:]*[a-z0-9])?")
_LOCATION_ID = re.compile(r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?")
_RESOURCE_ID = re.compile(r"[A-Za-z0-9_.-]{1,256}")


def is_uid(text: str) -> bool:
    """Whether ``text`` may stand as a UID in a path.

    PS3.5 section 9.1, except that a leading zero in a component is let through:
    it occurs in real data, and a UID is never normalised.
    """
    return len(text) <= UID_MAX_LENGTH and _UID.fullmatch(text) is not None


def checked_uid(text: str) -> str:
    """The UID.

    Raises:
        ValueError: it may not stand in a path.
    """
    if not is_uid(text):
        raise ValueError(f"not a UID: {text!r}")
    return text


def numeric(uid: str) -> tuple[tuple[int, ...], str]:
    """A sort key by which 1.2.9 comes before 1.2.10; 1.2 and 1.02 are two."""
    return tuple(map(int, uid.split("."))), uid


STUDY = as_json(key="studiesId", check=checked_uid)
SERIES = as_json(key="seriesId", check=checked_uid)
INSTANCE = as_json(key="instancesId", check=checked_uid)
"""How the UID of a study, a series or an instance is written where a field has it alone."""

STUDIES = as_json(key="studiesId", check=lambda uids: tuple(map(checked_uid, uids)))
INSTANCES = as_json(key="instancesId", check=lambda uids: tuple(map(checked_uid, uids)))
"""How the UIDs of several studies or instances are written."""


def is_project_id(text: str) -> bool:
    """Whether ``text`` may be a ``projectsId``; ``example.com:project`` is domain-scoped."""
    return len(text) <= UID_MAX_LENGTH * 2 and _PROJECT_ID.fullmatch(text) is not None


def is_location_id(text: str) -> bool:
    """Whether ``text`` may be a ``locationsId``, such as ``europe-west4``."""
    return len(text) <= UID_MAX_LENGTH and _LOCATION_ID.fullmatch(text) is not None


def is_resource_id(text: str) -> bool:
    """Whether ``text`` may be a ``datasetsId`` or ``dicomStoresId``; ``.`` and ``..`` never are."""
    return _RESOURCE_ID.fullmatch(text) is not None and text not in {".", ".."}


class Provider(StrEnum):
    """Whose interface a store speaks; the value is what ``provider:`` says in a file."""

    GOOGLE = "google"
    """The Google Cloud Healthcare API; what is meant where nothing is said."""
    ORTHANC = "orthanc"
    """An Orthanc server with its DICOMweb plugin; the store's four ids are the user's labels."""

    @property
    def facts(self) -> ProviderFacts:
        """What is known of it before it is spoken to."""
        return _FACTS[self]


class ProviderFacts(NamedTuple):
    """What is known of a provider; ``live/providers`` knows how its stores speak."""

    service: str | None
    """The one service that all of its endpoints lead to; None where each is one of its own, and a
    store's address the user's label."""
    endpoint: str | None
    """Where it is, unless that is said."""
    endpoint_variable: str
    """The environment variable that says where. One for each provider, so that no provider's
    credentials go to another's server."""
    credentials: tuple[str, ...]
    """The environment variables that say who asks."""
    deletion: str
    """What its interface calls the deletion of an instance."""


_FACTS = {
    Provider.GOOGLE: ProviderFacts(
        service="healthcare.googleapis.com",
        endpoint="https://healthcare.googleapis.com",
        endpoint_variable="RECONCILER_ENDPOINT",
        credentials=("GOOGLE_APPLICATION_CREDENTIALS",),
        deletion="projects.locations.datasets.dicomStores.studies.series.instances.delete",
    ),
    Provider.ORTHANC: ProviderFacts(
        service=None,
        endpoint=None,
        endpoint_variable="RECONCILER_ORTHANC_ENDPOINT",
        credentials=("RECONCILER_ORTHANC_USERNAME", "RECONCILER_ORTHANC_PASSWORD"),
        deletion="DELETE /instances/{id}",
    ),
}

DEFAULT_PROVIDER = Provider.GOOGLE
"""What is meant where nothing is said, and never written."""


@dataclass(frozen=True, slots=True, order=True)
class StoreAddress:
    """A DICOM store, as its resource name says it, with its provider."""

    project_id: str
    """The Google Cloud project."""
    location_id: str
    """The region of the dataset."""
    dataset_id: str
    """The Healthcare API dataset."""
    dicom_store_id: str
    """The DICOM store in the dataset."""
    provider: Provider = DEFAULT_PROVIDER
    """The provider of the store."""

    def __str__(self) -> str:
        """Its resource name, after its provider if that is not Google."""
        provider = "" if self.provider is DEFAULT_PROVIDER else f"{self.provider}:"
        return (
            f"{provider}projects/{self.project_id}/locations/{self.location_id}"
            f"/datasets/{self.dataset_id}/dicomStores/{self.dicom_store_id}"
        )

    @property
    def ids(self) -> tuple[str, str, str, str]:
        """The four parameters, which name a store alone, whatever its provider."""
        return self.project_id, self.location_id, self.dataset_id, self.dicom_store_id

    def as_parameters(self) -> dict[str, str]:
        """The four parameters under the API's names, and ``provider`` if that is not Google."""
        other = {} if self.provider is DEFAULT_PROVIDER else {"provider": self.provider.value}
        return {
            **other,
            "projectsId": self.project_id,
            "locationsId": self.location_id,
            "datasetsId": self.dataset_id,
            "dicomStoresId": self.dicom_store_id,
        }

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, str]) -> StoreAddress:
        """Read what `as_parameters` gives.

        Raises:
            KeyError: one of the four is missing.
            ValueError: one of the four cannot be an id, or there is no such provider.
        """
        address = cls(
            parameters["projectsId"],
            parameters["locationsId"],
            parameters["datasetsId"],
            parameters["dicomStoresId"],
            Provider(parameters.get("provider", DEFAULT_PROVIDER)),
        )
        if not (
            is_project_id(address.project_id)
            and is_location_id(address.location_id)
            and is_resource_id(address.dataset_id)
            and is_resource_id(address.dicom_store_id)
        ):
            raise ValueError(f"not the address of a DICOM store: {str(address)!r}")
        return address

    @classmethod
    def parse(cls, text: str) -> StoreAddress:
        """Read what ``str`` gives.

        Raises:
            ValueError: it is not the resource name of a DICOM store.
        """
        match = _STORE.fullmatch(text)
        if match is None:
            raise ValueError(f"not the resource name of a DICOM store: {text!r}")
        return cls.from_parameters(
            {name: value for name, value in match.groupdict().items() if value is not None}
        )


_STORE = re.compile(
    r"(?:(?P<provider>[a-z]+):)?projects/(?P<projectsId>[^/]+)/locations/(?P<locationsId>[^/]+)"
    r"/datasets/(?P<datasetsId>[^/]+)/dicomStores/(?P<dicomStoresId>[^/]+)"
)


class SeriesAddress(NamedTuple):
    """A series within its store."""

    study_uid: str
    series_uid: str

    def __str__(self) -> str:
        return f"/studies/{self.study_uid}/series/{self.series_uid}"


class InstanceAddress(NamedTuple):
    """An instance within its store."""

    study_uid: str
    """The Study Instance UID."""
    series_uid: str
    """The Series Instance UID."""
    instance_uid: str
    """The SOP Instance UID."""

    @property
    def series(self) -> SeriesAddress:
        """The series that holds it."""
        return SeriesAddress(self.study_uid, self.series_uid)

    def __str__(self) -> str:
        return f"/studies/{self.study_uid}/series/{self.series_uid}/instances/{self.instance_uid}"

    def as_parameters(self) -> dict[str, str]:
        """The instance's three parameters under the API's names."""
        return {
            "studiesId": self.study_uid,
            "seriesId": self.series_uid,
            "instancesId": self.instance_uid,
        }

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, str]) -> InstanceAddress:
        """Read the API's names.

        Raises:
            KeyError: one of the three is missing.
            ValueError: one of the three is not a UID.
        """
        address = cls(parameters["studiesId"], parameters["seriesId"], parameters["instancesId"])
        for uid in address:
            checked_uid(uid)
        return address
