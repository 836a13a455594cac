"""What `reconciler import` writes down: what a CSV file names, or what a store holds."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

from reconciler.api.service import connect
from reconciler.cli import environment
from reconciler.cli.output.console import report_problems, say
from reconciler.cli.output.progress import progress
from reconciler.desired.format.writing import ListedEntry
from reconciler.desired.inventory.exported_list import read_exported_list
from reconciler.desired.inventory.reader import LEVELS, read_inventory
from reconciler.desired.problems import Problems
from reconciler.errors import DesiredStateError, UsageError
from reconciler.live.store import ReadableStore
from reconciler.live.workers import run_workers
from reconciler.model.address import SeriesAddress, StoreAddress
from reconciler.model.live import OddRow, OddRows
from reconciler.reporting.wording import plural


def from_csv(file: Path, columns: Sequence[str]) -> list[ListedEntry]:
    """What an exported list names under these columns; without any, what an inventory names.

    Raises:
        UsageError: the file cannot be read.
        DesiredStateError: something in it is wrong; warnings are said.
    """
    problems = Problems()
    try:
        entries = _exported(file, columns, problems) if columns else _inventory(file, problems)
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from error
    found = problems.sorted()
    if problems.has_errors:
        raise DesiredStateError(found)
    if found:
        report_problems(found)
    return entries


def _inventory(file: Path, problems: Problems) -> list[ListedEntry]:
    inventory = read_inventory(file, file.as_posix(), problems)
    return [
        *(ListedEntry(*series, listed.uids) for series, listed in inventory.series.items()),
        *(ListedEntry(study, series) for study, series, _, _ in inventory.targets),
    ]


def _exported(file: Path, columns: Sequence[str], problems: Problems) -> list[ListedEntry]:
    """A row may repeat what another names: a study has several orders."""
    named: defaultdict[tuple[str, str | None], dict[str, None]] = defaultdict(dict)
    rows = 0
    with progress("reading rows") as counter:
        for row in read_exported_list(file, file.as_posix(), columns, problems):
            rows += 1
            study, *below = row.uids
            named[study, below[0] if below else None].update(dict.fromkeys(below[1:]))
            counter.update(rows, None)
    entries = [ListedEntry(*target, tuple(uids)) for target, uids in named.items()]
    repeated = rows - sum(len(one.uids) or 1 for one in entries)
    if repeated:
        say(f"{plural(rows, 'row')}, {repeated:,} of which name again what another one does")
    return entries


def limits_of_list(entries: Sequence[ListedEntry]) -> Mapping[str, int]:
    """What a list says by itself; how much is in a study or a series, only the store knows."""
    whole = Counter(one.series_uid is None for one in entries if not one.uids)
    counts = {
        "maxDeletions": sum(len(one.uids) for one in entries),
        "maxStudiesEmptied": whole[True],
        "maxSeriesEmptied": whole[False],
    }
    return {key: count for key, count in counts.items() if count}


def limits_of_contents(
    entries: Sequence[ListedEntry], odd: Collection[OddRow]
) -> Mapping[str, int]:
    """What deleting all of it comes to; a row that cannot be addressed stays where it is."""
    if not entries:
        return {}
    left = OddRows(tuple(row for row in odd if len(row.uids) == len(LEVELS)))
    return {
        "maxDeletions": sum(len(one.uids) for one in entries),
        "maxStudiesEmptied": sum(not left.may_be(uid) for uid in {e.study_uid for e in entries}),
        "maxSeriesEmptied": sum(
            not left.may_be(one.study_uid, str(one.series_uid)) for one in entries
        ),
        "maxStudyPercent": 100,
    }


def from_store(
    address: StoreAddress,
    studies: Sequence[str],
    excluded: Sequence[str],
    access: environment.Access,
) -> tuple[list[ListedEntry], list[OddRow]]:
    """The instances of these studies, or of all but those, and the rows that are no addresses.

    Raises:
        UsageError: the store does not list one of the studies.
        LiveError: the store could not be asked.
    """
    with connect(
        environment.service(access, address.provider), address.provider, read_only=True
    ) as connection:
        store = connection.store(address)
        store.preflight(deleting=False)
        counts, odd = _studies(store, studies)
        for uid in (*studies, *excluded):
            if uid not in counts:
                raise UsageError(f"the store does not list a study {uid}")
        wanted = sorted(counts.keys() - set(excluded))
        found: dict[str, list[ListedEntry]] = {}
        with progress("reading studies") as counter:

            def read(study_uid: str) -> None:
                found[study_uid] = list(_study(store, study_uid, odd))
                counter.update(len(found), len(wanted))

            run_workers(wanted, read, parallelism=min(access.parallelism, len(wanted)))
        # What arrives amid the pages repeats a row as well; a search for the one study does not.
        twice = [uid for uid in wanted if counts[uid] > 1]
        odd += [OddRow((uid,)) for uid in twice if len(list(store.list_studies(uid))) > 1]
    return [one for uid in wanted for one in found[uid]], odd


def _studies(store: ReadableStore, studies: Sequence[str]) -> tuple[Counter[str], list[OddRow]]:
    """How many rows the search has of each study, of these or of all; one for each patient."""
    counts: Counter[str] = Counter()
    odd = []
    with progress("listing studies") as counter:
        rows = chain.from_iterable(map(store.list_studies, set(studies) or (None,)))
        for number, row in enumerate(rows, start=1):
            if isinstance(row, OddRow):
                odd.append(row)
            else:
                counts[row] += 1
            counter.update(number, None)
    return counts, odd


def _study(store: ReadableStore, study_uid: str, odd: list[OddRow]) -> Iterator[ListedEntry]:
    modalities = {
        one.series_uid: one.modality
        for one in store.list_series(study_uid)
        if not isinstance(one, OddRow)  # the rows of its instances say so too
    }
    instances: defaultdict[SeriesAddress, dict[str, None]] = defaultdict(dict)
    for row in store.list_instances(study_uid):
        if isinstance(row, OddRow):
            odd.append(row)
        else:
            instances[row.series][row.instance_uid] = None
    for series, uids in instances.items():
        words = [modalities.get(series.series_uid), plural(len(uids), "instance")]
        comment = ", ".join(word for word in words if word)
        yield ListedEntry(*series, tuple(uids), comment)


def counted(entries: Sequence[ListedEntry]) -> str:
    """How much the entries name, in words."""
    studies = len({one.study_uid for one in entries})
    if entries and entries[0].series_uid is None:
        return plural(studies, "whole study")
    if entries and not entries[0].uids:
        return f"{len(entries):,} whole series of {plural(studies, 'study')}"
    instances = plural(sum(len(one.uids) for one in entries), "instance")
    return f"{instances} in {len(entries):,} series of {plural(studies, 'study')}"
