"""What an emulator is started with."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from reconciler.emulator.faulty.faults import Faults
from reconciler.model.address import StoreAddress
from reconciler.model.service import is_loopback

DEMO_STORE = StoreAddress("demo-project", "europe-west4", "demo-dataset", "demo-store")
"""The store that exists unless the settings name others."""


class ErrorShape(Enum):
    """How an error body is written; all of these occur in front of the real service."""

    OBJECT = "object"
    """``{"error": {"code": …, "message": …, "status": …}}``."""
    ARRAY = "array"
    """An array of one such object."""
    STRING = "string"
    """A bare JSON string, the message."""


class Permission(Enum):
    """The IAM permissions that the served methods need."""

    GET_STORE = "healthcare.dicomStores.get"
    CREATE_STORE = "healthcare.dicomStores.create"
    READ = "healthcare.dicomStores.dicomWebRead"
    WRITE = "healthcare.dicomStores.dicomWebWrite"
    DELETE = "healthcare.dicomStores.dicomWebDelete"


ALL_PERMISSIONS = frozenset(permission.value for permission in Permission)


@dataclass(frozen=True)
class EmulatorSettings:
    """What an emulator is started with.

    ``data_dir`` holds the DICOM files and the index, and is created when it is missing; ``port``
    0 takes a free one. ``permissions`` are those of every caller, by their IAM names, and also
    decide: a DELETE without ``healthcare.dicomStores.dicomWebDelete`` is answered 403.
    ``token_lifetime`` is in seconds. ``request_log`` is a file that every request is appended to
    as a line of JSON, before it is answered.

    Raises:
        ValueError: ``host`` is not a loopback address; the emulator has no real authentication.
    """

    data_dir: Path
    stores: tuple[StoreAddress, ...] = (DEMO_STORE,)
    host: str = "127.0.0.1"
    port: int = 0
    faults: Faults = field(default_factory=Faults)
    require_token: bool = False
    token_lifetime: float = 3600.0
    error_shape: ErrorShape = ErrorShape.OBJECT
    permissions: frozenset[str] = ALL_PERMISSIONS
    request_log: Path | None = None
    ssl_context: ssl.SSLContext | None = None

    def __post_init__(self) -> None:
        if not is_loopback(self.host):
            raise ValueError(
                f"the emulator has no real authentication and listens on loopback only,"
                f" not on {self.host!r}"
            )
