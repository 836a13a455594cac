"""``reconciler audit export``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import click

from reconciler.audit.patients import read_patients
from reconciler.audit.selection import recorded_deletions
from reconciler.cli import environment
from reconciler.cli.console import report_error, require_writable, say, write_document, write_file
from reconciler.cli.options import root_option, state_option
from reconciler.cli.project import find_root
from reconciler.cli.record_selection import selection_options
from reconciler.errors import BrokenJournal, ExitCode, JournalError, UsageError
from reconciler.model.audit import Selection
from reconciler.model.deletion import RecordedDeletion
from reconciler.reporting.deletions_csv import deletions_as_csv
from reconciler.reporting.dicom_audit import audit_messages, messages_as_lines
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
_WITH_PATIENTS = frozenset({"dicom", "fhir"})
_WITH_STUDIES = frozenset({"dicom"})
"""The forms that say when a study was emptied."""


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
@state_option
@root_option
def command(
    *,
    form: str,
    selection: Selection,
    out: Path | None,
    patients: Path | None,
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

    Exit code 3 when a record is broken, 1 when a run cannot be read.

    \b
    Examples:
      reconciler audit export --format csv --since 2026-01-01 --out deletions.csv
    """
    if patients is not None and form not in _WITH_PATIENTS:
        raise UsageError(f"--patients is of no use to {form}")
    require_writable(out)
    known = read_patients(patients) if patients is not None else {}
    folder = environment.state_folder(state, find_root(root))
    problems: list[JournalError] = []
    unknown: set[str] = set()
    deletions: Deletions = recorded_deletions(
        folder, selection, problems.append, find_emptied=form in _WITH_STUDIES
    )
    if form in _WITH_PATIENTS:
        deletions = _noting_unknown(deletions, known, unknown)
    pieces = FORMATS[form](deletions, known)
    if out is None:
        write_document(pieces)
    else:
        write_file(out, pieces)
    if unknown:
        say(f"note: the patient of {plural(len(unknown), 'study')} is written as unknown")
    return _account(problems)


def _noting_unknown(
    deletions: Deletions, known: Mapping[str, str], unknown: set[str]
) -> Iterator[RecordedDeletion]:
    """The same deletions; the studies whose patient is not known are added to ``unknown``."""
    for deletion in deletions:
        if deletion.instance.study_uid not in known:
            unknown.add(deletion.instance.study_uid)
        yield deletion


def _account(problems: list[JournalError]) -> int:
    for problem in problems:
        report_error(problem)
    if any(isinstance(problem, BrokenJournal) for problem in problems):
        return ExitCode.REFUSED
    return ExitCode.ERROR if problems else ExitCode.SUCCESS
