"""``reconciler selftest --store``: ask, connect, let signals stop it, and leave nothing behind."""

from __future__ import annotations

import shutil
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from reconciler import __version__
from reconciler.api import machine
from reconciler.api.running import retry_budget
from reconciler.api.service import connect
from reconciler.applying.stopping import Stop
from reconciler.cli import environment
from reconciler.cli.output.console import report_error, say, write_document
from reconciler.cli.runs.approval import require_approval, require_terminal
from reconciler.cli.signals import stopped_by_signals
from reconciler.drill.own_store.commands import Commands
from reconciler.drill.own_store.specimens import make_specimens
from reconciler.drill.own_store.visit import MOST_REQUESTS, StoppedError, Visit, studies_of
from reconciler.drill.own_store.wire_facts import WireFacts
from reconciler.drill.trial import BrokenPromiseError, Program
from reconciler.errors import ExitCode, ReconcilerError
from reconciler.live.connection import Connection
from reconciler.live.http.endpoint import Endpoint
from reconciler.model.address import InstanceAddress, StoreAddress
from reconciler.reporting.wire_facts_json import wire_facts_as_json
from reconciler.reporting.wording import plural

_VERIFY_SECONDS = 30.0
_UNASKED = "--auto-approve leaves the question out; use a test store only"


@dataclass(frozen=True, slots=True)
class OwnStore:
    """The command line."""

    store: StoreAddress
    auto_approve: bool
    access: environment.Access

    def options(self, endpoint: Endpoint) -> tuple[str, ...]:
        """How the commands that are run reach the store."""
        rate = () if self.access.max_qps is None else ("--max-qps", str(self.access.max_qps))
        return "--endpoint", str(endpoint), "--parallelism", str(self.access.parallelism), *rate


def try_own_store(own: OwnStore, program: Program) -> int:
    """Try the tool out on a store and print the facts of its wire; the exit code.

    Raises:
        NotApproved: nobody said yes.
        ReconcilerError: it could not begin; nothing was stored.
    """
    if not own.auto_approve:
        require_terminal(_UNASKED)
    stop = Stop()
    with _connect(own, stop.event) as connection:
        folder = _make_folder()
        try:
            visit = _visit(own, connection, folder, program, stop)
            version = _begin(own, visit)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        code, is_needed = _carry_out(own, visit, version)
    if is_needed:
        say(f"look around in {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return code


def _make_folder() -> Path:
    try:
        return Path(tempfile.mkdtemp(prefix="reconciler-selftest-"))
    except OSError as error:
        raise _not_to_be_run(error) from error


def _not_to_be_run(error: OSError) -> ReconcilerError:
    return ReconcilerError(f"the selftest cannot run: {error.strerror or error}")


def _begin(own: OwnStore, visit: Visit) -> str:
    """Make sure that it may begin; gives the version of the store."""
    visit.store.preflight(deleting=True, storing=True)
    version = visit.store.version()
    try:
        visit.require_new()
        _ask(own, visit)
    except ReconcilerError:
        _write_facts(visit, version, complete=False)
        raise
    except OSError as error:
        raise _not_to_be_run(error) from error
    return version


def _carry_out(own: OwnStore, visit: Visit, version: str) -> tuple[int, bool]:
    """The exit code, and whether the folder is needed to find out what happened."""
    problem: Exception | None = None
    left: frozenset[InstanceAddress] = frozenset()
    with stopped_by_signals(visit.stop) as signals:
        try:
            visit.go()
        except (StoppedError, BrokenPromiseError, ReconcilerError, OSError) as error:
            problem = error
        finally:
            left = _clear(own, visit)
            _report(visit, left)
    signalled = None if problem is None else signals.exit_code
    if problem is not None and signalled is None:
        ours = problem if isinstance(problem, ReconcilerError) else ReconcilerError(str(problem))
        report_error(ours)
    _write_facts(visit, version, complete=problem is None)
    if left:
        return ExitCode.INCOMPLETE, True
    if signalled is not None:
        return signalled, False
    return _code_of(problem), problem is not None


def _clear(own: OwnStore, visit: Visit) -> frozenset[InstanceAddress]:
    """Remove what was stored, on a connection that no signal has stopped; what may be left."""
    try:
        with _connect(own, threading.Event()) as connection:
            return visit.clear(connection.store(own.store))
    except ReconcilerError as error:
        report_error(error)
        return frozenset(visit.sent | visit.unclear)


def _write_facts(visit: Visit, version: str, *, complete: bool) -> None:
    write_document(
        wire_facts_as_json(
            visit.facts.found,
            provider=visit.store.address.provider.value,
            version=version,
            tool_version=__version__,
            complete=complete,
        )
    )


def _visit(
    own: OwnStore, connection: Connection, folder: Path, program: Program, stop: Stop
) -> Visit:
    store = connection.store(own.store)
    host = urlsplit(str(connection.endpoint)).hostname or ""
    hidden = frozenset(name.lower() for name in (*own.store.ids, host, *host.split(".")))
    try:
        specimens = make_specimens(folder / "specimens", own.store, machine.new_uid)
    except OSError as error:
        raise _not_to_be_run(error) from error
    return Visit(
        store,
        specimens,
        Commands(folder, program, own.options(connection.endpoint)),
        WireFacts(store, hidden, machine.new_uid, stop.event.wait),
        retry_budget(_VERIFY_SECONDS),
        stop,
        say,
    )


def _connect(own: OwnStore, stop: threading.Event) -> Connection:
    provider = own.store.provider
    return connect(environment.service(own.access, provider), provider, read_only=False, stop=stop)


def _ask(own: OwnStore, visit: Visit) -> None:
    """Say what will happen, in which studies, and go on after a ``yes``.

    Raises:
        NotApproved: another answer.
    """
    studies = studies_of(visit.specimens)
    say(
        f"in {own.store} this stores {plural(len(visit.specimens), 'synthetic instance')} in"
        f" {plural(len(studies), 'new study')}, archives, deletes and restores them,"
        f" and deletes them again: at most {MOST_REQUESTS} requests, if none has to be repeated"
    )
    for study_uid in studies:
        say(f"  study {study_uid}")
    say(f"  should it be killed, remove them with: {visit.write_removal(visit.specimens)}")
    if not own.auto_approve:
        require_approval("Use a test store only.", "nothing was stored")


def _report(visit: Visit, left: frozenset[InstanceAddress]) -> None:
    """Say that nothing is left, or what is, and how to remove it."""
    if not left:
        say("nothing is left in the store")
        return
    say(f"left in the store, or not proven to be gone: {plural(len(left), 'instance')}")
    for study_uid in studies_of(sorted(left)):
        say(f"  study {study_uid}")
    say(f"  hint: remove it with: {visit.write_removal(left)}")


def _code_of(problem: Exception | None) -> int:
    match problem:
        case None:
            return ExitCode.SUCCESS
        case ReconcilerError():
            return problem.exit_code
        case OSError():
            return ExitCode.ERROR
        case _:
            return ExitCode.REFUSED
