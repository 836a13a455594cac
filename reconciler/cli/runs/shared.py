"""What `apply` and `restore` share: their options, their settings, and how they end."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click

from reconciler import __version__
from reconciler.applying.run import RunSettings
from reconciler.applying.sending import RetryBudget
from reconciler.cli import environment
from reconciler.cli.ci import github
from reconciler.cli.options.events import NO_EVENTS, Events, events_option, opened_events
from reconciler.cli.options.formats import REPORT_FORMATS, Writes, format_options
from reconciler.cli.options.path_type import PATH
from reconciler.cli.options.project import status_command
from reconciler.cli.options.shared import Decorator, together
from reconciler.cli.options.stores import access_options
from reconciler.cli.output.console import report_error, say, write_document
from reconciler.cli.output.destination import require_writable, write_file
from reconciler.cli.output.progress import progress
from reconciler.errors import ReconcilerError
from reconciler.journal.places.members import LONGEST
from reconciler.journal.state import State
from reconciler.live.http.retry import RetryPolicy
from reconciler.model.outcome import InstanceResult, RunReport, RunState
from reconciler.reporting.events import result_event, summary_event
from reconciler.reporting.run.markdown import report_as_markdown
from reconciler.reporting.run.step_outputs import report_outputs
from reconciler.reporting.wording import report_line

VERIFY_SECONDS = 30.0
"""How long an instance that is not yet as it should be after a request is looked for again."""

_STOP_AFTER = 10
_LEASE = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """The options of every run, with the project's folders found."""

    report: Path | None
    format_name: str
    writes: Writes = ()
    events: Events = NO_EVENTS
    stop_after_failures: int = _STOP_AFTER
    lease: float = _LEASE
    access: environment.Access
    state: State

    def settings(self, run: str) -> RunSettings:
        """How the run of this name goes about it."""
        return RunSettings(
            run=run,
            holder=environment.holder(run),
            tool_version=__version__,
            budget=retry_budget(VERIFY_SECONDS),
            parallelism=self.access.parallelism,
            stop_after=self.stop_after_failures,
            lease=self.lease,
        )


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
            default=_STOP_AFTER,
            envvar="RECONCILER_STOP_AFTER_FAILURES",
            show_envvar=True,
            show_default=True,
            metavar="N",
            help=stop_help,
        ),
        click.option(
            "--lease",
            type=_lease,
            default=_LEASE,
            show_default=True,
            metavar="SECONDS",
            help="With state in a bucket: how long the lock outlives the run's last sign of life.",
        ),
        access_options,
    )


@contextmanager
def opened_run(
    command: str, events: Path | None, report: Path | None, writes: Writes
) -> Iterator[Events]:
    """Make sure that every file of a run can be written, then begin its events.

    That is before anything is opened, whose descriptor one of them could name.

    Raises:
        UsageError: one cannot be written.
    """
    require_writable(events, report, *(path for _, path in writes))
    with opened_events(events, command) as opened:
        yield opened


@contextmanager
def reported_results(
    title: str, total: int, events: Events
) -> Iterator[Callable[[InstanceResult], None]]:
    """Report each result, by progress and as an event."""
    done = itertools.count(1)
    with progress(title) as counter:

        def on_result(result: InstanceResult) -> None:
            counter.update(next(done), total)
            events.emit([result_event(result)])

        yield on_result


def retry_budget(verify_for: float) -> RetryBudget:
    """The default policy, with randomness from this machine; ``verify_for`` is in seconds."""
    policy, random = RetryPolicy(), environment.jitter()
    lock = threading.Lock()

    def backoff(attempt: int, retry_after: float | None) -> float:
        with lock:
            jitter = random.random()
        return policy.wait(attempt, retry_after=retry_after, jitter=jitter)

    return RetryBudget(backoff, policy.deadline, verify_for)


def finish(report: RunReport, options: RunOptions, exit_code: int) -> int:
    """Write the report in every format that is asked for; the exit code, with what failed now."""
    if report.state in {RunState.INTERRUPTED, RunState.STOPPED}:
        say(f"to resume it, see: {status_command(options.state)}")
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
