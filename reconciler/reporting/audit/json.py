"""An audit report for machines: ``schemas/audit-report.schema.json``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from reconciler.json_codec import codec_of
from reconciler.model.audit import AuditReport, Coverage
from reconciler.model.deletion import RecordedDeletion
from reconciler.reporting.json_lines import json_in_lines

FORMAT_VERSION = "1.0"


def audit_as_json(report: AuditReport, deletions: Iterable[RecordedDeletion]) -> Iterator[str]:
    """Render in pieces, a deletion a line."""
    header = {
        **codec_of(AuditReport).write(report, {"format_version": FORMAT_VERSION}),
        "unproven": len(report.unproven),
        "by_month": report.by_month,
        "coverage": [
            codec_of(Coverage).write(one, {"asked": one.asked, "proven": one.proven})
            for one in report.coverage
        ],
        "problems": report.problems,
    }
    yield from json_in_lines(header, "deletions", map(_deletion, deletions))


def _deletion(deletion: RecordedDeletion) -> dict[str, object]:
    codec = codec_of(RecordedDeletion)
    members = codec.write(deletion, {"actor": deletion.actor})
    written = {key: value for key, value in members.items() if key not in codec.left}
    return written | {"run": deletion.run.run}
