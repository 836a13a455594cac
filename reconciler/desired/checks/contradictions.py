"""Finds removes that lie wholly inside a keep."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from reconciler.desired.problems import Problems
from reconciler.desired.rules import Rule
from reconciler.desired.wording import name_of
from reconciler.model.address import SeriesAddress
from reconciler.model.desired import Claim, Claims, Entry, listed_sources
from reconciler.model.problem import Source


def check_contradictions(removes: Claims, keeps: Claims, problems: Problems) -> None:
    """Report every hand-written remove that lies wholly inside a keep without a hold.

    What a keep with a hold covers, and the lines of an inventory, are overridden when planning.
    """
    kept = _Kept(keeps)
    for entry in removes.entries:
        if entry.from_inventory:
            continue
        for what, source, keep in kept.over(entry):
            problems.error(
                Rule.CONTRADICTION,
                source,
                f"{what} is removed here and kept at {keep}",
                "remove one of the two; a keep with a hold would override it without this error",
            )


class _Kept:
    """Finds the keeps over a remove."""

    def __init__(self, keeps: Claims) -> None:
        self._keeps = keeps
        self._uids: dict[SeriesAddress, set[str]] = defaultdict(set)
        self._claims: dict[SeriesAddress, Mapping[str, Claim]] = {}
        for entry in keeps.entries:
            if entry.series_uid is not None and entry.instances is not None:
                series = SeriesAddress(entry.study_uid, entry.series_uid)
                self._uids[series].update(entry.instances.uids)

    def over(self, entry: Entry) -> Iterator[tuple[str, Source, Source]]:
        """What of a remove is kept without a hold: its name, its place, the keep's place."""
        wide = self._wide(entry)
        if any(keep.hold is not None for keep in wide):
            return
        if entry.instances is None:
            if wide:
                yield name_of(entry), entry.source, wide[0].source
            return
        yield from self._listed(entry, wide)

    def _wide(self, entry: Entry) -> list[Entry]:
        found = [self._keeps.whole_study(entry.study_uid)]
        if entry.series_uid is not None:
            series = SeriesAddress(entry.study_uid, entry.series_uid)
            found.insert(0, self._keeps.whole_series(series))
        return [keep for keep in found if keep is not None]

    def _listed(self, entry: Entry, wide: list[Entry]) -> Iterator[tuple[str, Source, Source]]:
        assert entry.instances is not None  # noqa: S101 - the caller asked
        assert entry.series_uid is not None  # noqa: S101 - instances are named in a series
        series = SeriesAddress(entry.study_uid, entry.series_uid)
        kept = self._uids.get(series, set())
        if not wide and kept.isdisjoint(entry.instances.uids):
            return
        claims = self._claims.get(series) or self._claims.setdefault(
            series, self._keeps.listed(series)
        )
        for uid, source in listed_sources(entry):
            claim = claims.get(uid)
            if claim is not None and claim.entry.hold is None:
                yield f"instance {uid}", source, claim.source
            elif claim is None and wide:
                yield f"instance {uid}", source, wide[0].source
