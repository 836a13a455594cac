"""Look at a live store for everything that a desired state asks of it (``LiveStore``)."""

from __future__ import annotations

from reconciler.errors import LiveError
from reconciler.live.store import ReadableStore
from reconciler.model.desired import DesiredStore
from reconciler.model.live import LiveStore, unknown
from reconciler.survey.asking import Asking
from reconciler.survey.conclusions import conclude
from reconciler.survey.facts import Facts, WasDeleted
from reconciler.survey.look import Survey
from reconciler.survey.questions import questions_of
from reconciler.survey.stages import (
    ProbeMode,
    instances_to_probe,
    instances_to_search,
    kept_to_confirm,
    listings_to_read,
    series_to_list_partially,
    targets_to_confirm,
)


def refresh(
    desired: DesiredStore,
    store: ReadableStore,
    asking: Asking,
    *,
    mode: ProbeMode = ProbeMode.AUTO,
    was_deleted: WasDeleted = lambda _: False,
) -> LiveStore:
    """Ask the store, by listings where they may decide and by retrieves where they may not.

    ``was_deleted`` says of an instance that the journal records it as deleted and verified: a row
    that still lists one is confirmed by a probe, and an absent one is not searched for elsewhere.

    Raises:
        PreflightError: the store does not answer, or the caller may not read it.
        CredentialsError: the service does not accept the credentials.
        LiveError: ``asking`` was stopped before the end.
    """
    questions = questions_of(desired)
    survey = Survey(store, questions, asking=asking, was_deleted=was_deleted)
    facts = survey.facts
    store.preflight(deleting=False)
    survey.read_listings(listings_to_read(questions))
    if mode is ProbeMode.AUTO:
        survey.read_partial_listings(series_to_list_partially(questions, facts))
    survey.probe(instances_to_probe(questions, facts, was_deleted, mode))
    survey.probe(kept_to_confirm(questions, facts))
    survey.confirm_absences()
    survey.search(instances_to_search(questions, facts, was_deleted))
    survey.confirm(targets_to_confirm(questions, facts))
    return conclude(store.address, questions, _confirmed(store, facts))


def _confirmed(store: ReadableStore, facts: Facts) -> Facts:
    """The facts, if the store still answers now; else without any absence among them.

    A store that went away while it was probed answers 404 for every instance of it.
    """
    try:
        store.preflight(deleting=False)
    except LiveError as error:
        return facts.downgraded(unknown(f"not found, but then the pre-flight failed: {error}"))
    return facts
