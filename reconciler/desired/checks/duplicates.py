"""Finds what is named twice in one store: at one width, or inside a wider remove."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from itertools import groupby

from reconciler.desired.inventory.listing import warn_of_duplicate
from reconciler.desired.problems import Problems
from reconciler.desired.rules import Rule
from reconciler.desired.wording import name_of
from reconciler.model.desired import Claim, Claims, Entry, Hold, Reason, listed_sources


def check_duplicates(claims: Claims, problems: Problems) -> None:
    """Report what is named twice at one width: a warning, or an error if the entries differ.

    Keeps for two different holds are no duplicates. The entries are sorted by study and series.
    """
    for _, same in groupby(claims.entries, key=lambda entry: (entry.study_uid, entry.series_uid)):
        _check_same(same, problems)


def check_nested(removes: Claims, problems: Problems) -> None:
    """Warn of each remove that changes nothing, since a wider one asks for the same.

    One for another reason, or with another archive, does change something.
    """
    for entry in removes.entries:
        wider = removes.wider(entry)
        if wider is not None and _asks(wider) == _asks(entry):
            name = name_of(entry)
            what = f"{name} is" if entry.is_whole else f"instances of {name} are"
            problems.warning(
                Rule.DUPLICATE_ENTRY,
                entry.source,
                f"{what} removed here, and at {wider.source} with all of {name_of(wider)}",
                "remove one of the two",
            )


def _check_same(entries: Iterable[Entry], problems: Problems) -> None:
    """Check the entries on one study or series, in the order of their places."""
    whole: dict[Hold | None, Entry] = {}
    listed: dict[Hold | None, list[Entry]] = defaultdict(list)
    for entry in entries:
        if entry.instances is not None:
            listed[entry.hold].append(entry)
        elif (first := whole.setdefault(entry.hold, entry)) is not entry:
            _report(name_of(entry), _own_claim(entry), _own_claim(first), problems)
    for found in listed.values():
        _check_listed(found, problems)


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
    elif _archive_of(claim.entry) != _archive_of(first.entry):
        problems.error(
            Rule.DIFFERENT_ARCHIVES,
            claim.source,
            f"{what} is removed with another archive, or without one, at {first.source}",
            "give it one archive: remove one of the two",
        )
    else:
        warn_of_duplicate(what, claim.source, first.source, problems)


def _archive_of(entry: Entry) -> tuple[str | None, bool]:
    return entry.archive, entry.allow_damaged


def _asks(entry: Entry) -> tuple[Reason | None, str | None, bool]:
    return entry.reason, *_archive_of(entry)


def _own_claim(entry: Entry) -> Claim:
    return Claim(entry, entry.source)
