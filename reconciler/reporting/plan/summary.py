"""What every form of a plan begins with, in words: what is lost, why, and what is odd.

It fits on a screen whatever the plan is: long words are cut, and of reasons, holds and folders the
first are named.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from reconciler.model.gate import Gate, GateName
from reconciler.model.plan import GitState, OverdueHold, SavedPlan
from reconciler.model.plan_summary import HoldTally, PlanSummary
from reconciler.model.shards.notices import Notices
from reconciler.reporting.wording import (
    NOT_SAID,
    TOO_MANY,
    describe_freed,
    describe_gate,
    describe_overdue,
    describe_reason,
    plural,
    shortened,
)

_REASONS = 5
_DETAIL = 75
_HOLD = 160
"""So many characters are shown of a server's words and of a place; of a hold beside its place."""
_NOTICES = 3
"""So many holds and folders are named; the rest are counted."""


class Weight(Enum):
    """What a line means for the images; the colours of a form follow it."""

    LOST = "lost"
    RESTORABLE = "restorable"
    ODD = "odd"
    PLAIN = "plain"


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the summary, in words that may come from files."""

    text: str
    weight: Weight = Weight.PLAIN


@dataclass(frozen=True, slots=True)
class Part:
    """The answer to one of a reader's questions."""

    title: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class BlockingGate:
    """A gate that stops the plan: its name and numbers, what it means, and how to pass."""

    name: str
    numbers: str
    meaning: str
    hint: str


@dataclass(frozen=True, slots=True)
class Summary:
    """What a reader decides by. ``passed`` are the other gates, in one line."""

    headline: str
    parts: tuple[Part, ...]
    blocking: tuple[BlockingGate, ...]
    passed: str


def summary_of(saved: SavedPlan, gates: Sequence[Gate]) -> Summary:
    """The summary of a plan; ``gates`` are all of its gates."""
    return summary_from(PlanSummary.of(saved), Notices.of(saved), gates, saved.git)


def summary_from(
    numbers: PlanSummary, notices: Notices, gates: Sequence[Gate], git: GitState | None
) -> Summary:
    """The summary of a plan of which no more is known."""
    parts = (
        Part(
            "What goes",
            (*_losses(numbers), *_stores(notices), *_seen(notices, numbers), *_absent(numbers)),
        ),
        Part("Why", (*_reasons(numbers), *_asked(notices, git))),
        Part("What is kept", tuple(_kept(numbers))),
        Part("What is odd", tuple(_odd(notices, numbers, git)) or (Line("Nothing was found."),)),
    )
    shown = tuple(part for part in parts if part.lines)
    return Summary(_headline(numbers), shown, tuple(_blocking(gates)), _passed(gates))


def _headline(plan: PlanSummary) -> str:
    if not plan.listed:
        return "Nothing would be deleted."
    whole = [
        (plan.studies_emptied, "whole study"),
        (plan.lone_series_emptied, "whole series"),
    ]
    named = [plural(count, noun) for count, noun in whole if count]
    in_part = plural(plan.series_in_part, "series")
    if named and plan.series_in_part:
        named.append(f"{'part' if plan.series_in_part == 1 else 'parts'} of {in_part}")
    goes = "goes" if plan.listed == 1 else "go"
    of = f"of {_joined(named)}" if named else f"out of {in_part}"
    subject = f"{plural(plan.listed, 'instance')} {of} {goes}"
    if not plan.restorable:
        return f"{subject} for good."
    if not plan.for_good:
        return f"{subject}, with a copy kept first."
    return f"{subject}, {plan.restorable:,} with a copy kept first, {plan.for_good:,} for good."


def _joined(parts: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))


def _losses(plan: PlanSummary) -> Iterator[Line]:
    if plan.for_good:
        yield Line(f"For good: {plural(plan.for_good, 'instance')}, no copy is kept.", Weight.LOST)
    if plan.restorable:
        folders = _first(map(shortened, plan.archives), len(plan.archives), "folder")
        yield Line(
            f"Restorable: {plural(plan.restorable, 'instance')}, a copy is kept first under"
            f" {folders}.",
            Weight.RESTORABLE,
        )


def _stores(notices: Notices) -> Iterator[Line]:
    """Which of several stores lose something; no line where the plan is of one."""
    names = notices.losing
    if names and notices.stores > 1:
        of = plural(notices.stores, "store")
        yield Line(f"From {len(names):,} of {of}: {_first(names, len(names), 'store')}")


def _seen(notices: Notices, plan: PlanSummary) -> Iterator[Line]:
    """What the listings said of it: no line where they said nothing."""
    if plan.modalities:
        counts = [f"{name} {count:,}" for name, count in plan.modalities.items()]
        yield Line(f"Modalities: {_first(counts, len(counts), 'modality')}")
    if plan.years:
        first, last = plan.years[0], plan.years[-1]
        span = str(first) if first == last else f"{first} to {last}"
        dated = notices.studies_dated
        partly = "" if dated == plan.studies else f" (of {dated:,} of the {plan.studies:,} studies)"
        yield Line(f"Years: {span}{partly}")


def _reasons(plan: PlanSummary) -> Iterator[Line]:
    shown, rest = plan.reasons[:_REASONS], plan.reasons[_REASONS:]
    named = [(one.instances, one.for_good, describe_reason(one.reason)) for one in shown]
    if rest:
        instances = sum(one.instances for one in rest)
        for_good = sum(one.for_good for one in rest)
        named.append((instances, for_good, plural(len(rest), "more reason")))
    for instances, for_good, words in named:
        fate = _fate(instances, for_good) if plan.for_good and plan.restorable else ""
        yield Line(f"{plural(instances, 'instance')}: {shortened(words)}{fate}")


def _fate(instances: int, for_good: int) -> str:
    """What becomes of the instances of a reason, where not all go alike."""
    if not for_good:
        return " (with a copy kept first)"
    return " (for good)" if for_good == instances else f" ({for_good:,} of them for good)"


def _absent(plan: PlanSummary) -> Iterator[Line]:
    if plan.already_absent:
        yield Line(f"Already absent: {plan.already_absent:,}, wanted removed, and not in the store")


def _asked(notices: Notices, git: GitState | None) -> Iterator[Line]:
    """Which files ask for it, and the commit they were taken from."""
    if paths := notices.paths:
        files = _first(map(shortened, paths), len(paths), "file")
        commit = f", commit {git.commit[:12]}" if git else ""
        yield Line(f"Asked for in {files}{commit}")


def _kept(plan: PlanSummary) -> Iterator[Line]:
    holds = sorted(plan.holds, key=lambda one: -one.overridden)
    yield from map(_hold, holds[:_NOTICES])
    if rest := holds[_NOTICES:]:
        instances = sum(one.instances for one in rest)
        overridden = sum(one.overridden for one in rest)
        text = f"{plural(instances, 'instance')} by {plural(len(rest), 'more hold')}"
        yield Line(text + _overriding(overridden))
    others = plan.kept - sum(one.instances for one in holds)
    if others:
        overridden = plan.overridden - sum(one.overridden for one in holds)
        text = f"{plural(others, 'instance')} by keeps without a hold"
        yield Line(text + _overriding(overridden))


def _hold(one: HoldTally) -> Line:
    text = f"{plural(one.instances, 'instance')} by hold: {shortened(str(one.hold))}"
    return Line(text + _overriding(one.overridden))


def _overriding(overridden: int) -> str:
    """Said of keeps: the files ask to remove so many of what they keep."""
    if not overridden:
        return ""
    return f" (files ask to remove {overridden:,} of them, which stay)"


def _odd(notices: Notices, plan: PlanSummary, git: GitState | None) -> Iterator[Line]:
    """What needs somebody's attention, the gravest first."""
    texts = [
        *_first_of([describe_freed(one) for one in notices.freed]),
        *_reappeared(notices),
        *_dangling(plan),
        *_counted(plan),
        *_first_of([_overdue(one) for one in notices.overdue_holds]),
        *_unclear_references(notices),
    ]
    if plan.damaged_too:
        texts.append(f"{plural(plan.damaged_too, 'instance')}: deleted even if the copy is damaged")
    if git is not None and git.dirty:
        texts.append("The files have changes that are in no commit")
    yield from (Line(text, Weight.ODD) for text in texts)


def _overdue(one: OverdueHold) -> str:
    return f"{shortened(describe_overdue(one), _HOLD)} ({shortened(str(one.source), _DETAIL)})"


def _first_of(notices: Sequence[str]) -> Iterator[str]:
    yield from map(shortened, notices[:_NOTICES])
    if len(notices) > _NOTICES:
        yield f"… and {len(notices) - _NOTICES:,} more such holds (all of them with --format json)"


def _reappeared(notices: Notices) -> Iterator[str]:
    if again := notices.reappeared:
        yield f"Reappeared: {plural(again, 'instance')}, removed by an earlier run and there again"
    if restored := notices.restored:
        yield f"Restored: {plural(restored, 'instance')}, put back after an earlier run"


def _dangling(plan: PlanSummary) -> Iterator[str]:
    for count, which in (
        (plan.dangling_kept, "that is kept" if plan.dangling_kept == 1 else "that are kept"),
        (plan.dangling_unmanaged, "in no file"),
    ):
        if count:
            refer = "refers" if count == 1 else "refer"
            yield f"{plural(count, 'instance')} {which} {refer} to what would be deleted"


def _counted(plan: PlanSummary) -> Iterator[str]:
    for count, words in (
        (plan.probe_failed, "Unknown: {} without a clear answer of the store"),
        (
            plan.misplaced,
            "Misplaced: {}, wanted removed, and stored under another study or series",
        ),
        (plan.missing, "Missing: {}, wanted kept, and not in the store"),
        (
            plan.never_seen,
            "Never seen: {}, wanted removed, and known to neither store nor record",
        ),
    ):
        if count:
            yield words.format(f"{count:,}")


def _unclear_references(notices: Notices) -> Iterator[str]:
    if notices.may_refer:
        yield f"{plural(notices.may_refer, 'instance')} may refer to what would be deleted"
    unread = [*_unread(notices)]
    if unread:
        yield f"Not looked at for references to what would be deleted: {'; '.join(unread)}"


def _unread(notices: Notices) -> Iterator[str]:
    """How much was not read of all stores, and why."""
    details = Counter(notices.unread)
    if details:
        (detail, _), *others = details.most_common()
        why = f"{shortened(detail, _DETAIL)}{' and other reasons' if others else ''}"
        yield f"{plural(details.total(), 'instance')} ({why})"
    more = [
        (notices.more_instances, "more instance"),
        (notices.more_studies, "more study"),
    ]
    if any(count for count, _ in more):
        yield f"{_joined([plural(*one) for one in more if one[0]])} ({TOO_MANY})"
    if images := notices.unreported:
        yield f"{plural(images, 'image')} ({NOT_SAID})"


def _first(names: Iterable[str], count: int, noun: str) -> str:
    shown = ", ".join(name for name, _ in zip(names, range(_NOTICES), strict=False))
    more = count - _NOTICES
    return f"{shown} and {plural(more, f'more {noun}')}" if more > 0 else shown


def _blocking(gates: Sequence[Gate]) -> Iterator[BlockingGate]:
    """A line for each gate; of several stores that it stops, the furthest beyond the limit."""
    is_one_store = len({gate.store for gate in gates}) <= 1
    for name in GateName:
        stopped = [gate for gate in gates if gate.name is name and not gate.is_passed]
        if not stopped:
            continue
        furthest = max(stopped, key=lambda gate: gate.actual - gate.allowed)
        where = "" if is_one_store else f" in {furthest.store}"
        if len(stopped) > 1:
            where += f", and in {plural(len(stopped) - 1, 'more store')}"
        yield BlockingGate(
            name.value, f"{describe_gate(furthest)}{where}", name.meaning, furthest.hint
        )


def _passed(gates: Sequence[Gate]) -> str:
    """``9 of 11 gates: maxDeletions: 3 of at most 100``; the numbers where there is one store."""
    blocking = {gate.name for gate in gates if not gate.is_passed}
    passed = [gate for gate in gates if gate.name not in blocking]
    names = {gate.name for gate in passed}
    text = f"{len(names)} of {plural(len(names | blocking), 'gate')}"
    used = [gate for gate in passed if gate.actual]
    if used and len(passed) == len(names):
        numbers = (describe_gate(one) for one in used)
        text += f": {', '.join(numbers)}"
    return text
