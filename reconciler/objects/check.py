"""Whether a store keeps the promise that all else rests on."""

from __future__ import annotations

from reconciler.errors import StateError
from reconciler.objects.interface import Objects

_HINT = "do not keep shared state there: use another store, or another release of it"


def require_create_once(objects: Objects, nonce: str) -> None:
    """Create an object, and see that a second one under its name is refused.

    ``nonce`` must be new and random; it becomes part of the name, ``check/NONCE``.

    Raises:
        StateError: the store does not honour create-if-absent, or could not be asked.
    """
    name = f"check/{nonce}"
    first, second = (f"{nonce} {which}".encode() for which in ("first", "second"))
    if not objects.create(name, first):
        raise StateError(f"{objects.url}: {name} exists already, under a nonce that is new")
    was_refused = not objects.create(name, second)
    found = objects.read(name)
    if found == second:
        raise _broken(objects, "ignores preconditions: it overwrote an object")
    if found != first:
        raise _broken(objects, "does not show an object that it has just stored")
    if not was_refused:
        raise _broken(objects, "says that it created an object whose name another one has")


def _broken(objects: Objects, what: str) -> StateError:
    return StateError(f"{objects.url} {what}", hint=_HINT)
