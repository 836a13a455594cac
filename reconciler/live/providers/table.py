"""The providers by their names: what each must give, and which there are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from reconciler.live.http.bounds import Term
from reconciler.live.http.identity import Identity
from reconciler.live.http.transport import Guards, Transport
from reconciler.live.providers.google import store as google
from reconciler.live.providers.orthanc import store as orthanc
from reconciler.live.settings import ConnectionSettings
from reconciler.live.store import DicomStore
from reconciler.model.address import InstanceAddress, Provider, StoreAddress


class Speaker(Protocol):
    """The module that speaks for a provider."""

    def identity(self, settings: ConnectionSettings, term: Callable[[], Term]) -> Identity:
        """The provider's credentials, and no other's; ``term`` bounds what is asked for them.

        Raises:
            CredentialsError: there are none where they are needed.
        """

    def open_store(
        self,
        address: StoreAddress,
        transport: Callable[[Guards], Transport],
        *,
        page_size: int | None,
        nobody: Callable[[], InstanceAddress],
    ) -> DicomStore:
        """One store, over a transport with its guards; ``nobody`` makes addresses of nothing."""


PROVIDERS: Mapping[Provider, Speaker] = {
    Provider.GOOGLE: google,
    Provider.ORTHANC: orthanc,
}
