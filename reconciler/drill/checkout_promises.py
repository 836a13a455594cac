"""Promises on what comes with a checkout: it neither brings a record nor hides a hold."""

from __future__ import annotations

import shutil
import subprocess

from reconciler.drill.trial import (
    PLAN,
    BrokenPromiseError,
    Trial,
    Trials,
    one_by_one,
    require,
    series,
)
from reconciler.errors import ExitCode

_NOT_TRIED = "not tried: git is not installed"


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
    trial.write("keep:", one_by_one(instances[:6], hold="kept by the selftest"))
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
    """Run git in the trial's folder, apart from the user's own configuration.

    Raises:
        BrokenPromiseError: it fails.
    """
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
