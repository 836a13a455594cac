"""Apply a plan for a command: let signals stop it, and say what it did."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from reconciler.api.applying import apply
from reconciler.api.planning import MAX_AGE
from reconciler.api.service import Service, provider_of
from reconciler.api.showing import PlanInShards
from reconciler.applying.apply import Applied
from reconciler.applying.stopping import Stop
from reconciler.cli import environment
from reconciler.cli.ci import github
from reconciler.cli.options.formats import Writes
from reconciler.cli.options.project import find_root, folder_in_repository, open_project
from reconciler.cli.options.shards import Task
from reconciler.cli.options.shared import StateAddress
from reconciler.cli.output.console import report_error, say
from reconciler.cli.runs.planning import PlanRequest
from reconciler.cli.runs.shared import RunOptions, finish, opened_run
from reconciler.cli.signals import stopped_by_signals
from reconciler.errors import ExitCode, ReconcilerError, Refused
from reconciler.model.desired import QueriedRemoves
from reconciler.model.patient import PatientKey
from reconciler.model.plan import SavedPlan
from reconciler.model.shards.manifest import Manifest
from reconciler.reporting.wording import plural


@dataclass(frozen=True, kw_only=True)
class ApplyOptions(RunOptions):
    """The command line of an apply."""

    auto_approve: bool = False
    expect_digest: str | None
    require_clean: bool = False
    max_age: timedelta = MAX_AGE
    patient_key: PatientKey | None = None
    probe: Literal["auto", "retrieve"] = "auto"
    processes: int = 1
    task: Task | None = None

    def plan_request(
        self, paths: Sequence[Path] | None, queried: QueriedRemoves | None = None
    ) -> PlanRequest:
        """What a plan is to be made from that is for these options to apply."""
        return PlanRequest(
            paths=paths,
            project=self.project,
            access=self.access,
            max_age=self.max_age,
            listener=self.listener,
            probe=self.probe,
            queried=queried,
        )

    def shards_of(self, saved: SavedPlan | Manifest) -> Collection[int] | None:
        """The numbers of the shards of the task, if it is one."""
        if self.task is None:
            return None
        count = 0 if isinstance(saved, SavedPlan) else len(saved.plan.shards)
        return self.task.numbers(count)

    def service_for(self, saved: SavedPlan | Manifest) -> Service:
        """How the service is reached that has the stores of a plan."""
        provider = provider_of(store.store for store in saved.plan.stores)
        return environment.service(self.access, provider)

    def arguments_for(self, saved: SavedPlan | Manifest) -> Mapping[str, Any]:
        """The arguments of `apply` that mean the same on any machine."""
        return {
            "digest": self.digest_for(saved),
            "require_clean": self.require_clean,
            "stop_after_failures": self.stop_after_failures,
            "lease": self.lease,
            "requester": environment.requester(),
        }

    def digest_for(self, saved: SavedPlan | Manifest) -> str:
        """The digest that was reviewed: whoever names none has seen the plan itself."""
        return self.expect_digest if self.expect_digest is not None else saved.digest


@contextmanager
def opened_apply(
    read: Iterable[Path | str],
    *,
    report: Path | None,
    writes: Writes,
    events_file: Path | None,
    state: StateAddress | None,
    root: Path | None,
    **given: Any,
) -> Iterator[ApplyOptions]:
    """The options of an apply to what is ``read``, with the project and the events opened."""
    folder = find_root(root)
    with (
        github.annotated_errors(folder_in_repository(folder)),
        opened_run("apply", events_file, report, writes, read) as events,
    ):
        yield ApplyOptions(
            project=open_project(state, folder),
            report=report,
            writes=writes,
            events=events,
            **given,
        )


def apply_plan(
    saved: SavedPlan | PlanInShards,
    options: ApplyOptions,
    refusal: Refused | None = None,
    *,
    stop: Stop | None = None,
) -> int:
    """Apply a plan and report; the exit code. ``refusal`` and ``stop`` are as of `apply`."""
    stop = stop or Stop()
    with stopped_by_signals(stop) as signals:
        try:
            applied = apply(
                saved,
                options.project,
                options.service_for(saved),
                shards=options.shards_of(saved),
                processes=options.processes,
                refusal=refusal,
                patient_key=options.patient_key,
                stop=stop,
                listener=options.listener,
                **options.arguments_for(saved),
            )
        except ReconcilerError as error:
            if signals.exit_code is None:
                raise
            report_error(error)
            return signals.exit_code
    return _finish(applied, options, signals.exit_code)


def _finish(applied: Applied, options: ApplyOptions, signalled: ExitCode | None) -> int:
    exit_code = applied.exit_code
    if applied.error is not None:
        report_error(applied.error)
    if applied.is_earlier:
        say("this has been applied: nothing more was done, and this is its report")
        if applied.put_back:
            say(f"  put back by a restore since: {plural(applied.put_back, 'instance')}")
        if not applied.report.is_success:
            say("  hint: make a new plan for what is left")
    elif signalled is not None and not applied.report.is_success:
        exit_code = signalled
    for bag in applied.bags:
        say(f"archived in {bag}; to undo: reconciler restore {bag.name}")
    return finish(applied.report, options, exit_code)
