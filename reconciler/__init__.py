"""Plan and apply for DICOM instances.

``reconciler`` reads which instances a DICOM store must keep and which it must
remove, shows the difference to the live store as a plan, deletes exactly what
the reviewed plan lists, proves each deletion and records it.

The names in ``__all__`` are public, and so are `reconciler.errors` and the fields of the returned
values; everything else may change with any release. The functions can be called from any thread.
They print nothing, read no environment variables and handle no signals: everything is an argument,
and messages go to a `Listener`.

Every error is a `ReconcilerError`, except the `TypeError` and `ValueError` of a wrong argument;
`reconciler.errors` shows the hierarchy. A failure of one instance is a value in the result.

Data flows through the rooms ``desired`` → ``live`` → ``planning`` →
``applying`` → ``reporting``, which share the values of ``model``.
"""

from __future__ import annotations

from importlib import import_module
from threading import RLock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reconciler import errors as errors
    from reconciler.api.applying import apply
    from reconciler.api.listener import Listener
    from reconciler.api.loading import load
    from reconciler.api.planning import plan, read_plan
    from reconciler.api.project import Project
    from reconciler.api.record import read_record
    from reconciler.api.resolving import resolve
    from reconciler.api.service import Service
    from reconciler.api.showing import Plan, PlanInShards, show
    from reconciler.applying.apply import Applied
    from reconciler.applying.stopping import Stop
    from reconciler.errors import ReconcilerError
    from reconciler.model.patient import PatientKey

__version__ = "0.1.0"

__all__ = [
    "Applied",
    "Listener",
    "PatientKey",
    "Plan",
    "PlanInShards",
    "Project",
    "ReconcilerError",
    "Service",
    "Stop",
    "__version__",
    "apply",
    "load",
    "plan",
    "read_plan",
    "read_record",
    "resolve",
    "show",
]

_HOMES = {
    "Applied": "applying.apply",
    "Listener": "api.listener",
    "PatientKey": "model.patient",
    "Plan": "api.showing",
    "PlanInShards": "api.showing",
    "Project": "api.project",
    "ReconcilerError": "errors",
    "Service": "api.service",
    "Stop": "applying.stopping",
    "apply": "api.applying",
    "load": "api.loading",
    "plan": "api.planning",
    "read_plan": "api.planning",
    "read_record": "api.record",
    "resolve": "api.resolving",
    "show": "api.showing",
}
"""The module of each public name, imported at its first use (PEP 562): a command needs few."""


_IMPORTING = RLock()
"""Many threads that import a package at once can fail: some packages import in circles."""


def __getattr__(name: str) -> object:
    """Import a public name from its module."""
    if name == "errors":
        return import_module(f"{__name__}.errors")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with _IMPORTING:
        value: object = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names."""
    return sorted(__all__)
