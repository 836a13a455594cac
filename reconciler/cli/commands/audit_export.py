"""``reconciler audit export``."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from reconciler.audit.patients import archived_patient, read_patients
from reconciler.audit.selection import recorded_deletions
from reconciler.audit.syslog import Handover, Patience, Receiver, hand_over
from reconciler.cli import environment
from reconciler.cli.console import report_error, require_writable, say, write_document, write_file
from reconciler.cli.options import root_option, state_option
from reconciler.cli.project import find_root
from reconciler.cli.record_selection import selection_options
from reconciler.errors import BrokenJournal, ExitCode, JournalError, ReceiverError, UsageError
from reconciler.journal.ledger import open_ledger
from reconciler.model.audit import Selection
from reconciler.model.deletion import RecordedDeletion
from reconciler.reporting.deletions_csv import deletions_as_csv
from reconciler.reporting.dicom_audit import AuditMessage, audit_messages, messages_as_lines
from reconciler.reporting.fhir_audit import deletions_as_fhir
from reconciler.reporting.ocsf import deletions_as_ocsf
from reconciler.reporting.wording import plural

Deletions = Iterable[RecordedDeletion]
Render = Callable[[Deletions, Mapping[str, str]], Iterable[str]]


def _csv(deletions: Deletions, _: Mapping[str, str]) -> Iterable[str]:
    return deletions_as_csv(deletions)


def _dicom(deletions: Deletions, patients: Mapping[str, str]) -> Iterable[str]:
    return messages_as_lines(audit_messages(deletions, patients))


def _ocsf(deletions: Deletions, _: Mapping[str, str]) -> Iterable[str]:
    return deletions_as_ocsf(deletions)


FORMATS: Mapping[str, Render] = {
    "csv": _csv,
    "dicom": _dicom,
    "fhir": deletions_as_fhir,
    "ocsf": _ocsf,
}
_HOST_AND_PORT = re.compile(
    r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9._-]+))(?::(?P<port>[0-9]{1,5}))?"
)
_SYSLOG_TLS_PORT = 6514
_LAST_PORT = 65535

_WITH_PATIENTS = frozenset({"dicom", "fhir"})
_WITH_STUDIES = frozenset({"dicom"})
"""The forms that say when a study was emptied."""


class _HostAndPort(click.ParamType[tuple[str, int]]):
    """``host:port``, ``[::1]:6514``; without a port it is that of RFC 5425."""

    name = "host and port"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        """Split it, or fail with the form that is understood."""
        if isinstance(value, tuple):
            return value
        match = _HOST_AND_PORT.fullmatch(str(value))
        port = int(match["port"] or _SYSLOG_TLS_PORT) if match else 0
        if match is None or not 0 < port <= _LAST_PORT:
            self.fail(f"{value!r} is no HOST:PORT such as audit.example.org:6514", param, ctx)
        return match["v6"] or match["name"], port


@click.command(name="export")
@click.option("--format", "form", type=click.Choice(list(FORMATS)), required=True, help="The form.")
@selection_options
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Where the document goes [default: stdout].",
)
@click.option(
    "--patients",
    type=click.Path(path_type=Path),
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
    type=_HostAndPort(),
    metavar="HOST:PORT",
    help="With dicom: send the messages there over TLS, those that it has not yet.",
)
@click.option(
    "--syslog-ca",
    "authority",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Who may have signed the receiver's certificate, in PEM [default: the system's].",
)
@click.option(
    "--syslog-certificate",
    "certificate",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The certificate to show to the receiver, with its key, in PEM.",
)
@state_option
@root_option
def command(
    *,
    form: str,
    selection: Selection,
    out: Path | None,
    patients: Path | None,
    archived_patients: bool,
    receiver: tuple[str, int] | None,
    authority: Path | None,
    certificate: Path | None,
    state: Path | None,
    root: Path | None,
) -> int:
    """Write the deletions on record for an auditor.

    \b
    csv    a row for each deletion
    dicom  audit messages of DICOM PS3.15 A.5, a line of XML each
    fhir   AuditEvent of FHIR R4 after IHE BALP, a line of JSON each
    ocsf   API Activity of OCSF, a line of JSON each

    A day stands for its beginning, and a TIME without an offset is UTC. A run is that of the DELETE
    or of the proof. A deletion whose proof is not on record is unconfirmed, and comes last. Where a
    run is broken, what stands before the break is written.

    With --syslog nothing is written here: a message goes to a receiver once, so that the same
    command can be run every hour, and goes on where it was interrupted.

    Exit code 3 when a record is broken, 1 when a run cannot be read.

    \b
    Examples:
      reconciler audit export --format csv --since 2026-01-01 --out deletions.csv
      reconciler audit export --format dicom --syslog audit.example.org:6514 --syslog-ca ca.pem
    """
    if form not in _WITH_PATIENTS and (patients is not None or archived_patients):
        name = "--patients" if patients is not None else "--archived-patients"
        raise UsageError(f"{name} is of no use to {form}")
    _check_syslog(form, out, receiver, authority or certificate)
    require_writable(out)
    known = read_patients(patients) if patients is not None else {}
    folder = environment.state_folder(state, find_root(root))
    problems: list[JournalError] = []
    unnamed: dict[str, bool] = {}
    deletions: Deletions = recorded_deletions(
        folder, selection, problems.append, find_emptied=form in _WITH_STUDIES
    )
    if form in _WITH_PATIENTS:
        if archived_patients:
            deletions = _with_archived(deletions, known)
        deletions = _noting_unnamed(deletions, known, unnamed)
    if receiver is not None:
        messages = audit_messages(deletions, known)
        _send(messages, Receiver(*receiver, authority, certificate), folder)
    elif out is None:
        write_document(FORMATS[form](deletions, known))
    else:
        write_file(out, FORMATS[form](deletions, known))
    _say_of_unnamed(unnamed)
    return _account(problems)


def _check_syslog(
    form: str, out: Path | None, receiver: tuple[str, int] | None, tls_file: Path | None
) -> None:
    """Raise UsageError where the options of syslog do not go together."""
    if receiver is None:
        if tls_file is not None:
            raise UsageError("--syslog-ca and --syslog-certificate are of no use without --syslog")
    elif form != "dicom":
        raise UsageError(f"--syslog is of no use to {form}", hint="it sends --format dicom")
    elif out is not None:
        raise UsageError("--syslog and --out cannot be used together")


def _send(messages: Iterable[AuditMessage], receiver: Receiver, state: Path) -> None:
    handover = Handover()
    try:
        with open_ledger(state, str(receiver)) as ledger:
            hand_over(
                messages,
                receiver,
                environment.sender(),
                ledger,
                patience=Patience(),
                sleep=time.sleep,
                handover=handover,
            )
    except ReceiverError:
        say(f"{plural(handover.sent, 'message')} handed over to {receiver}; the rest waits")
        raise
    already = f", {handover.known:,} before" if handover.known else ""
    say(f"{plural(handover.sent, 'message')} handed over to {receiver}{already}")


def _with_archived(deletions: Deletions, known: dict[str, str]) -> Iterator[RecordedDeletion]:
    """The same deletions; patients that are not ``known`` are added to it from the archive."""
    for deletion in deletions:
        study = deletion.instance.study_uid
        if study not in known and deletion.copy is not None:
            patient = archived_patient(deletion.copy)
            if patient is not None:
                known[study] = patient
        yield deletion


def _noting_unnamed(
    deletions: Deletions, known: Mapping[str, str], unnamed: dict[str, bool]
) -> Iterator[RecordedDeletion]:
    """The same deletions; ``unnamed`` gets the studies whose patient id is not known.

    With each it is said whether at least a pseudonym is on record.
    """
    for deletion in deletions:
        study = deletion.instance.study_uid
        if study not in known:
            unnamed[study] = deletion.patient is not None
        yield deletion


def _say_of_unnamed(unnamed: Mapping[str, bool]) -> None:
    pseudonyms = sum(unnamed.values())
    written = {"its pseudonym": pseudonyms, "unknown": len(unnamed) - pseudonyms}
    for written_as, count in written.items():
        if count:
            say(f"note: the patient of {plural(count, 'study')} is written as {written_as}")


def _account(problems: list[JournalError]) -> int:
    for problem in problems:
        report_error(problem)
    if any(isinstance(problem, BrokenJournal) for problem in problems):
        return ExitCode.REFUSED
    return ExitCode.ERROR if problems else ExitCode.SUCCESS
