"""What a statement asks, parsed: every value is right by its type."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from reconciler.model.address import InstanceAddress, SeriesAddress, StoreAddress
from reconciler.model.problem import Source


class Column(Enum):
    """A column of ``google.healthcare.instances``, by its name in SQL."""

    PROJECTS_ID = "projectsId"
    LOCATIONS_ID = "locationsId"
    DATASETS_ID = "datasetsId"
    DICOM_STORES_ID = "dicomStoresId"
    STUDIES_ID = "studiesId"
    SERIES_ID = "seriesId"
    INSTANCES_ID = "instancesId"
    CONTENT_TYPE = "contentType"
    DATA = "data"
    EXTENSIONS = "extensions"
    PRESENCE = "presence"
    SIZE_BYTES = "sizeBytes"
    STORAGE_CLASS = "storageClass"
    SOP_CLASS_UID = "sopClassUid"
    TRANSFER_SYNTAX_UID = "transferSyntaxUid"


@dataclass(frozen=True, slots=True)
class Output:
    """A column of the result, and the name that it has there."""

    column: Column
    name: str


@dataclass(frozen=True, slots=True)
class Select:
    """Rows of one store: those of the instances, else of the series, else of the studies.

    ``series_uids`` and ``instance_uids`` are None where the statement leaves them out; every
    combination of the UIDs is asked for, each once, in the order of the statement. ``limit`` is how
    many rows there are at most, None for all.
    """

    outputs: tuple[Output, ...]
    store: StoreAddress
    study_uids: tuple[str, ...]
    series_uids: tuple[str, ...] | None
    instance_uids: tuple[str, ...] | None
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Removal:
    """An instance that a DELETE names, and where."""

    instance: InstanceAddress
    place: Source


@dataclass(frozen=True, slots=True)
class Delete:
    """Instances of one series of one store, in the order of the statement, each once.

    It is a wish: it becomes a plan, and deletes nothing by itself.
    """

    store: StoreAddress
    series: SeriesAddress
    removals: tuple[Removal, ...]


@dataclass(frozen=True, slots=True)
class ShowMethods:
    """``SHOW [EXTENDED] METHODS IN google.healthcare.instances``."""

    is_extended: bool = False


@dataclass(frozen=True, slots=True)
class Describe:
    """``DESCRIBE [EXTENDED] google.healthcare.instances``; both tell the same."""


Statement = Select | Delete | ShowMethods | Describe
