"""Run the statements of a query: rows for a SELECT, a plan for a DELETE."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path

from reconciler.api.destination import require_writable, write_file
from reconciler.api.listener import Update
from reconciler.api.service import connect
from reconciler.cli import environment
from reconciler.cli.options.listening import beside_document
from reconciler.cli.options.reasons import make_reason
from reconciler.cli.options.stores import find_store
from reconciler.cli.output.console import SHOWN, say, write_document
from reconciler.cli.runs.applying import ApplyOptions
from reconciler.cli.runs.plan_and_apply import plan_and_apply
from reconciler.cli.runs.planning import make_plan, plan_exit_code
from reconciler.cli.runs.query_record import QueryRecord, recorded_query
from reconciler.cli.runs.showing import write_plan_document
from reconciler.errors import ExitCode, UsageError
from reconciler.model.address import StoreAddress
from reconciler.model.row import Row
from reconciler.planning.plan_file import write_plan
from reconciler.query.removal import removes_of
from reconciler.query.retrieval import Tally, select_rows
from reconciler.query.statement import Column, Delete, Select
from reconciler.reporting.export.rows import ROW_FORMATS
from reconciler.reporting.wording import plural


@dataclass(frozen=True, kw_only=True)
class QueryOptions(ApplyOptions):
    """The command line, with the project's folders found; a DELETE may be applied by it."""

    output: Path | None
    specs: Sequence[Path]
    reason: str | None
    ticket: str | None
    reason_text: str | None
    out: Path | None
    apply: bool


def write_rows(rows: list[Row], options: QueryOptions) -> int:
    """Answer with what is known without asking a store."""
    _refuse(options, "a SELECT or a DELETE", *_OF_DELETE, "output")
    write_document(ROW_FORMATS[options.format_name](list(rows[0]), rows))
    return ExitCode.SUCCESS


_OF_DELETE = (
    "reason",
    "ticket",
    "reason_text",
    "out",
    "apply",
    "auto_approve",
    "expect_digest",
    "report",
)


def _refuse(options: QueryOptions, belongs_to: str, *names: str) -> None:
    """Refuse options that the statement has no use for."""
    for name in names:
        if getattr(options, name):
            shown = name.replace("reason_text", "text").replace("_", "-")
            raise UsageError(f"--{shown} belongs to {belongs_to}")


def run_selects(selects: Sequence[Select], options: QueryOptions) -> int:
    """Retrieve; all SELECTs have the same columns, and their rows make one document."""
    _refuse(options, "a DELETE", *_OF_DELETE)
    outputs = selects[0].outputs
    if options.output is not None and Column.DATA not in {one.column for one in outputs}:
        raise UsageError("--output writes what the column data holds", hint="select data")
    known = {
        store: find_store(store, options.specs, options.project.root)
        for store in {one.store for one in selects}
    }
    tally = Tally()
    reads = any(one.column is Column.DATA for one in outputs)
    with recorded_query(sorted(known.values()), options.project.state, reads=reads) as record:
        rows = chain.from_iterable(
            _rows(select, known[select.store], options, tally, record) for select in selects
        )
        with beside_document(is_on_stdout=True).step("retrieving") as update:
            names = [one.name for one in outputs]
            write_document(ROW_FORMATS[options.format_name](names, _counted(rows, update)))
    return _account(tally)


def _counted(rows: Iterator[Row], update: Update) -> Iterator[Row]:
    for number, row in enumerate(rows, start=1):
        yield row
        update(number, None)


def _rows(
    select: Select,
    store: StoreAddress,
    options: QueryOptions,
    tally: Tally,
    record: QueryRecord,
) -> Iterator[Row]:
    with connect(
        environment.service(options.access, store.provider), store.provider, read_only=True
    ) as connection:
        record.begin(str(connection.endpoint), connection.principal)
        yield from select_rows(
            select,
            connection.store(store),
            parallelism=options.access.parallelism,
            output=options.output,
            tally=tally,
            on_read=partial(record.read, store),
        )


def _account(tally: Tally) -> ExitCode:
    if tally.absent:
        say(f"note: {plural(tally.absent, 'instance')} absent")
    for problem in tally.problems[:SHOWN]:
        say(f"error: {problem}")
    if len(tally.problems) > SHOWN:
        say(f"… and {len(tally.problems) - SHOWN:,} more")
    return ExitCode.ERROR if tally.problems else ExitCode.SUCCESS


def run_delete(delete: Delete, path: str, sql: str, options: QueryOptions) -> int:
    """Make a plan, and show, save or apply it; ``path`` is how the statement is named in it."""
    _refuse(options, "a SELECT", "output")
    if not options.apply:
        _refuse(options, "--apply", "auto_approve", "expect_digest", "report")
    elif options.out is not None:
        raise UsageError("--out saves the plan for a later apply, --apply applies it now")
    if options.format_name != "table":
        raise UsageError(
            "--format is about rows, and a DELETE becomes a plan",
            hint="save it with --out, then: reconciler show PLAN --format json",
        )
    require_writable(options.out, options.report)
    reason = make_reason(options.reason, options.ticket, options.reason_text, asking="a DELETE")
    store = find_store(delete.store, options.specs, options.project.root)
    removes = removes_of(delete, store=store, reason=reason, path=path, text=sql)
    request = options.plan_request(options.specs, removes)
    if options.apply:
        return plan_and_apply(request, replace(options, format_name="text"))
    saved = make_plan(request)
    if options.out is not None:
        write_file(options.out, write_plan(saved))
    write_plan_document(saved)
    return plan_exit_code(saved)
