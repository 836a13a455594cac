"""The selftest: the promises of the tool, tried out against an embedded store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from reconciler.drill.promises import (
    gateway_404_is_no_absence,
    kept_survives_every_fault,
    kill_9_resumes,
    plan_deletes_nothing,
    restore_gives_identical_bytes,
    unknown_blocks,
    wrong_uid_is_no_success,
)
from reconciler.drill.record_promises import (
    committed_record_is_not_believed,
    hidden_hold_is_refused,
    later_removal_stands,
)
from reconciler.drill.trial import BrokenPromiseError, Program, Trials
from reconciler.emulator import EmulatorSettings, running_emulator
from reconciler.errors import ReconcilerError

PROMISES: tuple[tuple[str, Callable[[Trials], str]], ...] = (
    ("plan sends no DELETE", plan_deletes_nothing),
    ("an unknown answer blocks apply", unknown_blocks),
    ("a gateway's 404 is no absence", gateway_404_is_no_absence),
    ("a UID that was never stored does not read as success", wrong_uid_is_no_success),
    ("a kept instance survives every fault", kept_survives_every_fault),
    ("kill -9 in the middle of apply resumes with exact accounting", kill_9_resumes),
    ("restore gives identical bytes", restore_gives_identical_bytes),
    ("a later removal stands against an older plan and its restore", later_removal_stands),
    ("a record that came with a checkout is not believed", committed_record_is_not_believed),
    ("a hold that a checkout leaves out is refused, not forgotten", hidden_hold_is_refused),
)
"""In the order in which they are tried."""


@dataclass(frozen=True, slots=True)
class PromiseResult:
    """Whether a promise held; ``detail`` says how often it was tried, or what was seen instead."""

    promise: str
    held: bool
    detail: str


def selftest(folder: Path, program: Program) -> Iterator[PromiseResult]:
    """Try every promise, whatever became of those before it; everything lies in ``folder``.

    Raises:
        OSError: the folder cannot be written, or there is no loopback to serve on.
    """
    with running_emulator(EmulatorSettings(folder / "store")) as emulator:
        trials = Trials(folder, emulator, program)
        for promise, keep in PROMISES:
            try:
                yield PromiseResult(promise, held=True, detail=keep(trials))
            except (BrokenPromiseError, ReconcilerError) as error:
                yield PromiseResult(promise, held=False, detail=str(error))
