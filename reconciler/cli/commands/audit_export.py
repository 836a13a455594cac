"""``reconciler audit export``."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import click

from reconciler.api.destination import require_writable, write_file
from reconciler.api.listener import BYTES
from reconciler.audit.patients import PatientIds, mixed_studies, read_patients
from reconciler.audit.report import selected_deletions
from reconciler.audit.selection import recorded_deletions
from reconciler.audit.snapshot import Snapshot
from reconciler.audit.syslog import Delivery, Receiver, SendRetry, deliver
from reconciler.cli import environment
from reconciler.cli.options.listening import beside_document
from reconciler.cli.options.path_type import PATH
from reconciler.cli.options.project import find_root, open_project
from reconciler.cli.options.record_selection import selection_options
from reconciler.cli.options.shared import StateAddress, project_options
from reconciler.cli.output.console import report_error, say, write_document
from reconciler.errors import BrokenJournal, ExitCode, JournalError, ReceiverError, UsageError
from reconciler.journal.delivery_log import DeliveryLog
from reconciler.journal.state import State
from reconciler.model.address import StoreAddress
from reconciler.model.audit import Selection
from reconciler.model.deletion import RecordedDeletion
from reconciler.reporting.export.deletions_csv import deletions_as_csv
from reconciler.reporting.export.dicom_audit import AuditMessage, PatientOf, audit_messages
from reconciler.reporting.export.fhir_audit import deletions_as_fhir
from reconciler.reporting.export.ocsf import deletions_as_ocsf
from reconciler.reporting.wording import plural

Deletions = Iterable[RecordedDeletion]
Render = Callable[[Deletions, PatientOf], Iterable[str]]


def _mixed(snapshot: Snapshot) -> frozenset[tuple[StoreAddress, str]]:
    """The studies of which a list cannot say whose they are; said, too."""
    mixed = mixed_studies(selected_deletions(snapshot, Selection()))
    if mixed:
        say(
            f"note: the record names more than one patient in {plural(len(mixed), 'study')}; the"
            " list of patients does not count there"
        )
    return mixed


def _events(deletions: Deletions) -> Deletions:
    """Those that are delete events; a table has the others too, with their outcomes."""
    return (one for one in deletions if one.is_event)


FORMATS: Mapping[str, Render] = {
    "csv": lambda deletions, _: deletions_as_csv(deletions),
    "dicom": lambda deletions, patient_of: (
        f"{message.xml}\n" for message in audit_messages(_events(deletions), patient_of)
    ),
    "fhir": lambda deletions, patient_of: deletions_as_fhir(_events(deletions), patient_of),
    "ocsf": lambda deletions, _: deletions_as_ocsf(_events(deletions)),
}
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?"
_HOST_AND_PORT = re.compile(
    rf"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<name>{_LABEL}(?:\.{_LABEL})*\.?))(?::(?P<port>[0-9]{{1,5}}))?"
)
_SYSLOG_TLS_PORT = 6514
_LAST_PORT = 65535

_WITH_PATIENTS = frozenset({"dicom", "fhir"})
"""The formats that name patients."""


def _host_and_port(text: str) -> tuple[str, int]:
    """Split ``host:port`` or ``[::1]:6514``; without a port it is that of RFC 5425."""
    match = _HOST_AND_PORT.fullmatch(text)
    port = int(match["port"] or _SYSLOG_TLS_PORT) if match else 0
    if match is None or not 0 < port <= _LAST_PORT:
        raise click.BadParameter(f"{text!r} is no HOST:PORT such as audit.example.org:6514")
    return match["v6"] or match["name"], port


@click.command(name="export")
@click.option(
    "--format",
    "format_name",
    type=click.Choice(list(FORMATS)),
    required=True,
    help="Output format.",
)
@selection_options
@click.option(
    "--out",
    type=PATH,
    metavar="FILE",
    help="Write to FILE [default: stdout].",
)
@click.option(
    "--patients",
    type=PATH,
    metavar="CSV",
    help="With dicom and fhir: patient ids, as studiesId,PatientID.",
)
@click.option(
    "--archived-patients",
    is_flag=True,
    help="With dicom and fhir: patient ids from the archived copies too.",
)
@click.option(
    "--syslog",
    "receiver",
    type=_host_and_port,
    metavar="HOST:PORT",
    help="With dicom: send the messages that this receiver does not have yet, over TLS.",
)
@click.option(
    "--syslog-ca",
    "authority",
    type=PATH,
    metavar="FILE",
    help="The CA certificates for the receiver, in PEM [default: the system's].",
)
@click.option(
    "--syslog-certificate",
    "certificate",
    type=PATH,
    metavar="FILE",
    help="The client certificate, with its key, in PEM.",
)
@project_options
def command(
    *,
    format_name: str,
    selection: Selection,
    out: Path | None,
    patients: Path | None,
    archived_patients: bool,
    receiver: tuple[str, int] | None,
    authority: Path | None,
    certificate: Path | None,
    state: StateAddress | None,
    root: Path | None,
) -> int:
    """Write the deletions on record for an auditor.

    \b
    csv    a row for each deletion
    dicom  audit messages of DICOM PS3.15 A.5, one line of XML each
    fhir   FHIR R4 AuditEvents following IHE BALP, one line of JSON each
    ocsf   OCSF API Activity events, one line of JSON each

    A day means its start; a TIME without an offset is UTC. --run selects the run of the DELETE or
    of its proof. A deletion without a recorded proof is unconfirmed and comes last. If the record
    of a run is broken, what precedes the break is written.

    With --syslog, each message is sent to the receiver once and nothing is written here. Run the
    command every hour; it continues where it stopped.

    Exit code 3 if a record is broken, 1 if a run cannot be read.

    \b
    Examples:
      reconciler audit export --format csv --since 2026-01-01 --out deletions.csv
      reconciler audit export --format dicom --syslog audit.example.org:6514 --syslog-ca ca.pem
    """
    if format_name not in _WITH_PATIENTS and (patients is not None or archived_patients):
        name = "--patients" if patients is not None else "--archived-patients"
        raise UsageError(f"{name} is of no use to {format_name}")
    _check_syslog(format_name, out, receiver, authority or certificate)
    require_writable(out)
    listed = read_patients(patients) if patients is not None else {}
    place = open_project(state, find_root(root), only_reads=True).state
    problems: list[JournalError] = []
    with beside_document(is_on_stdout=out is None and receiver is None).step(
        "reading the record", unit=BYTES
    ) as update:
        snapshot = Snapshot.take(place, update)
        if receiver is not None:
            snapshot = snapshot.without_runs_under_way()
        patient_ids = PatientIds(
            listed, archived=archived_patients, mixed=_mixed(snapshot) if listed else frozenset()
        )
        deletions = recorded_deletions(snapshot, selection, problems.append)
        if receiver is not None:
            messages = audit_messages(_events(deletions), patient_ids.of)
            _send(messages, Receiver(*receiver, authority, certificate), snapshot.state)
        elif out is None:
            write_document(FORMATS[format_name](deletions, patient_ids.of))
        else:
            names_patients = bool(listed) or archived_patients
            rendered = FORMATS[format_name](deletions, patient_ids.of)
            write_file(out, rendered, private=names_patients)
    if format_name in _WITH_PATIENTS:
        _say_of_unnamed(patient_ids)
    return _account(problems)


def _check_syslog(
    format_name: str, out: Path | None, receiver: tuple[str, int] | None, tls_file: Path | None
) -> None:
    """Raise UsageError where the options of syslog do not go together."""
    if receiver is None:
        if tls_file is not None:
            raise UsageError("--syslog-ca and --syslog-certificate are of no use without --syslog")
    elif format_name != "dicom":
        raise UsageError(f"--syslog is of no use to {format_name}", hint="it sends --format dicom")
    elif out is not None:
        raise UsageError("--syslog and --out cannot be used together")


def _send(messages: Iterable[AuditMessage], receiver: Receiver, state: State) -> None:
    delivery = Delivery()
    try:
        deliver(
            messages,
            receiver,
            environment.sender(),
            DeliveryLog(state.objects, str(receiver)),
            retry=SendRetry(),
            sleep=time.sleep,
            delivery=delivery,
        )
    except ReceiverError:
        say(f"{plural(delivery.sent, 'message')} delivered to {receiver}; the rest waits")
        raise
    already = f", {delivery.known:,} before" if delivery.known else ""
    say(f"{plural(delivery.sent, 'message')} delivered to {receiver}{already}")


def _say_of_unnamed(patient_ids: PatientIds) -> None:
    """Of how many studies the patient is written as something else."""
    written = {"its pseudonym": patient_ids.pseudonyms, "unknown": patient_ids.unknown}
    for written_as, count in written.items():
        if count:
            say(f"note: the patient of {plural(count, 'study')} is written as {written_as}")


def _account(problems: list[JournalError]) -> int:
    for problem in problems:
        report_error(problem)
    if any(isinstance(problem, BrokenJournal) for problem in problems):
        return ExitCode.REFUSED
    return ExitCode.ERROR if problems else ExitCode.SUCCESS
