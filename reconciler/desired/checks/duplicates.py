"""Finds what is named twice in one store at one width."""

from __future__ import annotations

from collections import defaultdict

from reconciler.desired.inventory.listing import warn_of_duplicate
from reconciler.desired.problems import Problems
from reconciler.desired.rules import Rule
from reconciler.desired.wording import name_of
from reconciler.model.desired import Claim, Claims, Entry, Hold, listed_sources


def check_duplicates(claims: Claims, problems: Problems) -> None:
    """Report what is named twice at one width: a warning, or an error if the entries differ.

    Keeps for two different holds are no duplicates.
    """
    whole: dict[tuple[str, str | None, Hold | None], Entry] = {}
    listed: dict[tuple[str, str | None, Hold | None], list[Entry]] = defaultdict(list)
    for entry in sorted(claims.entries, key=lambda entry: entry.source):
        key = (entry.study_uid, entry.series_uid, entry.hold)
        if entry.instances is not None:
            listed[key].append(entry)
            continue
        first = whole.setdefault(key, entry)
        if first is not entry:
            _report(name_of(entry), _own_claim(entry), _own_claim(first), problems)
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
                _report(f"instance {uid}", claim, first, problems)


def _report(what: str, claim: Claim, first: Claim, problems: Problems) -> None:
    if claim.entry.reason != first.entry.reason:
        problems.error(
            Rule.DIFFERENT_REASONS,
            claim.source,
            f"{what} is removed for another reason at {first.source}",
            "give it one reason: remove one of the two",
        )
    elif _archive_of(claim) != _archive_of(first):
        problems.error(
            Rule.DIFFERENT_ARCHIVES,
            claim.source,
            f"{what} is removed with another archive, or without one, at {first.source}",
            "give it one archive: remove one of the two",
        )
    else:
        warn_of_duplicate(what, claim.source, first.source, problems)


def _archive_of(claim: Claim) -> tuple[str | None, bool]:
    return claim.entry.archive, claim.entry.allow_damaged


def _own_claim(entry: Entry) -> Claim:
    return Claim(entry, entry.source)
