"""Plan, show, ask and apply in one go: ``apply PATH`` and ``query --apply``."""

from __future__ import annotations

from pathlib import Path

from reconciler.api import machine
from reconciler.api.formats import render
from reconciler.api.kept_plan import keep_plan, read_kept_plan, resume_command
from reconciler.api.loading import read_history
from reconciler.api.planning import read_plan
from reconciler.api.preconditions import require_reviewed
from reconciler.api.recording import record_nothing_done
from reconciler.api.showing import PlanInShards
from reconciler.cli import environment
from reconciler.cli.output.console import say
from reconciler.cli.runs.applying import ApplyOptions, apply_plan
from reconciler.cli.runs.approval import require_approval, require_terminal
from reconciler.cli.runs.planning import PlanRequest, make_plan
from reconciler.cli.runs.showing import write_plan_document
from reconciler.errors import Refused
from reconciler.model.plan import SavedPlan
from reconciler.planning.gates import gates_of, require_passed_gates
from reconciler.reporting.events import plan_events, plan_summary_event

_UNASKED = (
    "save a plan with --out of reconciler plan and apply that file, or review it and use"
    " --auto-approve with --expect-digest"
)
_WARNING = "Deletions in a DICOM store cannot be undone."


def plan_and_apply(request: PlanRequest, options: ApplyOptions) -> int:
    """Make a plan, show it, and apply it after a ``yes``; the exit code.

    With an expected digest, the plan of that digest which an earlier run began is resumed: after
    a part of it is done, a plan that is made anew has another digest.

    Raises:
        NotApproved: nobody can be asked, and ``auto_approve`` was not given.
    """
    try:
        if not options.auto_approve:
            require_terminal(_UNASKED)
        begun = _begun(options)
    except Refused as refused:
        _record_refusal(refused, options)
        raise
    if begun is not None:
        say("the plan with the expected digest was begun and not ended: it is resumed")
        return apply_plan(begun, options)
    saved = make_plan(request)
    options.events.emit(plan_events(saved, gates_of(saved)))
    options.events.emit([plan_summary_event(saved, None)])
    _show(saved, options)
    return apply_plan(saved, options, _refusal(saved, options))


def read_reviewed(path: Path | str, options: ApplyOptions) -> SavedPlan | PlanInShards:
    """As `read_plan`; where it is refused, that is on record."""
    try:
        return read_plan(path, listener=options.listener)
    except Refused as refused:
        _record_refusal(refused, options)
        raise


def _record_refusal(refused: Refused, options: ApplyOptions) -> None:
    """Leave the record of an apply that ended before there was a plan."""
    record_nothing_done(
        "apply",
        refused.exit_code,
        str(refused),
        options.project.state,
        requester=environment.requester(),
        listener=options.listener,
    )


def _begun(options: ApplyOptions) -> SavedPlan | None:
    """The plan with the expected digest that an interrupted run left, if it may still go on."""
    if options.expect_digest is None:
        return None
    state, listener = options.project.state, options.listener
    plan_id = read_history(state, listener).unfinished(options.expect_digest)
    saved = read_kept_plan(state, plan_id, listener) if plan_id is not None else None
    if saved is None or saved.plan_id != plan_id or machine.now() >= saved.expires:
        return None
    return saved


def _show(saved: SavedPlan, options: ApplyOptions) -> None:
    """On stdout for people; where stdout carries one document for machines, beside it."""
    if options.format_name == "text":
        write_plan_document(saved)
    else:
        say("".join(render(saved, "text")))


def _refusal(saved: SavedPlan, options: ApplyOptions) -> Refused | None:
    """Why a new plan may not be applied; asks the user where nothing else speaks against it."""
    try:
        require_reviewed(saved, options.digest_for(saved), options.patient_key)
        require_passed_gates(gates_of(saved))
        if saved.plan.has_deletions:
            place = keep_plan(saved, options.project.state)
            resume = resume_command(saved, options.project.state)
            say(f"plan saved: {place}; after an interruption, resume with: {resume}")
            if not options.auto_approve:
                require_approval(_WARNING, "the plan was not approved; nothing was deleted")
    except Refused as refusal:
        return refusal
    return None
