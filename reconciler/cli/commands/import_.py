"""``reconciler import``."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import click

from reconciler.cli import environment
from reconciler.cli.console import say, write_document
from reconciler.cli.destination import require_writable, write_file
from reconciler.cli.options import store_options
from reconciler.cli.path_type import PATH
from reconciler.cli.progress import progress
from reconciler.cli.reasons import make_reason, reason_options
from reconciler.cli.stores import parse_store
from reconciler.desired.inventory import read_list
from reconciler.desired.writing import SeriesList, desired_state
from reconciler.errors import UsageError
from reconciler.live.store import ReadableStore
from reconciler.live.workers import run_workers
from reconciler.model.address import SeriesAddress, StoreAddress, is_uid
from reconciler.model.desired import Intent, Reason
from reconciler.reporting.wording import plural


@click.command(name="import")
@click.argument("store")
@click.option("--study", "studies", multiple=True, metavar="UID", help="Only this; repeatable.")
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
@store_options
def command(
    *,
    store: str,
    studies: tuple[str, ...],
    listed: Path | None,
    intent: str,
    reason: str | None,
    ticket: str | None,
    reason_text: str | None,
    out: Path | None,
    endpoint: str | None,
    parallelism: int,
    max_qps: float | None,
) -> None:
    """Write a desired-state file from a live store, or from a list.

    STORE is projects/P/locations/L/datasets/D/dicomStores/S, with orthanc: in front of it for an
    Orthanc. Every instance is listed by itself, so what arrives later is not part of it.
    Comments name modality and count, and nothing of the patient. Searches may lag behind
    deletions for seconds. The FILE of --csv has the columns studiesId, seriesId, instancesId.

    \b
    Examples:
      reconciler import projects/p/locations/l/datasets/d/dicomStores/s --out specs/keep.yaml
      reconciler import projects/p/locations/l/datasets/d/dicomStores/s --study 1.2.3 \\
        --remove --reason 113037 --ticket QA-7
      reconciler import orthanc:projects/p/locations/l/datasets/d/dicomStores/s --csv list.csv
    """
    address = parse_store(store)
    why = _reason(Intent(intent), reason, ticket, reason_text)
    _check(studies, listed, out)
    require_writable(out)
    if listed is not None:
        series: Sequence[SeriesList] = _from_csv(listed)
    else:
        series = _from_store(address, studies, endpoint, parallelism, max_qps)
    text = desired_state(address, Intent(intent), series, reason=why, header=_header(series))
    if out is not None:
        write_file(out, text)
    else:
        write_document(text)


def _reason(
    intent: Intent, code: str | None, ticket: str | None, words: str | None
) -> Reason | None:
    if intent is Intent.REMOVE:
        return make_reason(code, ticket, words, asking="--remove")
    if code or ticket or words:
        raise UsageError("--reason, --ticket and --text belong to --remove")
    return None


def _check(studies: Sequence[str], listed: Path | None, out: Path | None) -> None:
    if listed is not None and studies:
        raise UsageError("--study and --csv exclude each other")
    for uid in studies:
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
    endpoint: str | None,
    parallelism: int,
    max_qps: float | None,
) -> list[SeriesList]:
    with environment.connect(
        environment.endpoint(endpoint, address.provider),
        provider=address.provider,
        read_only=True,
        parallelism=parallelism,
        max_qps=max_qps,
        stop=threading.Event(),
    ) as connection:
        store = connection.store(address)
        store.preflight(deleting=False)
        wanted = sorted(set(studies or store.list_studies()))
        found: dict[str, list[SeriesList]] = {}
        with progress("reading studies") as counter:

            def read(study_uid: str) -> None:
                found[study_uid] = list(_study(store, study_uid))
                counter.update(len(found), len(wanted))

            run_workers(wanted, read, parallelism=min(parallelism, len(wanted)))
    missing = [uid for uid in studies if not found[uid]]
    if missing:
        raise UsageError(f"the store does not list a study {missing[0]}")
    return [one for uid in wanted for one in found[uid]]


def _study(store: ReadableStore, study_uid: str) -> Iterator[SeriesList]:
    modalities = {one.series_uid: one.modality for one in store.list_series(study_uid)}
    instances: defaultdict[SeriesAddress, dict[str, None]] = defaultdict(dict)
    for instance in store.list_instances(study_uid):
        instances[instance.series][instance.instance_uid] = None
    for series, uids in instances.items():
        words = [modalities.get(series.series_uid), plural(len(uids), "instance")]
        comment = ", ".join(word for word in words if word)
        yield SeriesList(series, tuple(uids), comment)


def _header(series: Iterable[SeriesList]) -> Iterator[str]:
    listed = list(series)
    instances = sum(len(one.uids) for one in listed)
    studies = len({one.series.study_uid for one in listed})
    told = (
        f"{plural(instances, 'instance')} in {len(listed):,} series of {plural(studies, 'study')}"
    )
    say(told)
    yield f"{told}, as listed by reconciler import."
