"""What can go wrong with a whole run, as exceptions, and the exit codes.

    ReconcilerError           exit 1: the question could not be answered
     ├─ UsageError            the caller asks for something impossible
     ├─ DesiredStateError     invalid files; carries every problem
     │   └─ HiddenFilesError  exit 3: not all that may hold keeps could be read
     ├─ StatementError        a query that cannot be run; carries every problem
     ├─ PlanFileError         not a plan file that this version can read
     ├─ LiveError             the store could not be asked
     │   ├─ EndpointError     the address of the service is not allowed
     │   ├─ CredentialsError  no credentials, or they were not accepted
     │   ├─ PreflightError    no such store, or no permission
     │   └─ ReadOnlyError     a planning transport was asked to change something
     ├─ ReceiverError         a receiver of audit messages did not take them
     ├─ GitError              git could not be asked
     ├─ JournalError          the record cannot be written or read
     │   ├─ BrokenJournal     a record is not as it was written
     │   └─ StateError        the place of the record, or a bucket, cannot be used
     ├─ Refused               exit 3: the answer is no
     │   ├─ PlanRefused       edited, expired, stale, or made for another store
     │   ├─ StateRefused      the state folder came with a checkout, or leads elsewhere
     │   ├─ GatesBlocking     a gate of the plan is blocking
     │   ├─ SignatureRefused  a signature is not good, or not to be given
     │   └─ NotApproved       nobody said yes
     └─ LockHeld              exit 5: another run works on the store

What goes wrong with one instance is a value, not an exception. Messages are one sentence without
a period; ``hint`` says what to do. A traceback shows the hint and the problems too, as notes
(PEP 678). An argument of a wrong type is a `TypeError`, and one out of its range a `ValueError`.
"""

from __future__ import annotations

import copyreg
from collections.abc import Sequence
from dataclasses import replace
from enum import IntEnum

from reconciler.model.gate import Gate
from reconciler.model.problem import Problem, Severity


class ExitCode(IntEnum):
    """The exit status of the process."""

    SUCCESS = 0
    ERROR = 1
    PENDING = 2
    REFUSED = 3
    INCOMPLETE = 4
    LOCKED = 5
    INTERRUPTED = 130
    TERMINATED = 143


class ReconcilerError(Exception):
    """The base class of all errors; ``str`` is the message for the user."""

    exit_code = ExitCode.ERROR

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint
        if hint is not None:
            self.add_note(f"hint: {hint}")

    def __reduce__(self) -> tuple[object, ...]:
        """Go through a pickle as it is, whatever its class is made of: workers raise it too."""
        return copyreg.__newobj__, (type(self), *self.args), self.__dict__  # type: ignore[attr-defined]  # not in typeshed


class UsageError(ReconcilerError):
    """The caller asks for something impossible."""


class DesiredStateError(ReconcilerError):
    """Input files are invalid; ``problems`` are sorted and hold at least one error.

    The message is that of the first error, with its place.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        first = next(one for one in problems if one.severity is Severity.ERROR)
        super().__init__(str(replace(first, hint=None)), hint=first.hint)
        self.problems = tuple(problems)
        self.add_note("\n".join(map(str, problems)))


class HiddenFilesError(DesiredStateError):
    """Not all could be read that may hold keeps: hidden by the checkout, or unreadable."""

    exit_code = ExitCode.REFUSED


class StatementError(ReconcilerError):
    """A query cannot be run; ``problems`` are sorted and hold at least one error."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("the query cannot be run")
        self.problems = tuple(problems)
        self.add_note("\n".join(map(str, problems)))


class PlanFileError(ReconcilerError):
    """Not a plan file that this version can read."""


class LiveError(ReconcilerError):
    """The store could not be asked."""


class EndpointError(LiveError):
    """The address of the service is not allowed or not what the files expect."""


class CredentialsError(LiveError):
    """There are no credentials, or they were not accepted."""


class PreflightError(LiveError):
    """The store does not exist, or the caller may not do what the run needs."""


class ReadOnlyError(LiveError):
    """A transport made for planning was asked to change something."""


class ReceiverError(ReconcilerError):
    """A receiver of audit messages did not take them."""


class GitError(ReconcilerError):
    """git could not be asked, in its own words."""


class JournalError(ReconcilerError):
    """The journal cannot be written or read."""


class BrokenJournal(JournalError):  # noqa: N818 - what was found, not what was done wrong
    """A record is not as it was written: ``problem`` says how, ``place`` is its file and line."""

    def __init__(self, place: str, problem: str, *, hint: str | None = None) -> None:
        super().__init__(f"{place}: {problem}", hint=hint)
        self.place = place
        self.problem = problem


class StateError(JournalError):
    """The place of the record, or a bucket, cannot be used, or does not do what it must."""


class Refused(ReconcilerError):  # noqa: N818 - the answer is no; nothing went wrong
    """The answer is no."""

    exit_code = ExitCode.REFUSED


class PlanRefused(Refused):
    """The plan was edited, has expired, is stale, or was made for another store."""


class StateRefused(Refused):
    """The state folder may hold what no run on this machine wrote."""


class GatesBlocking(Refused):
    """A gate of the plan is blocking; ``gates`` are the blocking ones."""

    def __init__(self, gates: Sequence[Gate]) -> None:
        names = ", ".join(sorted({gate.name.value for gate in gates}))
        super().__init__(f"the plan is stopped by a blocking gate: {names}")
        self.gates = tuple(gates)


class SignatureRefused(Refused):
    """A signature is not that of the key, not on what it should be, or not to be given."""


class NotApproved(Refused):
    """Nobody said yes."""


class LockHeld(ReconcilerError):  # noqa: N818 - a state of the world, not a mistake
    """Another run works on the same store from the same state folder."""

    exit_code = ExitCode.LOCKED
