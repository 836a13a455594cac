"""Finds what is named twice in one store at one width."""

from __future__ import annotations

from collections import defaultdict

from reconciler.desired.listing import warn_of_duplicate
from reconciler.desired.problems import Problems
from reconciler.desired.rules import Rule
from reconciler.desired.wording import name_of
from reconciler.model.address import SeriesAddress
from reconciler.model.desired import Claim, Claims, Entry, Intent, listed_sources
from reconciler.model.problem import Source


def check_duplicates(claims: Claims, problems: Problems) -> None:
    """Report what is named twice at one width: a warning, or an error if the reasons differ.

    Two keeps for two different holds are no duplicate.
    """
    whole: dict[tuple[str, str | None], Entry] = {}
    listed: dict[SeriesAddress, list[Entry]] = defaultdict(list)
    for entry in sorted(claims.entries, key=_source):
        if entry.series_uid is not None and entry.instances is not None:
            listed[SeriesAddress(entry.study_uid, entry.series_uid)].append(entry)
            continue
        first = whole.setdefault((entry.study_uid, entry.series_uid), entry)
        if first is not entry:
            _report_twice(name_of(entry), _own_claim(entry), _own_claim(first), problems)
    for entries in listed.values():
        _check_listed(entries, problems)


def _check_listed(entries: list[Entry], problems: Problems) -> None:
    uids = [entry.instances.uids for entry in entries if entry.instances is not None]
    if sum(map(len, uids)) == len(set().union(*uids)):
        return
    firsts: dict[str, Claim] = {}
    for entry in entries:
        for uid, source in listed_sources(entry):
            claim = Claim(entry, source)
            first = firsts.setdefault(uid, claim)
            if first.entry is not entry:
                _report_twice(f"instance {uid}", claim, first, problems)


def _report_twice(what: str, claim: Claim, first: Claim, problems: Problems) -> None:
    entry = claim.entry
    if entry.intent is Intent.KEEP and entry.hold != first.entry.hold:
        return
    if entry.reason == first.entry.reason:
        warn_of_duplicate(what, claim.source, first.source, problems)
        return
    problems.error(
        Rule.DIFFERENT_REASONS,
        claim.source,
        f"{what} is removed for another reason at {first.source}",
        "give it one reason: remove one of the two",
    )


def _source(entry: Entry) -> Source:
    return entry.source


def _own_claim(entry: Entry) -> Claim:
    return Claim(entry, entry.source)
