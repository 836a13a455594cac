"""Record whose each study is, as a pseudonym, before the first DELETE of it leaves."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime

from reconciler.errors import LiveError
from reconciler.journal.records import StudyPatient
from reconciler.journal.writer import RunJournal
from reconciler.live.store import DicomStore
from reconciler.model.address import InstanceAddress
from reconciler.model.patient import PatientKey


class NotIdentifiedError(Exception):
    """Whose a study is could not be read, so nothing of it must be deleted; ``str`` says why."""


class Patients:
    """The patients of the studies that one run deletes from; shared by the run's workers.

    Without a key nothing is read and nothing recorded.
    """

    def __init__(
        self, key: PatientKey | None, journal: RunJournal, *, now: Callable[[], datetime]
    ) -> None:
        self._key = key
        self._journal = journal
        self._now = now
        self._recorded: set[tuple[int, str]] = set()
        self._being_read: set[tuple[int, str]] = set()
        self._changed = threading.Condition()

    def record(self, store: DicomStore, index: int, instance: InstanceAddress) -> None:
        """Read the patient of the instance's study, unless this run has; on disk when it returns.

        ``index`` is the store's place in the run's first record. One worker reads a study at a
        time; the others of that study wait for it, and read themselves if it fails.

        Raises:
            NotIdentifiedError: it could not be read.
            JournalError: it was read, and the journal cannot take it.
        """
        if self._key is None:
            return
        study = (index, instance.study_uid)
        with self._changed:
            self._changed.wait_for(lambda: study not in self._being_read)
            if study in self._recorded:
                return
            self._being_read.add(study)
        is_recorded = False
        try:
            patient = store.patient(instance, self._key)
            self._journal.commit(StudyPatient(self._now(), index, instance.study_uid, patient))
            is_recorded = True
        except LiveError as error:
            raise NotIdentifiedError(str(error)) from error
        finally:
            with self._changed:
                self._being_read.discard(study)
                if is_recorded:
                    self._recorded.add(study)
                self._changed.notify_all()
