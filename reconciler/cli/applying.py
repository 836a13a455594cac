"""Run an apply from the command line: connect, let signals stop it, say what came of it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path

from reconciler import __version__
from reconciler.applying.apply import Applied, Apply, ApplySettings
from reconciler.applying.stopping import Stop
from reconciler.cli import environment, github
from reconciler.cli.archives import require_archives_outside
from reconciler.cli.console import report_error, say, write_document
from reconciler.cli.destination import write_file
from reconciler.cli.events import Events
from reconciler.cli.formats import REPORT_FORMS, Writes
from reconciler.cli.kept_plan import keep_plan
from reconciler.cli.other_services import note_other_services
from reconciler.cli.patience import make_patience
from reconciler.cli.progress import progress
from reconciler.cli.project import status_command
from reconciler.cli.recording import record_nothing_done
from reconciler.cli.signals import stopped_by_signals
from reconciler.errors import ExitCode, ReconcilerError
from reconciler.journal.folder import run_file
from reconciler.journal.history import History, has_runs
from reconciler.live.connection import Connection
from reconciler.live.endpoint import Endpoint
from reconciler.live.stages import ProbeMode
from reconciler.model.address import InstanceAddress, Provider
from reconciler.model.outcome import ApplyReport, InstanceResult, RunState
from reconciler.model.patient import PatientKey
from reconciler.model.plan import SavedPlan, Why
from reconciler.model.provenance import Provenance
from reconciler.planning.acceptance import require_endpoint
from reconciler.reporting.events import (
    apply_result_event,
    apply_start_event,
    apply_summary_event,
)
from reconciler.reporting.report_markdown import report_as_markdown
from reconciler.reporting.step_outputs import report_outputs
from reconciler.reporting.wording import apply_line, plural, traffic_line

REPROBE_SECONDS = 30.0
"""How long an instance that is still there after its deletion is looked for again."""

_BEFORE = "the plan was applied before"
_NOTHING = "the plan deletes nothing"


@dataclass(frozen=True, slots=True)
class ApplyOptions:
    """The command line, with the project's folders found."""

    auto_approve: bool
    expect_digest: str | None
    require_clean: bool
    report: Path | None
    form: str
    writes: Writes
    events: Events
    stop_after_failures: int
    max_age: timedelta
    endpoint: str | None
    parallelism: int
    max_qps: float | None
    state: Path
    root: Path
    patient_key: PatientKey | None = None
    probe: str = ProbeMode.AUTO.value


def apply_plan(
    saved: SavedPlan,
    options: ApplyOptions,
    accept: Callable[[History], None],
) -> int:
    """Apply a plan and report; the exit code. One that does nothing is on record as such.

    ``accept`` gets the record as it stands before, and raises `Refused` where the plan may not go
    on. What is accepted is kept in the state folder, so that it can be resumed.
    """
    run = environment.new_run_name(environment.now())
    principal: str | None = None

    def record_if_nothing(exit_code: int, detail: str) -> None:
        """Even a refused apply has a record of its own where it settled what was left open."""
        if not run_file(options.state, run).exists():
            record_nothing_done(
                "apply",
                exit_code,
                detail,
                options.state,
                run=run,
                saved=saved,
                principal=principal,
            )

    stop = Stop()
    with stopped_by_signals(stop) as signals:
        try:
            endpoint = _endpoint(saved, options)
            with environment.connect(
                endpoint,
                provider=_provider(saved),
                read_only=False,
                parallelism=options.parallelism,
                max_qps=options.max_qps,
                stop=stop.event,
            ) as connection:
                principal = connection.principal
                applied = _apply(saved, options, accept, run=run, connection=connection, stop=stop)
        except ReconcilerError as error:
            if signals.exit_code is None:
                record_if_nothing(error.exit_code, str(error))
                raise
            report_error(error)
            record_if_nothing(signals.exit_code, stop.reason or "")
            return signals.exit_code
    record_if_nothing(applied.exit_code, _BEFORE if applied.is_earlier else _NOTHING)
    return _finish(applied, options, signals.exit_code)


def _provider(saved: SavedPlan) -> Provider:
    return environment.provider_of(store.store for store in saved.plan.stores)


def _endpoint(saved: SavedPlan, options: ApplyOptions) -> Endpoint:
    """Where the service is, once the plan turns out to be for it and to keep apart what it must."""
    endpoint = environment.endpoint(options.endpoint, _provider(saved))
    require_endpoint(saved, str(endpoint))
    require_archives_outside(saved.plan, options.state)
    note_other_services((store.store for store in saved.plan.stores), str(endpoint), options.state)
    if saved.plan.has_deletions and not has_runs(options.state):
        say(
            f"note: {options.state} holds no earlier run; if this plan was applied with another"
            " state folder, only its expiry stops it from being applied again"
        )
    return endpoint


def _apply(
    saved: SavedPlan,
    options: ApplyOptions,
    accept: Callable[[History], None],
    *,
    run: str,
    connection: Connection,
    stop: Stop,
) -> Applied:
    """Do it, and let progress and events tell of it."""
    settings = _settings(options, run, connection.nobody())
    total = saved.plan.count(Why.LISTED)
    done = itertools.count(1)

    def accept_and_tell(history: History) -> None:
        accept(history)
        if saved.plan.has_deletions:
            keep_plan(saved, options.state)
        options.events.emit([apply_start_event(saved, settings.run)])

    with progress("deleting") as counter:

        def on_result(result: InstanceResult) -> None:
            counter.update(next(done), total)
            options.events.emit([apply_result_event(result)])

        applied = Apply(
            saved=saved,
            stores={store.store: connection.store(store.store) for store in saved.plan.stores},
            state=options.state,
            settings=settings,
            accept=accept_and_tell,
            stop=stop,
            now=environment.now,
            on_result=on_result,
            provenance=lambda: Provenance(
                connection.principal, environment.requester(), saved.plan.inputs, saved.git
            ),
        ).run()
    if applied.is_earlier:
        return applied
    say(f"sent {traffic_line(connection.traffic)}")
    return replace(applied, report=replace(applied.report, traffic=connection.traffic))


def _settings(options: ApplyOptions, run: str, nobody: InstanceAddress) -> ApplySettings:
    return ApplySettings(
        run=run,
        holder=environment.holder(run),
        tool_version=__version__,
        patience=make_patience(REPROBE_SECONDS),
        nobody=nobody,
        parallelism=options.parallelism,
        stop_after=options.stop_after_failures,
        patient_key=options.patient_key,
    )


def _finish(applied: Applied, options: ApplyOptions, signalled: ExitCode | None) -> int:
    exit_code = applied.exit_code
    if applied.is_earlier:
        say("this plan was applied before; this is what came of it, and nothing was done now")
        if applied.put_back:
            say(f"  put back by a restore since: {plural(applied.put_back, 'instance')}")
        if not applied.report.is_success:
            say("  hint: make a new plan for what is left")
    elif signalled is not None and not applied.report.is_success:
        exit_code = signalled
    if applied.report.state in {RunState.INTERRUPTED, RunState.STOPPED}:
        say(f"to resume it, see: {status_command(options.state)}")
    for bag in applied.bags:
        say(f"archived in {bag}; to undo: reconciler restore {applied.report.run}")
    shown = REPORT_FORMS[options.form](applied.report, exit_code)
    _tell_github(applied.report)
    exit_code = _write_reports(applied, options, exit_code)
    options.events.emit([apply_summary_event(applied.report, exit_code)])
    # Last, since a reader of it may be gone, and what is on disk by now is not lost then.
    write_document(shown)
    return exit_code


def _tell_github(report: ApplyReport) -> None:
    github.summarize(partial(report_as_markdown, report))
    github.set_outputs(report_outputs(report))
    if not report.is_success:
        github.annotate_error(apply_line(report), report.stopped_because)


def _write_reports(applied: Applied, options: ApplyOptions, exit_code: int) -> int:
    """Write the files; a code that says more than "error" outlasts a failure to."""
    targets = list(options.writes)
    if options.report is not None:
        targets.append(("json", options.report))
    for form, path in targets:
        try:
            write_file(path, REPORT_FORMS[form](applied.report, exit_code))
        except ReconcilerError as error:
            report_error(error)
            exit_code = exit_code or error.exit_code
    return exit_code
