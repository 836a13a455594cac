"""The resource ``google.healthcare.instances``: its fields, its methods, and what they need."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.model.row import Row
from reconciler.query.statement import Column

NAME = ("google", "healthcare", "instances")

PARAMETERS = (
    Column.PROJECTS_ID,
    Column.LOCATIONS_ID,
    Column.DATASETS_ID,
    Column.DICOM_STORES_ID,
    Column.STUDIES_ID,
    Column.SERIES_ID,
    Column.INSTANCES_ID,
)
"""What addresses one instance; the only columns that a WHERE may name."""

STORE_PARAMETERS = PARAMETERS[:4]
RETRIEVED = (Column.CONTENT_TYPE, Column.DATA, Column.EXTENSIONS)
"""The fields of ``retrieve_instance``, and what ``*`` stands for."""


_FIELDS = {
    Column.CONTENT_TYPE: ("string", "the Content-Type of the instance as it is stored"),
    Column.DATA: ("string", "the bytes of the instance in base64 (RFC 4648 section 4)"),
    Column.EXTENSIONS: ("array", "always empty: on the wire there are none"),
    Column.PRESENCE: ("string", "present, absent or unknown, by a retrieve"),
    Column.SIZE_BYTES: ("integer", "the size of the DICOM file"),
    Column.STORAGE_CLASS: ("string", "the storage class, where the store has such"),
    Column.SOP_CLASS_UID: ("string", "the SOP Class UID of its File Meta Information"),
    Column.TRANSFER_SYNTAX_UID: ("string", "the Transfer Syntax UID of the same"),
    Column.PROJECTS_ID: ("string", "parameter: the project"),
    Column.LOCATIONS_ID: ("string", "parameter: the location"),
    Column.DATASETS_ID: ("string", "parameter: the dataset"),
    Column.DICOM_STORES_ID: ("string", "parameter: the DICOM store"),
    Column.STUDIES_ID: ("string", "parameter: the Study Instance UID"),
    Column.SERIES_ID: ("string", "parameter: the Series Instance UID"),
    Column.INSTANCES_ID: ("string", "parameter: the SOP Instance UID"),
}

_METHODS = (
    ("retrieve_instance", "SELECT", "retrieves the instance, or what the columns need of it"),
    ("delete", "DELETE", "becomes a plan that deletes the instance; deletes nothing by itself"),
)


def describe() -> Iterator[Row]:
    """What ``DESCRIBE`` answers."""
    for column, (kind, description) in _FIELDS.items():
        yield {"name": column.value, "type": kind, "description": description}


def show_methods(*, is_extended: bool) -> Iterator[Row]:
    """What ``SHOW METHODS`` answers; with ``EXTENDED`` each has its description."""
    needed = ", ".join(parameter.value for parameter in PARAMETERS)
    for name, verb, description in _METHODS:
        row: Row = {"MethodName": name, "RequiredParams": needed, "SQLVerb": verb}
        yield {**row, "description": description} if is_extended else row
