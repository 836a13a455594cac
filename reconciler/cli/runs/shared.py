"""What `apply` and `restore` share: their options, their settings, and how they end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import click

from reconciler.api.destination import require_writable, write_file
from reconciler.api.formats import REPORT_FORMATS
from reconciler.api.project import Project
from reconciler.api.running import LEASE, STOP_AFTER
from reconciler.api.unfinished import status_command
from reconciler.cli import environment
from reconciler.cli.ci import github
from reconciler.cli.options.events import NO_EVENTS, Events, events_option, opened_events
from reconciler.cli.options.formats import Writes, format_options
from reconciler.cli.options.listening import Console
from reconciler.cli.options.path_type import PATH
from reconciler.cli.options.shared import Decorator, together
from reconciler.cli.options.stores import access_options
from reconciler.cli.output.console import report_error, say, write_document
from reconciler.errors import ReconcilerError
from reconciler.journal.places.members import LONGEST
from reconciler.model.outcome import RunReport, RunState
from reconciler.reporting.events import summary_event
from reconciler.reporting.run.markdown import report_as_markdown
from reconciler.reporting.run.step_outputs import report_outputs
from reconciler.reporting.wording import report_line


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """The options of every run, with the project opened."""

    report: Path | None
    format_name: str
    writes: Writes = ()
    events: Events = NO_EVENTS
    stop_after_failures: int = STOP_AFTER
    lease: float = LEASE
    access: environment.Access
    project: Project

    @cached_property
    def listener(self) -> Console:
        """Who hears of the run."""
        return Console(self.events)


def _lease(value: str) -> float:
    seconds = float(value)
    if not 0 < seconds <= LONGEST:  # nan is neither
        raise click.BadParameter(f"{value} is not above 0 and at most {LONGEST:g}")
    return seconds


def run_options(stop_help: str) -> Decorator:
    """Add the options of every run; ``stop_help`` says what ``--stop-after-failures`` counts."""
    return together(
        format_options(REPORT_FORMATS),
        events_option,
        click.option(
            "--report",
            type=PATH,
            metavar="FILE",
            help="Write the result as JSON; the same as --write json=FILE.",
        ),
        click.option(
            "--stop-after-failures",
            type=click.IntRange(min=1),
            default=STOP_AFTER,
            envvar="RECONCILER_STOP_AFTER_FAILURES",
            show_envvar=True,
            show_default=True,
            metavar="N",
            help=stop_help,
        ),
        click.option(
            "--lease",
            type=_lease,
            default=LEASE,
            show_default=True,
            metavar="SECONDS",
            help="With state in a bucket: how long the lock outlives the run's last sign of life.",
        ),
        access_options,
    )


@contextmanager
def opened_run(
    command: str,
    events: Path | None,
    report: Path | None,
    writes: Writes,
    read: Iterable[Path | str] = (),
) -> Iterator[Events]:
    """Make sure that every file of a run can be written, and none is ``read``; begin its events.

    That is before anything is opened, whose descriptor one of them could name.

    Raises:
        UsageError: one cannot be written.
    """
    require_writable(events, report, *(path for _, path in writes), read=read)
    with opened_events(events, command) as opened:
        yield opened


def finish(report: RunReport, options: RunOptions, exit_code: int) -> int:
    """Write the report in every format that is asked for; the exit code, with what failed now."""
    if report.state in {RunState.INTERRUPTED, RunState.STOPPED}:
        say(f"to resume it, see: {status_command(options.project.state)}")
    shown = REPORT_FORMATS[options.format_name](report, exit_code)
    github.summarize(partial(report_as_markdown, report))
    github.set_outputs(report_outputs(report))
    if not report.is_success:
        github.annotate_error(report_line(report), report.stopped_because)
    exit_code = _write_reports(report, options, exit_code)
    options.events.emit([summary_event(report, exit_code)])
    # Last, since a reader of it may be gone, and what is on disk by now is not lost then.
    write_document(shown)
    return exit_code


def _write_reports(report: RunReport, options: RunOptions, exit_code: int) -> int:
    """Write the files; a code that says more than "error" outlasts a failure to."""
    targets = list(options.writes)
    if options.report is not None:
        targets.append(("json", options.report))
    for format_name, path in targets:
        try:
            write_file(path, REPORT_FORMATS[format_name](report, exit_code))
        except ReconcilerError as error:
            report_error(error)
            exit_code = exit_code or error.exit_code
    return exit_code
