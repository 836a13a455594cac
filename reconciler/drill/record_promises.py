"""Promises on the record: what it says of removals is true in every history. See `promises`."""

from __future__ import annotations

import json

from reconciler.drill.trial import PLAN, REPORT, Trial, Trials, kill, one_by_one, require, series
from reconciler.emulator import DELETION, FaultKind, FaultRule, Faults
from reconciler.errors import ExitCode
from reconciler.model.outcome import Outcome

_OTHER_PLAN = "other.json"


def later_removal_stands(trials: Trials) -> str:
    """Kill an apply in its DELETE, let another plan remove the instance, then go back.

    The old plan sends nothing for it, its restore puts back all but that, and the other restore
    puts that back.
    """
    trial = trials.new()
    instances = series(1, 8)
    trial.fill(instances)
    held = trial.content()
    archive = trial.folder.with_name(f"{trial.folder.name}-archive")
    trial.write(f"archive: {{path: {json.dumps(str(archive))}}}", "remove:", one_by_one(instances))
    trial.run("plan", "--out", PLAN, exit_codes={ExitCode.SUCCESS})
    _kill_in_delete(trial, len(instances))
    trial.run("plan", "--out", _OTHER_PLAN, exit_codes={ExitCode.SUCCESS})
    trial.run("apply", _OTHER_PLAN, "--report", REPORT, exit_codes={ExitCode.SUCCESS})
    later = trial.report()["run"]
    sent = len(trial.changes_asked())
    trial.run("apply", PLAN, "--report", REPORT, exit_codes={ExitCode.SUCCESS})
    require(kept=len(trial.changes_asked()) == sent, seen="the old plan deleted again")
    found = trial.report()["counts"][Outcome.ALREADY_ABSENT.value]
    require(kept=found == 1, seen=f"{found} of its instances are reported as removed by another")
    trial.run("restore", trial.report()["run"], exit_codes={ExitCode.INCOMPLETE})
    missing = held - trial.content()
    seen = f"{len(missing)} of 1 that a later run removed are not there after the restore"
    require(kept=len(missing) == 1, seen=seen)
    trial.run("restore", later, exit_codes={ExitCode.SUCCESS})
    require(kept=trial.content() == held, seen="what was archived cannot be put back")
    return f"{len(instances)} instances, removed by two plans"


def _kill_in_delete(trial: Trial, planned: int) -> None:
    """Kill an apply whose last DELETE gets no answer, when all others are proven."""
    path = rf"{trial.store}/dicomWeb/.*/instances/[0-9.]+\.{planned}$"
    trial.emulator.set_faults(Faults((FaultRule(FaultKind.HANG, DELETION, path),)))
    process = trial.start("apply", PLAN, "--parallelism", "1")
    trial.wait_until(lambda: len(trial.content()) == 1, process)
    trial.wait_until(lambda: _intents(trial) == planned, process)
    kill(process)
    trial.emulator.set_faults(Faults())


def _intents(trial: Trial) -> int:
    runs = (trial.state / "runs").glob("*.jsonl")
    return sum(path.read_text(encoding="utf-8").count('"type":"intent"') for path in runs)
