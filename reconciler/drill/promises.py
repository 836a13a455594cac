"""What the tool promises, each tried out in the way in which it would be broken.

A promise takes the trials it needs and says in words how often it was tried. It raises
`BrokenPromiseError`, or what the tool itself raises, where it is not kept.
"""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Mapping, Set
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from reconciler.drill.real_files import store_real_files
from reconciler.drill.trial import (
    HOLD,
    PLAN,
    REPORT,
    Trial,
    Trials,
    kill,
    one_by_one,
    require,
    series,
    whole,
)
from reconciler.emulator import FaultKind, FaultRule, Faults
from reconciler.errors import ExitCode
from reconciler.journal.places.disk import DiskState
from reconciler.journal.reader import RunRecords
from reconciler.journal.records import Intent
from reconciler.journal.state import RUNS
from reconciler.model.address import InstanceAddress, is_uid
from reconciler.model.outcome import Outcome
from reconciler.model.plan import Why
from reconciler.planning.plan_file import read_plan
from reconciler.reporting.wording import plural


def plan_deletes_nothing(trials: Trials) -> str:
    """Plan removes of every sort, some of them kept, and look at every request."""
    trial = trials.new()
    listed, other = series(1, 160), series(2, 20)
    trial.fill(listed[:100])
    trial.fill(other)
    held = trial.content()
    trial.write(
        "remove:",
        one_by_one(listed[:80] + listed[100:]),
        whole(other[0]),
        "keep:",
        one_by_one(listed[70:100], hold=HOLD),
        one_by_one(other[:5], hold=HOLD),
        never_seen=len(listed[100:]),
    )
    trial.run("plan", "--detailed-exitcode", "--out", PLAN, exit_codes={ExitCode.PENDING})
    asked = trial.changes_asked()
    require(kept=not asked, seen=f"{plural(len(asked), 'request')} would have changed the store")
    require(kept=trial.content() == held, seen="something is missing in the store")
    return plural(len(trial.requests()), "request")


_STRANGE: tuple[Mapping[str, Any], ...] = (
    {"fault": FaultKind.STATUS, "status": 400},
    {"fault": FaultKind.STATUS, "status": 403},
    {"fault": FaultKind.HTML, "status": 404},
    {"fault": FaultKind.STATUS, "status": 404, "body": '{"message": "no Route matched"}'},
    {"fault": FaultKind.STATUS, "status": 404, "body": '"Not Found"'},
    {"fault": FaultKind.HTML, "status": 200},
    {"fault": FaultKind.REDIRECT, "location": "/"},
)
"""Answers that do not tell whether an instance is there, and that another try would not change."""


def unknown_blocks(trials: Trials) -> str:
    """Plan removes that the store answers strangely for, and try to apply the plan."""
    trial = trials.new()
    instances = series(1, 10 + len(_STRANGE))
    trial.fill(instances[:10])
    trial.write("remove:", one_by_one(instances[:4] + instances[10:]))
    strange = [
        FaultRule(path=f"{instance}/metadata", **answer)
        for instance, answer in zip(instances[10:], _STRANGE, strict=True)
    ]
    trial.emulator.set_faults(Faults(tuple(strange)))
    trial.run("plan", "--out", PLAN, exit_codes={ExitCode.REFUSED})
    unknown = read_plan(trial.folder / PLAN).plan.count(Why.PROBE_FAILED)
    seen = f"{len(_STRANGE) - unknown} of {len(_STRANGE)} strange answers were taken for an answer"
    require(kept=unknown == len(_STRANGE), seen=seen)
    trial.emulator.set_faults(Faults())
    trial.run("apply", PLAN, exit_codes={ExitCode.REFUSED})
    asked = trial.changes_asked()
    require(kept=not asked, seen=f"{plural(len(asked), 'deletion')} went out")
    return plural(len(_STRANGE), "strange answer")


_GATEWAY_404 = (
    '{"message": "no Route matched"}',
    '"Not Found"',
    '{"code": 404, "message": "no Route matched"}',
)
"""What a gateway answers for a path that it does not know; the last one reads like the API's."""


def gateway_404_is_no_absence(trials: Trials) -> str:
    """Apply plans while a gateway answers 404 for every instance, and searches still work.

    It leaves alone what apply asks for first: an instance that nobody has, by new UIDs.
    """
    gateways = [(trials.new(), body) for body in _GATEWAY_404]
    for trial, _ in gateways:
        trial.fill(series(1, 4))
        trial.write("remove:", one_by_one(series(1, 4)))
        trial.run("plan", "--out", PLAN, exit_codes={ExitCode.SUCCESS})
    # Each rule is for the store of its own trial.
    faults = Faults(tuple(_gateway_of(trial, body) for trial, body in gateways))
    gateways[0][0].emulator.set_faults(faults)
    with ThreadPoolExecutor() as pool:
        list(pool.map(_apply_behind, *zip(*gateways, strict=True)))  # raises what one raises
    gateways[0][0].emulator.set_faults(Faults())
    return f"{len(gateways)} gateways"


def _gateway_of(trial: Trial, body: str) -> FaultRule:
    path = rf"{trial.store}/dicomWeb/studies/(?!2\.25\.).*/instances/[0-9.]+(/metadata)?$"
    return FaultRule(FaultKind.STATUS, path=path, status=404, body=body)


def _apply_behind(trial: Trial, body: str) -> None:
    may_end = {ExitCode.SUCCESS, ExitCode.INCOMPLETE}
    trial.run("apply", PLAN, "--report", REPORT, exit_codes=may_end)
    outcomes = trial.report()["counts"]
    gone = sum(outcomes[outcome.value] for outcome in Outcome if outcome.is_gone)
    held = len(trial.content())
    seen = f"{gone} instances are called gone, and {held} are there, where a gateway says {body}"
    require(kept=gone == 0, seen=seen)


def wrong_uid_is_no_success(trials: Trials) -> str:
    """Ask for the removal of what was never stored, then of what really was, and plan again."""
    trial = trials.new()
    instances = series(1, 11)
    trial.fill(instances[:10])
    wrong = (
        f"  - studiesId: {instances[0].study_uid}.9",
        whole(series(9, 1)[0]),
        one_by_one(instances[10:]),
    )
    for entry in wrong:
        trial.write("remove:", entry)
        trial.run("plan", "--out", PLAN, exit_codes={ExitCode.REFUSED})
        trial.run("apply", PLAN, exit_codes={ExitCode.REFUSED})
    asked = trial.changes_asked()
    require(kept=not asked, seen=f"{plural(len(asked), 'deletion')} went out")
    removed = instances[:4]
    trial.write("remove:", one_by_one(removed))
    trial.run("apply", "specs", "--auto-approve", exit_codes={ExitCode.SUCCESS})
    trial.run("plan", "--out", PLAN, exit_codes={ExitCode.SUCCESS})
    absent = read_plan(trial.folder / PLAN).plan.count(Why.ALREADY_ABSENT)
    seen = f"{absent} of {len(removed)} removals on record are found to be done"
    require(kept=absent == len(removed), seen=seen)
    return f"{plural(len(wrong), 'wrong UID')}, {plural(len(removed), 'removal')} on record"


_BEFORE_AND_AFTER: tuple[Mapping[str, Any], ...] = ({}, {"after_effect": True})
_FAULTS: Mapping[FaultKind, tuple[Mapping[str, Any], ...]] = {
    FaultKind.LATENCY: ({"seconds": 0.1},),
    FaultKind.STATUS: tuple({"status": 503, **when} for when in _BEFORE_AND_AFTER),
    FaultKind.RESET: _BEFORE_AND_AFTER,
    FaultKind.HANG: _BEFORE_AND_AFTER,
    FaultKind.TRUNCATE: ({},),
    FaultKind.HTML: ({"after_effect": True},),
    FaultKind.REDIRECT: ({"after_effect": True},),
    FaultKind.OPERATION: _BEFORE_AND_AFTER,
    FaultKind.RATE_CAP: ({"per_second": 1},),
}
"""Total over the kinds. Pages and redirects strike after the effect only: otherwise apply waits
for half a minute whether the deletion shows after all."""


_WIDE, _KEPT = series(1, 12), slice(4, 8)
"""A series that is removed as a whole, and which of its instances are kept."""

_AT_ONCE = 4
"""So many applies run at a time."""


def kept_survives_every_fault(trials: Trials) -> str:
    """Apply a wide remove with a keep inside of it, each time under another fault."""
    faulty = [
        (trial := trials.new(), _aimed(trial, kind, parameters))
        for kind in FaultKind
        for parameters in _FAULTS[kind]
    ]
    # Each rule is for the store of its own trial.
    faulty[0][0].emulator.set_faults(Faults(tuple(rule for _, rule in faulty)))
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(_survive, *zip(*faulty, strict=True)))  # raises what one raises
    return f"{plural(len(faulty), 'fault')} of {plural(len(_FAULTS), 'kind')}"


def _aimed(trial: Trial, kind: FaultKind, parameters: Mapping[str, Any]) -> FaultRule:
    """The fault on the first deletions of a trial: a look for an instance asks for its metadata."""
    path = rf"{trial.store}/dicomWeb/.*/instances/[0-9.]+$"
    kept = trial.path_of(_WIDE[_KEPT][0])  # where a redirect leads
    return FaultRule(kind, path=path, times=2, location=kept, **parameters)


def _survive(trial: Trial, rule: FaultRule) -> None:
    kept, beside = _WIDE[_KEPT], series(2, 4)
    trial.fill(_WIDE)
    trial.fill(beside)
    trial.write("remove:", whole(_WIDE[0]), "keep:", one_by_one(kept, hold=HOLD))
    apply = ("apply", "specs", "--auto-approve", "--parallelism", "4")
    if rule.fault is FaultKind.HANG:
        _kill_after(trial, 2, apply)
    else:
        trial.run(*apply, exit_codes={ExitCode.SUCCESS, ExitCode.INCOMPLETE})
    seen = f"under the fault {rule.fault.value} no deletion was tried"
    require(kept=bool(trial.changes_asked()), seen=seen)
    _require_only(trial, set(_WIDE) - set(kept), {*kept, *beside})


_KILLS = (1, 15, 30)
"""So many deletions further on in each run, the process is killed."""


def kill_9_resumes(trials: Trials) -> str:
    """Kill an apply several times, let it end, and compare journal, requests and content."""
    trial = trials.new()
    instances = series(1, 120)
    trial.fill(instances)
    removed, rest = instances[:80], instances[80:]
    trial.write("remove:", one_by_one(removed), "keep:", one_by_one(rest[:20], hold=HOLD))
    trial.run("plan", "--out", PLAN, exit_codes={ExitCode.SUCCESS})
    trial.emulator.set_faults(Faults(latency=0.02))
    apply = ("apply", PLAN, "--parallelism", "4", "--report", REPORT)
    for further in _KILLS:
        _kill_after(trial, len(trial.changes_asked()) + further, apply)
    trial.emulator.set_faults(Faults())
    trial.run(*apply, exit_codes={ExitCode.SUCCESS})
    _require_only(trial, set(removed), set(rest))
    gone = trial.content() == set(rest)
    require(kept=gone, seen="apply ended with success, and not all that was planned is gone")
    _require_account(trial, len(removed))
    return f"{plural(len(_KILLS), 'kill')}, {plural(len(removed), 'deletion')} accounted for"


_RESTORED = 40
"""So many real files are deleted and put back."""


def restore_gives_identical_bytes(trials: Trials) -> str:
    """Archive and delete real files, restore them, and compare what the store held with it."""
    trial = trials.new()
    stored = store_real_files(trial.emulator, trial.store).values()
    instances = sorted(one for one in stored if all(map(is_uid, one)))[:_RESTORED]
    before = {one: trial.retrieve(one) for one in instances}
    held = trial.content()
    trial.write(trial.archive, "remove:", one_by_one(instances))
    trial.run("apply", "specs", "--auto-approve", "--report", REPORT, exit_codes={0})
    require(kept=trial.content() == held - {*instances}, seen="apply did not delete what it said")
    trial.run("restore", trial.report()["run"], "--report", REPORT, exit_codes={0})
    other = [one for one in instances if trial.retrieve(one) != before[one]]
    require(kept=not other, seen=f"not the same bytes: {plural(len(other), 'instance')}")
    identical = trial.report()["counts"][Outcome.IDENTICAL.value]
    seen = f"identical by its own account: {identical} of {len(instances)}"
    require(kept=identical == len(instances), seen=seen)
    return plural(len(instances), "real file")


def _kill_after(trial: Trial, deletions: int, arguments: tuple[str, ...]) -> None:
    """``kill -9`` a command when so many deletions have reached the store."""
    process = trial.start(*arguments)
    trial.wait_until(lambda: len(trial.changes_asked()) >= deletions, process)
    kill(process)
    seen = f"`{arguments[0]}` had ended with {process.returncode} before it could be killed"
    require(kept=process.returncode == -signal.SIGKILL, seen=seen)


def _require_only(
    trial: Trial, removed: Set[InstanceAddress], others: Set[InstanceAddress]
) -> None:
    """Require that all else is untouched, and each deletion was on record before it was sent."""
    lost = others - trial.content()
    require(kept=not lost, seen=f"gone, but not to be removed: {plural(len(lost), 'instance')}")
    sent = Counter(one.path for one in trial.changes_asked())
    unplanned = sent.keys() - {trial.path_of(one) for one in removed}
    require(kept=not unplanned, seen=f"sent, but not planned: {plural(len(unplanned), 'deletion')}")
    intended = Counter(
        trial.path_of(record.instance)
        for file in DiskState(trial.state).run_files(RUNS)
        for record in RunRecords(file)
        if isinstance(record, Intent)
    )
    require(kept=sent <= intended, seen="a deletion was sent that the journal does not know of")


def _require_account(trial: Trial, planned: int) -> None:
    """Require that the outcomes add up to the plan, each of them proven and of its own making."""
    outcomes = trial.report()["counts"]
    others = outcomes[Outcome.ALREADY_ABSENT.value]
    require(kept=not others, seen=f"apply takes {others} of its deletions for someone else's")
    proven = sum(outcomes[outcome.value] for outcome in Outcome if outcome.is_gone)
    seen = f"{proven} proven of {sum(outcomes.values())} in the account, planned were {planned}"
    require(kept=proven == sum(outcomes.values()) == planned, seen=seen)
