"""Who works on a store now."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Holder:
    """The run that holds a lock, and the process that works on it."""

    run: str
    """The run."""
    user: str
    """The user of the operating system."""
    host: str
    """The name of the machine."""
    process: int
    """The process id."""

    def __str__(self) -> str:
        """As messages name it."""
        return f"{self.user} on {self.host}, process {self.process}, run {self.run}"


@dataclass(frozen=True, slots=True)
class HeldLock:
    """A lock that is held, on the store with this resource name; ``since`` is for people.

    With a ``manifest``, the id of a plan in shards, other runs of that plan may share it. All are
    None where it cannot be read who holds it.
    """

    store: str | None = None
    holder: Holder | None = None
    since: str | None = None
    manifest: str | None = None
