"""Promises on what stands between the tool and the store. See `promises`."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from reconciler.drill.trial import PLAN, REPORT, Trial, Trials, one_by_one, require, series
from reconciler.emulator import FaultKind, FaultRule, Faults
from reconciler.errors import ExitCode
from reconciler.model.outcome import Outcome

GATEWAY_404 = (
    '{"message": "no Route matched"}',
    '"Not Found"',
    '{"code": 404, "message": "no Route matched"}',
)
"""What a gateway answers for a path that it does not know; the last one reads like the API's."""


def gateway_404_is_no_absence(trials: Trials) -> str:
    """Apply plans while a gateway answers 404 for every instance, and searches still work.

    It leaves alone what apply asks for first: an instance that nobody has, by new UIDs.
    """
    gateways = [(trials.new(), body) for body in GATEWAY_404]
    for trial, _ in gateways:
        trial.fill(series(1, 4))
        trial.write("remove:", one_by_one(series(1, 4)))
        trial.run("plan", "--out", PLAN, exit_codes={ExitCode.SUCCESS})
    # Each rule is for the store of its own trial.
    faults = Faults(tuple(_before(trial, body) for trial, body in gateways))
    gateways[0][0].emulator.set_faults(faults)
    with ThreadPoolExecutor() as pool:
        for _ in pool.map(_apply, *zip(*gateways, strict=True)):
            """The first that was believed is raised here."""
    gateways[0][0].emulator.set_faults(Faults())
    return f"{len(gateways)} gateways"


def _before(trial: Trial, body: str) -> FaultRule:
    path = rf"{trial.store}/dicomWeb/studies/(?!2\.25\.).*/instances/[0-9.]+(/metadata)?$"
    return FaultRule(FaultKind.STATUS, path=path, status=404, body=body)


def _apply(trial: Trial, body: str) -> None:
    may_end = {ExitCode.SUCCESS, ExitCode.INCOMPLETE}
    trial.run("apply", PLAN, "--report", REPORT, exit_codes=may_end)
    outcomes = trial.report()["counts"]
    gone = sum(outcomes[outcome.value] for outcome in Outcome if outcome.is_gone)
    held = len(trial.content())
    seen = f"{gone} instances are called gone, and {held} are there, where a gateway says {body}"
    require(kept=gone == 0, seen=seen)
