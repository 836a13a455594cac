"""``reconciler import``."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

import click

from reconciler.cli import environment
from reconciler.cli.options.path_type import PATH
from reconciler.cli.options.reasons import make_reason, reason_options
from reconciler.cli.options.stores import access_options, parse_store
from reconciler.cli.output.console import say, write_document
from reconciler.cli.output.destination import require_writable, write_file
from reconciler.cli.output.progress import progress
from reconciler.desired.format.writing import SeriesList, desired_state
from reconciler.desired.inventory.reader import read_list
from reconciler.errors import UsageError
from reconciler.live.store import ReadableStore
from reconciler.live.workers import run_workers
from reconciler.model.address import SeriesAddress, StoreAddress, is_uid
from reconciler.model.desired import EntryKind, Reason
from reconciler.model.live import OddRow
from reconciler.reporting.wording import plural

_SHOWN = 20
"""So many rows that were left out, or are shared, are named."""


@click.command(name="import")
@click.argument("store")
@click.option("--study", "studies", multiple=True, metavar="UID", help="Only this; repeatable.")
@click.option(
    "--exclude-study", "excluded", multiple=True, metavar="UID", help="All but this; repeatable."
)
@click.option(
    "--csv",
    "listed",
    type=PATH,
    metavar="FILE",
    help="List the instances of this CSV file instead, without asking the store.",
)
@click.option("--keep", "intent", flag_value="keep", default="keep", help="Keep them (default).")
@click.option("--remove", "intent", flag_value="remove", help="Remove them; needs --reason.")
@reason_options
@click.option("--out", type=PATH, metavar="FILE", help="Write to this new file.")
@access_options
def command(
    *,
    store: str,
    studies: tuple[str, ...],
    excluded: tuple[str, ...],
    listed: Path | None,
    intent: str,
    reason: str | None,
    ticket: str | None,
    reason_text: str | None,
    out: Path | None,
    access: environment.Access,
) -> None:
    """Write a desired-state file from a live store, or from a list.

    STORE is projects/P/locations/L/datasets/D/dicomStores/S, with orthanc: in front of it for an
    Orthanc. Every instance is listed by itself, so what arrives later is not part of it.
    Comments name modality and count, and nothing of the patient. What has a malformed UID cannot
    be addressed; it is left out and named on stderr. Searches may lag behind deletions for
    seconds. The FILE of --csv has the columns studiesId, seriesId, instancesId.

    \b
    Examples:
      reconciler import projects/p/locations/l/datasets/d/dicomStores/s --out specs/keep.yaml
      reconciler import projects/p/locations/l/datasets/d/dicomStores/s --study 1.2.3 \\
        --remove --reason 113037 --ticket QA-7
      reconciler import orthanc:projects/p/locations/l/datasets/d/dicomStores/s --csv list.csv
    """
    address = parse_store(store)
    why = _reason(EntryKind(intent), reason, ticket, reason_text)
    _check(studies, excluded, listed, out)
    require_writable(out)
    odd: Collection[OddRow] = ()
    if listed is not None:
        series: Sequence[SeriesList] = _from_csv(listed)
    else:
        series, odd = _from_store(address, studies, excluded, access)
    header = _header(series, _noted(odd))
    text = desired_state(address, EntryKind(intent), series, reason=why, header=header)
    if out is not None:
        write_file(out, text)
    else:
        write_document(text)


def _reason(
    intent: EntryKind, code: str | None, ticket: str | None, words: str | None
) -> Reason | None:
    if intent is EntryKind.REMOVE:
        return make_reason(code, ticket, words, asking="--remove")
    if code or ticket or words:
        raise UsageError("--reason, --ticket and --text belong to --remove")
    return None


def _check(
    studies: Sequence[str], excluded: Sequence[str], listed: Path | None, out: Path | None
) -> None:
    if sum(map(bool, (studies, excluded, listed))) > 1:
        raise UsageError("--study, --exclude-study and --csv exclude each other")
    for uid in (*studies, *excluded):
        if not is_uid(uid):
            raise UsageError(f"not a UID: {uid!r}")
    if out is not None and out.is_file():
        raise UsageError(f"{out} exists already", hint="name a new file")


def _from_csv(file: Path) -> list[SeriesList]:
    try:
        series = read_list(file)
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from error
    return [SeriesList(one, uids) for one, uids in series.items()]


def _from_store(
    address: StoreAddress,
    studies: Sequence[str],
    excluded: Sequence[str],
    access: environment.Access,
) -> tuple[list[SeriesList], list[OddRow]]:
    with environment.connect(
        environment.endpoint(access.endpoint, address.provider),
        access,
        provider=address.provider,
        read_only=True,
    ) as connection:
        store = connection.store(address)
        store.preflight(deleting=False)
        counts, odd = _studies(store, studies)
        for uid in (*studies, *excluded):
            if uid not in counts:
                raise UsageError(f"the store does not list a study {uid}")
        wanted = sorted(counts.keys() - set(excluded))
        found: dict[str, list[SeriesList]] = {}
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
    for row in chain.from_iterable(map(store.list_studies, set(studies) or (None,))):
        if isinstance(row, OddRow):
            odd.append(row)
        else:
            counts[row] += 1
    return counts, odd


def _study(store: ReadableStore, study_uid: str, odd: list[OddRow]) -> Iterator[SeriesList]:
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
        yield SeriesList(series, tuple(uids), comment)


def _noted(odd: Collection[OddRow]) -> Iterator[str]:
    """Name what is left out and what is shared on stderr; give what the file says of it.

    The file says how many, but no malformed UID: anything may stand there.
    """
    shared = sorted(str(row) for row in odd if row.is_shared)
    left_out = sorted(str(row) for row in odd if not row.is_shared)
    for note in chain(_first("", shared), _first("left out: ", left_out)):
        say(note)
    if left_out:
        yield f"Left out, since a UID is missing or malformed: {plural(len(left_out), 'row')}."


def _first(before: str, notes: Sequence[str]) -> Iterator[str]:
    yield from (f"{before}{note}" for note in notes[:_SHOWN])
    if len(notes) > _SHOWN:
        yield f"{before}{len(notes) - _SHOWN:,} more"


def _header(series: Iterable[SeriesList], notes: Iterable[str]) -> Iterator[str]:
    listed = list(series)
    instances = sum(len(one.uids) for one in listed)
    studies = len({one.series.study_uid for one in listed})
    counted = (
        f"{plural(instances, 'instance')} in {len(listed):,} series of {plural(studies, 'study')}"
    )
    say(counted)
    yield f"{counted}, as listed by reconciler import."
    yield from notes
