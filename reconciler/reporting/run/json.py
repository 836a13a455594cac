"""The result of an apply or a restore for machines: ``schemas/report.schema.json``."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.json_codec import codec_of
from reconciler.model.outcome import InstanceResult, RunReport
from reconciler.reporting.json_lines import json_in_lines
from reconciler.reporting.wording import in_order, named_counts

FORMAT_VERSION = "1.0"


def report_as_json(report: RunReport, exit_code: int) -> Iterator[str]:
    """Render in pieces, an unproven instance a line."""
    start = {"format_version": FORMAT_VERSION, "exit_code": exit_code, "planned": report.planned}
    header = codec_of(RunReport).write(report, start) | {"counts": named_counts(report)}
    del header["unproven"]
    unproven = map(codec_of(InstanceResult).write, in_order(report.unproven))
    yield from json_in_lines(header, "unproven", unproven)
