"""``reconciler apply``."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import click

from reconciler import __version__
from reconciler.applying.apply import Applied, Apply, ApplySettings
from reconciler.applying.stopping import Stop
from reconciler.cli import environment
from reconciler.cli.approval import require_approval, require_terminal
from reconciler.cli.archives import require_archives_outside
from reconciler.cli.console import require_writable, say, write_document, write_file
from reconciler.cli.formats import render
from reconciler.cli.options import (
    DEFAULT_PATH,
    max_age_option,
    paths_argument,
    root_option,
    state_option,
    store_options,
)
from reconciler.cli.patience import make_patience
from reconciler.cli.planning import PlanRequest, make_saved_plan
from reconciler.cli.progress import progress
from reconciler.cli.project import find_root, git_state
from reconciler.cli.signals import stopped_by_signals
from reconciler.desired import load_desired_state
from reconciler.errors import (
    DesiredStateError,
    ExitCode,
    JournalError,
    PlanRefused,
    Refused,
    UsageError,
)
from reconciler.journal.folder import make_folder
from reconciler.journal.history import History
from reconciler.model.outcome import InstanceResult, RunState
from reconciler.model.plan import SavedPlan
from reconciler.planning.acceptance import (
    require_clean,
    require_digest,
    require_endpoint,
    require_same_inputs,
    require_unexpired,
)
from reconciler.planning.gates import gates_of, require_open_gates
from reconciler.planning.plan_file import read_plan, write_plan
from reconciler.reporting.report_json import report_as_json
from reconciler.reporting.report_text import report_as_text

REPROBE_SECONDS = 30.0
"""How long an instance that is still there after its deletion is looked for again."""


@dataclass(frozen=True, slots=True)
class _Options:
    """The command line, with the project's folders found."""

    auto_approve: bool
    expect_digest: str | None
    require_clean: bool
    report: Path | None
    stop_after_failures: int
    max_age: timedelta
    endpoint: str | None
    parallelism: int
    max_qps: float | None
    state: Path
    root: Path


@click.command(name="apply")
@paths_argument
@click.option("--auto-approve", is_flag=True, help="Do not ask; for machines.")
@click.option(
    "--expect-digest",
    metavar="DIGEST",
    help="Go on only if the plan has this digest, the one that was reviewed.",
)
@click.option(
    "--require-clean",
    is_flag=True,
    help="Go on only if the input files are those of a git commit, unchanged since the plan.",
)
@click.option(
    "--report",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the result as JSON.",
)
@click.option(
    "--stop-after-failures",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    metavar="N",
    help="Stop after so many unproven deletions in a row.",
)
@max_age_option
@store_options
@state_option
@root_option
def command(
    *, paths: tuple[Path, ...], state: Path | None, root: Path | None, **given: object
) -> int:
    """Delete what a plan says, prove it and record it.

    PATHS is one saved plan (plan.json), or desired-state files and folders (default: specs/),
    which are planned first, shown, and applied after a 'yes'.

    Exit code 0 when every planned deletion is proven, 3 when the plan is refused, 4 when
    something failed, is unconfirmed or was not attempted, 5 when another run holds the lock.
    After an interruption the same command resumes.

    \b
    Examples:
      reconciler apply plan.json --report report.json
      reconciler apply specs/
      reconciler apply specs/ --auto-approve --expect-digest sha256:…
    """
    project = find_root(root)
    options = _Options(
        root=project,
        state=environment.state_folder(state, project),
        **given,  # type: ignore[arg-type]  # click hands over exactly the options above
    )
    require_writable(options.report)
    if any(path.suffix == ".json" for path in paths):
        return _apply_saved(paths, options)
    return _apply_fresh(paths, options)


def _apply_saved(paths: tuple[Path, ...], options: _Options) -> int:
    if len(paths) != 1:
        raise UsageError("a saved plan is applied alone", hint="give one plan file and no PATH")
    saved = read_plan(paths[0])
    return _apply(saved, options, lambda: _require_acceptable(saved, options))


def _require_acceptable(saved: SavedPlan, options: _Options) -> None:
    """Refuse a saved plan that the world has left behind."""
    require_unexpired(saved, environment.now())
    _require_digest(saved, options)
    try:
        paths = [options.root / path for path in saved.plan.paths]
        inputs = load_desired_state(paths, root=options.root).inputs
    except DesiredStateError as error:
        raise PlanRefused(
            f"the input files are not those that were planned: {error.problems[0]}",
            hint="make the plan again",
        ) from error
    require_same_inputs(saved, inputs)
    if options.require_clean:
        require_clean(saved, git_state(options.root, inputs))
    require_open_gates(gates_of(saved))


def _require_digest(saved: SavedPlan, options: _Options) -> None:
    if options.expect_digest is not None:
        require_digest(saved.digest, options.expect_digest)


def _apply_fresh(paths: tuple[Path, ...], options: _Options) -> int:
    if not options.auto_approve:
        require_terminal()
    saved = make_saved_plan(
        PlanRequest(
            paths=paths or (options.root / DEFAULT_PATH,),
            root=options.root,
            state=options.state,
            endpoint=environment.endpoint(options.endpoint),
            parallelism=options.parallelism,
            max_qps=options.max_qps,
            max_age=options.max_age,
        )
    )
    write_document(render(saved, "text"))
    refusal = _refusal(saved, options)

    def accept() -> None:
        if refusal is not None:
            raise refusal
        _require_acceptable(saved, options)

    return _apply(saved, options, accept)


def _refusal(saved: SavedPlan, options: _Options) -> Refused | None:
    """Why a fresh plan may not be applied; asks the user where nothing else speaks against it."""
    try:
        _require_digest(saved, options)
        require_open_gates(gates_of(saved))
        if saved.plan.has_deletions:
            _save(saved, options)
            if not options.auto_approve:
                require_approval()
    except Refused as refusal:
        return refusal
    return None


def _save(saved: SavedPlan, options: _Options) -> None:
    """Keep the plan in the state folder, so that an interrupted apply can be resumed."""
    folder = options.state / "plans"
    try:
        make_folder(folder)
    except OSError as error:
        raise JournalError(
            f"the state folder {options.state} cannot be written: {error.strerror or error}",
            hint="nothing was deleted; see to it, or name another with --state",
        ) from error
    path = folder / f"{saved.plan_id}.json"
    write_file(path, write_plan(saved))
    say(f"plan saved: {path}; after an interruption, resume with: reconciler apply {path}")


def _apply(saved: SavedPlan, options: _Options, accept: Callable[[], None]) -> int:
    endpoint = environment.endpoint(options.endpoint)
    require_endpoint(saved, str(endpoint))
    require_archives_outside(saved.plan, options.state)
    if saved.plan.has_deletions and History.read(options.state).is_empty:
        say(
            f"note: {options.state} holds no earlier run, so that a plan is applied only once"
            " rests on its expiry alone"
        )
    stop = Stop()
    with (
        stopped_by_signals(stop) as signals,
        environment.connect(
            endpoint,
            read_only=False,
            parallelism=options.parallelism,
            max_qps=options.max_qps,
            stop=stop.event,
        ) as connection,
        progress("deleting") as counter,
    ):
        total = sum(1 for store in saved.plan.stores for _ in store.deletions())
        done = itertools.count(1)

        def on_result(_result: InstanceResult) -> None:
            counter.update(next(done), total)

        applied = Apply(
            saved=saved,
            stores={store.store: connection.store(store.store) for store in saved.plan.stores},
            state=options.state,
            settings=_settings(options),
            accept=accept,
            stop=stop,
            now=environment.now,
            on_result=on_result,
        ).run()
    return _finish(applied, options, signals.exit_code)


def _settings(options: _Options) -> ApplySettings:
    run = environment.new_run_name(environment.now())
    return ApplySettings(
        run=run,
        holder=environment.holder(run),
        tool_version=__version__,
        patience=make_patience(REPROBE_SECONDS),
        parallelism=options.parallelism,
        stop_after=options.stop_after_failures,
    )


def _finish(applied: Applied, options: _Options, signalled: ExitCode | None) -> int:
    exit_code = applied.exit_code
    if applied.is_earlier:
        say("this plan was applied before; this is what came of it, and nothing was done now")
        if not applied.report.is_success:
            say("  hint: make a new plan for what is left")
    elif signalled is not None and not applied.report.is_success:
        exit_code = signalled
    if applied.report.state in {RunState.INTERRUPTED, RunState.STOPPED}:
        say("the same plan goes on when it is applied again: reconciler apply PLAN")
    for bag in applied.bags:
        say(f"archived in {bag}; to undo: reconciler restore {applied.report.run}")
    write_document(report_as_text(applied.report))
    if options.report is not None:
        write_file(options.report, report_as_json(applied.report, exit_code))
    return exit_code
