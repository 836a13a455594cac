"""Makes an SQL statement of a search. Only constants become text; every value is bound."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.emulator.resources.search_query import Level, SearchQuery
from reconciler.emulator.storage.schema import IS_FUZZY_MATCH

_COLUMNS: Mapping[str, str] = {
    "StudyInstanceUID": "study_uid",
    "PatientName": "studies.patient_name",
    "PatientID": "studies.patient_id",
    "AccessionNumber": "studies.accession_number",
    "ReferringPhysicianName": "studies.referring_physician_name",
    "StudyDate": "studies.study_date",
    "SeriesInstanceUID": "series_uid",
    "Modality": "series.modality",
    "SOPInstanceUID": "instance_uid",
}
_JOINS = {
    "series": " JOIN series USING (store, study_uid, series_uid)",
    "studies": " JOIN studies USING (store, study_uid)",
}
_SELECT: Mapping[Level, str] = {
    Level.STUDIES: """
        SELECT study_row,
            (SELECT MIN(id) FROM instances AS i
                WHERE i.store = studies.store AND i.study_uid = studies.study_uid),
            (SELECT COUNT(*) FROM instances AS i
                WHERE i.store = studies.store AND i.study_uid = studies.study_uid),
            (SELECT COUNT(*) FROM series AS s
                WHERE s.store = studies.store AND s.study_uid = studies.study_uid),
            (SELECT group_concat(DISTINCT modality) FROM series AS s
                WHERE s.store = studies.store AND s.study_uid = studies.study_uid)
        FROM studies""",
    Level.SERIES: """
        SELECT series_row,
            (SELECT MIN(id) FROM instances AS i
                WHERE i.store = series.store AND i.study_uid = series.study_uid
                AND i.series_uid = series.series_uid),
            (SELECT COUNT(*) FROM instances AS i
                WHERE i.store = series.store AND i.study_uid = series.study_uid
                AND i.series_uid = series.series_uid)
        FROM series""",
    Level.INSTANCES: """
        SELECT instance_row, id, listing_row
        FROM instances""",
}
_ORDER: Mapping[Level, str] = {
    Level.STUDIES: "study_uid",
    Level.SERIES: "study_uid, series_uid",
    Level.INSTANCES: "study_uid, series_uid, instance_uid",
}


def search_statement(store: int, query: SearchQuery) -> tuple[str, tuple[str | int, ...]]:
    """The statement and its parameters.

    Its rows begin with the precomputed row and the number of an instance below it. Studies go on
    with their instances, their series and their modalities (comma separated), series with their
    instances, instances with the row that has UIDs.
    """
    conditions = ["store = ?"]
    values: list[str] = []
    for keyword, value in query.matches.items():
        condition, bound = _condition(keyword, value, is_fuzzy=query.is_fuzzy)
        conditions.append(condition)
        values.extend(bound)
    statement = (
        f"{_SELECT[query.level]}{_joins(query)} WHERE {' AND '.join(conditions)}"
        f" ORDER BY {_ORDER[query.level]} LIMIT ? OFFSET ?"
    )
    return statement, (store, *values, query.limit, query.offset)


def _joins(query: SearchQuery) -> str:
    """Join only what is matched, so that a plain listing walks one index."""
    tables = {_COLUMNS[keyword].partition(".")[0] for keyword in query.matches}
    wanted = tables - {query.level.value}
    return "".join(join for table, join in _JOINS.items() if table in wanted)


def _condition(keyword: str, value: str, *, is_fuzzy: bool) -> tuple[str, list[str]]:
    """Single value, range or fuzzy matching (PS3.4 section C.2.2.2)."""
    column = _COLUMNS[keyword]
    if keyword == "StudyDate" and "-" in value:
        first, _, last = value.partition("-")
        return f"{column} <> '' AND {column} BETWEEN ? AND ?", [first, last or "99999999"]
    if keyword == "PatientName" and is_fuzzy:
        return f"{IS_FUZZY_MATCH}({column}, ?)", [value]
    return f"{column} = ?", [value]
