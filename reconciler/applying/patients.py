"""Record whose each study is, as a pseudonym, before the first DELETE of it leaves."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime

from reconciler.applying.stopping import Stop
from reconciler.errors import JournalError, LiveError
from reconciler.journal.records import StudyPatient
from reconciler.journal.writer import RunJournal
from reconciler.live.store import DicomStore
from reconciler.model.address import InstanceAddress
from reconciler.model.patient import PatientKey

_LOOKS_FOR_A_STOP = 0.1
"""Seconds between looks whether the run has stopped, of those who wait for another's reading."""


class NotIdentifiedError(Exception):
    """Whose a study is could not be read, so nothing of it must be deleted; ``str`` says why."""


class Patients:
    """The patients of the studies that one run deletes from; shared by the run's workers.

    Without a key nothing is read and nothing recorded.
    """

    def __init__(
        self,
        key: PatientKey | None,
        journal: RunJournal,
        *,
        stop: Stop,
        now: Callable[[], datetime],
    ) -> None:
        self._key = key
        self._journal = journal
        self._stop = stop
        self._now = now
        self._readings: dict[tuple[int, str], Future[None]] = {}
        self._lock = threading.Lock()

    def record(self, store: DicomStore, index: int, instance: InstanceAddress) -> None:
        """Read the patient of the instance's study, unless this run has; on disk when it returns.

        ``index`` is the store's place in the run's first record. One worker reads a study, and
        those who wait for it share what comes of it; after a failure the next one reads again.
        Where the run stops meanwhile it returns with nothing done.

        Raises:
            NotIdentifiedError: it could not be read.
            JournalError: it was read, and the journal cannot take it.
        """
        if self._key is None:
            return
        study = (index, instance.study_uid)
        with self._lock:
            reading = self._readings.get(study)
            is_mine = reading is None
            if reading is None:
                reading = self._readings[study] = Future()
        if is_mine:
            self._read(study, self._key, store, instance, reading)
        while not reading.done() and not self._stop.event.wait(_LOOKS_FOR_A_STOP):
            pass
        if reading.done():
            reading.result()

    def _read(
        self,
        study: tuple[int, str],
        key: PatientKey,
        store: DicomStore,
        instance: InstanceAddress,
        reading: Future[None],
    ) -> None:
        try:
            patient = store.patient(instance, key)
            self._journal.commit(StudyPatient(self._now(), *study, patient))
        except LiveError as error:
            self._fail(study, reading, NotIdentifiedError(str(error)))
        except JournalError as error:
            self._fail(study, reading, error)
        except BaseException:
            self._fail(study, reading, NotIdentifiedError("its reading broke off"))
            raise
        else:
            reading.set_result(None)

    def _fail(self, study: tuple[int, str], reading: Future[None], error: Exception) -> None:
        with self._lock:
            del self._readings[study]
        reading.set_exception(error)
