"""``reconciler query``."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain
from pathlib import Path
from typing import Any

import click

from reconciler.cli import environment
from reconciler.cli.applying import ApplyOptions
from reconciler.cli.console import SHOWN, require_writable, say, write_document, write_file
from reconciler.cli.formats import render
from reconciler.cli.fresh import apply_fresh
from reconciler.cli.options import max_age_option, root_option, state_option, store_options
from reconciler.cli.planning import PlanRequest, make_saved_plan, plan_exit_code
from reconciler.cli.project import find_root
from reconciler.cli.reasons import make_reason, reason_options
from reconciler.cli.stores import find_store
from reconciler.errors import ExitCode, UsageError
from reconciler.live.connection import Connection
from reconciler.model.address import StoreAddress
from reconciler.model.row import Row
from reconciler.planning.plan_file import write_plan
from reconciler.query.parsing import read_statements
from reconciler.query.removal import removes_of
from reconciler.query.resource import describe, show_methods
from reconciler.query.retrieval import Tally, select_rows
from reconciler.query.statement import Column, Delete, Describe, Select, ShowMethods
from reconciler.reporting.rows import ROW_FORMATS
from reconciler.reporting.wording import plural


class _Variable(click.ParamType[tuple[str, str]]):
    """``NAME=VALUE``."""

    name = "name=value"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """Split at the first ``=``."""
        if isinstance(value, tuple):
            return value
        name, separator, text = str(value).partition("=")
        if not separator or not name.isidentifier():
            self.fail(f"{value!r} is not NAME=VALUE", param, ctx)
        return name, text


@dataclass(frozen=True, slots=True)
class _Options:
    """The command line, with the project's folders found."""

    form: str
    output: Path | None
    specs: Sequence[Path]
    reason: str | None
    ticket: str | None
    reason_text: str | None
    out: Path | None
    apply: bool
    auto_approve: bool
    expect_digest: str | None
    report: Path | None
    max_age: timedelta
    endpoint: str | None
    parallelism: int
    max_qps: float | None
    state: Path
    root: Path


@click.command(name="query")
@click.argument("text", required=False)
@click.option("--file", type=click.Path(path_type=Path), metavar="FILE", help="Read the SQL there.")
@click.option(
    "--var",
    "variables",
    type=_Variable(),
    multiple=True,
    metavar="NAME=VALUE",
    help="Fill '{{ NAME }}' in the SQL; repeatable.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(list(ROW_FORMATS)),
    default="table",
    show_default=True,
    help="What stdout carries for rows.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Write the instances below DIR, and in the column data where.",
)
@click.option(
    "--specs",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="PATH",
    help="Further desired-state files whose keeps veto a DELETE; repeatable.",
)
@reason_options
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="FILE", help="Save a DELETE's plan for apply."
)
@click.option("--apply", is_flag=True, help="Apply a DELETE's plan after a 'yes'.")
@click.option("--auto-approve", is_flag=True, help="With --apply: do not ask; for machines.")
@click.option(
    "--expect-digest", metavar="DIGEST", help="With --apply: go on only with this digest."
)
@click.option(
    "--report",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="With --apply: write the result as JSON.",
)
@max_age_option
@store_options
@state_option
@root_option
def command(
    *,
    text: str | None,
    file: Path | None,
    variables: tuple[tuple[str, str], ...],
    state: Path | None,
    root: Path | None,
    **given: object,
) -> int:
    """Run the SQL of the resource google.healthcare.instances.

    TEXT is the SQL, or - for standard input. SELECT retrieves what its columns need and no more;
    DELETE never deletes by itself: it becomes a plan, with the gates, the keeps of specs/ and the
    proofs of every plan. SHOW METHODS IN and DESCRIBE tell about the resource.

    Exit code 1 when something that was asked for could not be answered; those of plan and apply
    for a DELETE.

    \b
    Examples:
      reconciler query "DESCRIBE google.healthcare.instances"
      reconciler query --file select.sql --var instancesId=1.2.3.4 --format json
      reconciler query --file delete.sql --reason 113039 --ticket RET-1 --out plan.json
    """
    path, sql = _read(text, file)
    statements = read_statements(sql, path=path, variables=dict(variables))
    project = find_root(root)
    options = _Options(
        root=project,
        state=environment.state_folder(state, project),
        **given,  # type: ignore[arg-type]  # click hands over exactly the options above
    )
    match statements[0]:
        case ShowMethods():
            return _tell(list(show_methods()), options)
        case Describe():
            return _tell(list(describe()), options)
        case Delete() as delete:
            filled = "".join(f"\n-- {name}={value}" for name, value in sorted(variables))
            return _delete(delete, path, sql + filled, options)
    return _select([one for one in statements if isinstance(one, Select)], options)


def _read(text: str | None, file: Path | None) -> tuple[str, str]:
    """How the SQL is named in messages, plans and records, and the SQL."""
    if (text is None) == (file is None):
        raise UsageError(
            "give the SQL as TEXT or as --file FILE, and not both",
            hint="- as TEXT reads standard input",
        )
    try:
        if file is not None:
            return file.as_posix(), file.read_text(encoding="utf-8")
        if text == "-":
            return "<stdin>", sys.stdin.read()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
        raise UsageError(f"cannot read {file or 'standard input'}: {reason}") from error
    return "<query>", text or ""


def _tell(rows: list[Row], options: _Options) -> int:
    _refuse(options, "a SELECT or a DELETE", *_OF_DELETE, "output")
    write_document(ROW_FORMATS[options.form](list(rows[0]), rows))
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


def _refuse(options: _Options, belongs_to: str, *names: str) -> None:
    """Refuse options that the statement has no use for."""
    for name in names:
        if getattr(options, name):
            shown = name.replace("reason_text", "text").replace("_", "-")
            raise UsageError(f"--{shown} belongs to {belongs_to}")


def _select(selects: Sequence[Select], options: _Options) -> int:
    _refuse(options, "a DELETE", *_OF_DELETE)
    outputs = selects[0].outputs
    if options.output is not None and Column.DATA not in {one.column for one in outputs}:
        raise UsageError("--output writes what the column data holds", hint="select data")
    known = [find_store(one.store, options.specs, options.root) for one in selects]
    tally = Tally()
    rows = chain.from_iterable(
        _rows(select, store, options, tally) for select, store in zip(selects, known, strict=True)
    )
    write_document(ROW_FORMATS[options.form]([one.name for one in outputs], rows))
    return _account(tally)


def _rows(select: Select, store: StoreAddress, options: _Options, tally: Tally) -> Iterator[Row]:
    with _connect(store, options) as connection:
        yield from select_rows(
            select,
            connection.store(store),
            parallelism=options.parallelism,
            output=options.output,
            tally=tally,
        )


def _connect(store: StoreAddress, options: _Options) -> Connection:
    return environment.connect(
        environment.endpoint(options.endpoint, store.provider),
        provider=store.provider,
        read_only=True,
        parallelism=options.parallelism,
        max_qps=options.max_qps,
        stop=threading.Event(),
    )


def _account(tally: Tally) -> ExitCode:
    if tally.absent:
        say(f"note: {plural(tally.absent, 'instance')} absent")
    for problem in tally.problems[:SHOWN]:
        say(f"error: {problem}")
    if len(tally.problems) > SHOWN:
        say(f"… and {len(tally.problems) - SHOWN:,} more")
    return ExitCode.ERROR if tally.problems else ExitCode.SUCCESS


def _delete(delete: Delete, path: str, sql: str, options: _Options) -> int:
    _refuse(options, "a SELECT", "output")
    if not options.apply:
        _refuse(options, "--apply", "auto_approve", "expect_digest", "report")
    elif options.out is not None:
        raise UsageError("--out saves the plan for a later apply, --apply applies it now")
    if options.form != "table":
        raise UsageError(
            "--format is about rows, and a DELETE becomes a plan",
            hint="save it with --out, then: reconciler show PLAN --format json",
        )
    require_writable(options.out, options.report)
    reason = make_reason(options.reason, options.ticket, options.reason_text, asking="a DELETE")
    store = find_store(delete.store, options.specs, options.root)
    request = PlanRequest(
        paths=options.specs,
        root=options.root,
        state=options.state,
        endpoint=options.endpoint,
        parallelism=options.parallelism,
        max_qps=options.max_qps,
        max_age=options.max_age,
        queried=removes_of(delete, store=store, reason=reason, path=path, text=sql),
    )
    if options.apply:
        return apply_fresh(request, _apply_options(options))
    saved = make_saved_plan(request)
    if options.out is not None:
        write_file(options.out, write_plan(saved))
    write_document(render(saved, "text"))
    return plan_exit_code(saved)


def _apply_options(options: _Options) -> ApplyOptions:
    return ApplyOptions(
        auto_approve=options.auto_approve,
        expect_digest=options.expect_digest,
        require_clean=False,
        report=options.report,
        stop_after_failures=10,
        max_age=options.max_age,
        endpoint=options.endpoint,
        parallelism=options.parallelism,
        max_qps=options.max_qps,
        state=options.state,
        root=options.root,
    )
