"""Promises on the record, and on what comes with a checkout. See `promises`.

What the record says of removals is true in every history; a checkout neither brings a record nor
hides a hold.
"""

from __future__ import annotations

import shutil
import subprocess

from reconciler.drill.trial import (
    HOLD,
    PLAN,
    REPORT,
    BrokenPromiseError,
    Trial,
    Trials,
    kill,
    one_by_one,
    require,
    series,
)
from reconciler.emulator import DELETION, FaultKind, FaultRule, Faults
from reconciler.errors import ExitCode
from reconciler.model.outcome import Outcome

_OTHER_PLAN = "other.json"
_NOT_TRIED = "not tried: git is not installed"


def later_removal_stands(trials: Trials) -> str:
    """Kill an apply in its DELETE, let another plan remove the instance, then go back.

    The old plan sends nothing for it, its restore puts back all but that, and the other restore
    puts that back.
    """
    trial = trials.new()
    instances = series(1, 8)
    trial.fill(instances)
    held = trial.content()
    trial.write(trial.archive, "remove:", one_by_one(instances))
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


def committed_record_is_not_believed(trials: Trials) -> str:
    """Commit a record of deletions, store the instances again, and apply the plan once more.

    Then put a link in the place of the record, and see that nothing is written behind it.
    """
    if shutil.which("git") is None:
        return _NOT_TRIED
    trial = trials.new()
    instances = series(1, 10)
    trial.fill(instances)
    trial.write("remove:", one_by_one(instances[:4]))
    trial.run("plan", "--out", PLAN, exit_codes={ExitCode.SUCCESS})
    trial.run("apply", PLAN, exit_codes={ExitCode.SUCCESS})
    trial.fill(instances[:4])
    held, sent = trial.content(), len(trial.changes_asked())
    _git(trial, "init", "--quiet")
    _git(trial, "add", "--all", "--force")
    _git(trial, "commit", "--quiet", "--message", "a record")
    trial.run("apply", PLAN, exit_codes={ExitCode.REFUSED})
    shutil.rmtree(trial.folder / ".git")
    elsewhere = trial.folder.with_name(f"{trial.folder.name}-elsewhere")
    trial.state.rename(elsewhere)
    trial.state.mkdir()
    (trial.state / "runs").symlink_to(elsewhere / "runs")
    before = sorted(elsewhere.rglob("*"))
    trial.run("apply", PLAN, exit_codes={ExitCode.REFUSED})
    require(kept=sorted(elsewhere.rglob("*")) == before, seen="a link was written through")
    is_untouched = trial.content() == held and len(trial.changes_asked()) == sent
    require(kept=is_untouched, seen="a deletion went out")
    return "1 committed record, 1 link"


def hidden_hold_is_refused(trials: Trials) -> str:
    """Leave a hold out of a sparse checkout; with it again, see that it holds."""
    if shutil.which("git") is None:
        return _NOT_TRIED
    trial = trials.new()
    instances = series(1, 12)
    trial.fill(instances)
    held = trial.content()
    trial.write("keep:", one_by_one(instances[:6], hold=HOLD))
    legal = trial.folder / "specs" / "legal"
    legal.mkdir()
    (trial.folder / "specs" / "selftest.yaml").rename(legal / "hold.yaml")
    trial.write("remove:", one_by_one(instances[:2]))
    _git(trial, "init", "--quiet")
    _git(trial, "add", "specs")
    _git(trial, "commit", "--quiet", "--message", "a hold")
    _git(trial, "sparse-checkout", "set", "--cone", "specs/retention")
    require(kept=not legal.exists(), seen="git left the hold in a sparse checkout without it")
    trial.run("plan", exit_codes={ExitCode.REFUSED})
    trial.run("apply", "specs", "--auto-approve", exit_codes={ExitCode.REFUSED})
    _git(trial, "sparse-checkout", "disable")
    trial.run("apply", "specs", "--auto-approve", exit_codes={ExitCode.SUCCESS})
    require(kept=trial.content() == held, seen="an instance with a hold is gone")
    return "1 hold outside of a sparse checkout"


def _git(trial: Trial, *arguments: str) -> None:
    """Run git in the trial's folder, apart from the user's own configuration."""
    identity = ("-c", "user.name=selftest", "-c", "user.email=selftest@localhost")
    apart = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
    done = subprocess.run(  # noqa: S603 - fixed arguments, no shell
        ["git", *identity, "-c", "commit.gpgSign=false", *arguments],  # noqa: S607 - the user's git
        cwd=trial.folder,
        env={**trial.program.environment, **apart},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BrokenPromiseError(f"git {arguments[0]} failed: {done.stderr.strip()[:200]}")
