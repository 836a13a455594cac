"""What every form of a plan begins with, in words: what is lost, why, and what is odd.

It fits on a screen whatever the plan is: long words are cut, and of reasons, holds and folders the
first are named.
"""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from functools import reduce

from reconciler.model.gate import Gate, GateName
from reconciler.model.plan import GitState, OverdueHold, SavedPlan
from reconciler.model.plan_summary import HoldTally, PlanSummary, ReasonTally
from reconciler.model.problem import Source
from reconciler.model.shards.manifest import Manifest
from reconciler.model.shards.notices import FreedHold, Notices, Places
from reconciler.reporting.wording import (
    NOT_SAID,
    REAPPEARED,
    RESTORED,
    TOO_MANY,
    describe_freed,
    describe_gate,
    describe_overdue,
    describe_reason,
    plural,
    shortened,
    with_short_words,
)

_REASONS = 5
_DETAIL = 75
"""So many characters are shown of a server's words and of a place."""
_PLACES = 2
"""So many lines of files are named beside a count."""
_NOTHING_ODD = "Nothing that the plan checks for."
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
    """What a reader decides by.

    ``passed`` are the other gates, in one line; ``verdict`` says whether the plan can be applied.
    """

    headline: str
    parts: tuple[Part, ...]
    blocking: tuple[BlockingGate, ...]
    passed: str
    verdict: str


def summary_of(saved: SavedPlan, gates: Sequence[Gate]) -> Summary:
    """The summary of a plan; ``gates`` are all of its gates."""
    summary = summary_from(PlanSummary.of(saved), Notices.of(saved), gates, saved)
    if saved.part_of is None:
        return summary
    whole = f"apply the manifest of plan {saved.part_of.plan_id}"
    return replace(summary, verdict=f"This shard cannot be applied by itself: {whole}.")


def summary_from(
    numbers: PlanSummary, notices: Notices, gates: Sequence[Gate], plan: SavedPlan | Manifest
) -> Summary:
    """The summary of a plan of these numbers."""
    git = plan.git
    parts = (
        Part(
            "What goes",
            (*_losses(numbers), *_stores(notices), *_seen(notices, numbers), *_absent(numbers)),
        ),
        Part("Why", (*_reasons(numbers), *_asked(notices, git))),
        Part("What is kept", tuple(_kept(numbers, notices.places))),
        Part("What is odd", tuple(_odd(notices, numbers, git)) or (Line(_NOTHING_ODD),)),
    )
    shown = tuple(part for part in parts if part.lines)
    blocking = tuple(_blocking(gates))
    verdict = _verdict(numbers, blocking, plan.expires)
    return Summary(_headline(numbers), shown, blocking, _passed(gates), verdict)


def _verdict(plan: PlanSummary, blocking: Sequence[BlockingGate], expires: datetime) -> str:
    if blocking:
        block = "blocks" if len(blocking) == 1 else "block"
        return f"This plan cannot be applied: {plural(len(blocking), 'gate')} {block} it."
    if not plan.listed:
        return "There is nothing to apply."
    return f"This plan can be applied until {expires:%Y-%m-%d %H:%M} UTC."


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
        most_first = sorted(plan.modalities.items(), key=lambda one: (-one[1], one[0]))
        counts = [f"{name} {count:,}" for name, count in most_first]
        yield Line(f"Modalities: {_first(counts, len(counts), 'modality')}")
    if plan.years:
        dated = notices.studies_dated
        partly = "" if dated == plan.studies else f" (of {dated:,} of the {plan.studies:,} studies)"
        yield Line(f"Years: {_span(plan.years)}{partly}")


def _span(years: Sequence[int]) -> str:
    first, last = years[0], years[-1]
    return str(first) if first == last else f"{first} to {last}"


def _reasons(plan: PlanSummary) -> Iterator[Line]:
    shown, rest = plan.reasons[:_REASONS], plan.reasons[_REASONS:]
    named = [(one, describe_reason(one.reason)) for one in shown]
    if rest:
        named.append((reduce(operator.add, rest), plural(len(rest), "more reason")))
    for one, words in named:
        details = [
            _fate(one) if plan.for_good and plan.restorable else "",
            _span(one.years) if one.years and len(plan.reasons) > 1 else "",
        ]
        said = "; ".join(filter(None, details))
        text = f"{plural(one.instances, 'instance')}: {shortened(words)}"
        yield Line(f"{text} ({said})" if said else text)


def _fate(one: ReasonTally) -> str:
    """What becomes of the instances of a reason, where not all go alike."""
    if not one.for_good:
        return "with a copy kept first"
    is_all = one.for_good == one.instances
    return "for good" if is_all else f"{one.for_good:,} of them for good"


def _absent(plan: PlanSummary) -> Iterator[Line]:
    if plan.already_absent:
        asked = f"{plan.already_absent:,} that files ask to remove {_are(plan.already_absent)}"
        yield Line(f"Already absent: {asked} not in the store")


def _asked(notices: Notices, git: GitState | None) -> Iterator[Line]:
    """Which files ask for it, and the commit they were taken from."""
    if paths := notices.paths:
        files = _first(map(shortened, paths), len(paths), "file")
        commit = f", commit {git.commit[:12]}" if git else ""
        commit += " with uncommitted changes" if git and git.dirty else ""
        yield Line(f"Asked for in {files}{commit}")


def _kept(plan: PlanSummary, places: Places) -> Iterator[Line]:
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
        text = f"{plural(others, 'instance')} that files keep, naming no hold"
        text += _at(places.without_hold)
        yield Line(text + _overriding(overridden))


def _hold(one: HoldTally) -> Line:
    text = f"{plural(one.instances, 'instance')} by hold: {with_short_words(one.hold)}"
    return Line(text + _overriding(one.overridden))


def _at(places: Sequence[Source]) -> str:
    """The first lines of files that a count is about."""
    named = [shortened(str(one), _DETAIL) for one in places[:_PLACES]]
    named += ["…"] if len(places) > _PLACES else []
    return f" ({', '.join(named)})" if named else ""


def _overriding(overridden: int) -> str:
    """Said of keeps: the files ask to remove so many of what they keep."""
    if not overridden:
        return ""
    return f" (files also ask to remove {overridden:,} of them; the keep wins, so they stay)"


def _odd(notices: Notices, plan: PlanSummary, git: GitState | None) -> Iterator[Line]:
    """What needs somebody's attention, the gravest first."""
    texts = [
        *_first_of([*map(_freed, notices.freed)]),
        *_reappeared(notices),
        *_dangling(plan, notices.places),
        *_counted(plan, notices),
        *_first_of([*map(_overdue, notices.overdue_holds)]),
        *_unclear_references(notices),
    ]
    if plan.damaged_too:
        texts.append(f"{plural(plan.damaged_too, 'instance')}: deleted even if the copy is damaged")
    if git is not None and git.dirty:
        texts.append(
            "Uncommitted changes: the plan was made from edited files, so what is approved cannot"
            f" be looked up later in commit {git.commit[:12]}; commit them and plan again"
        )
    yield from (Line(text, Weight.ODD) for text in texts)


def _overdue(one: OverdueHold) -> str:
    short = replace(one, hold=with_short_words(one.hold))
    return f"{describe_overdue(short)}{_at([one.source])}"


def _freed(one: FreedHold) -> str:
    return describe_freed(replace(one, hold=with_short_words(one.hold)))


def _first_of(notices: Sequence[str]) -> Iterator[str]:
    yield from notices[:_NOTICES]
    if len(notices) > _NOTICES:
        yield f"… and {len(notices) - _NOTICES:,} more such holds (all of them with --format json)"


def _reappeared(notices: Notices) -> Iterator[str]:
    for title, count in ((REAPPEARED, notices.reappeared), (RESTORED, notices.restored)):
        if count:
            name, how = title.split(": ", 1)
            yield f"{name}: {plural(count, 'instance')}, {how}"


def _dangling(plan: PlanSummary, places: Places) -> Iterator[str]:
    for count, which, at in (
        (plan.dangling_kept, plural(plan.dangling_kept, "kept instance"), places.dangling),
        (plan.dangling_unmanaged, f"{plural(plan.dangling_unmanaged, 'instance')} in no file", ()),
    ):
        if count:
            refer = "refers" if count == 1 else "refer"
            yield f"{which} {refer} to instances that this plan deletes{_at(at)}"


def _counted(plan: PlanSummary, notices: Notices) -> Iterator[str]:
    places = notices.places
    if unknown := [plural(count, noun) for noun, count in sorted(notices.unknown.items())]:
        about = f"the store gave no clear answer about {_joined(unknown)}"
        yield f"Unknown: {about}{_at(places.probe_failed)}, so the plan is incomplete"
    if count := plan.misplaced:
        asked = f"{count:,} that files ask to remove {_are(count)} stored under another study"
        yield f"Misplaced: {asked} or series{_at(places.misplaced)}"
    if count := plan.missing:
        yield f"Missing: {count:,} that must be kept {_are(count)} not in the store" + _at(
            places.missing
        )
    if count := plan.never_seen:
        asked = f"{count:,} that files ask to remove {_are(count)} not in the store"
        check = "it: check its UIDs" if count == 1 else "them: check their UIDs"
        yield f"Never seen: {asked}, and no run on record removed {check}{_at(places.never_seen)}"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _unclear_references(notices: Notices) -> Iterator[str]:
    if notices.may_refer:
        which = plural(notices.may_refer, "instance")
        yield f"{which} may refer to instances that this plan deletes"
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
