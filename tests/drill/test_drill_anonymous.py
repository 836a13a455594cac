"""What of a server's words goes into facts that are sent in."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.drill.own_store.anonymous import said, words
from reconciler.live.http.answer import Answer

NAMES = frozenset({"acme", "clinic", "pacs.acme.example", "pacs"})


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("DICOM instance does not exist.", "DICOM instance does not exist."),
        ("'limit' lies between 1 and 50000.", "'limit' lies between 1 and 50000."),
        ("NOT_FOUND: code 404", "NOT_FOUND: code 404"),
        ("no store in projects/acme/locations/europe-west4", "no store in …"),
        ("Acme's clinic, at PACS:", "… at …"),
        ("host pacs.acme.example:8042 (10.0.0.7) [fe80::1]", "host …"),
        ("see https://acme.example/help?token=abc", "see …"),
        ("user reader@acme.example of 123456789012", "user … of …"),
        ("study 1.2.840.113619.2.55 of 2.25.3", "study … of …"),
        ("id 4711 8f14e45f-ceea-467f-a9d2-0c2f5a1f3c11", "id …"),
        ("Bearer eyJhbGciOiJIUzI1NiJ9.e30.c2ln", "Bearer …"),
        ("Bearer abcdefghijklmnopqrstuvwxyz", "Bearer …"),
        ("Doe^Jane 19700101", "…"),
        ("", ""),
    ],
)
def test_plain_words_are_shown_and_nothing_else(text: str, shown: str) -> None:
    assert words(text, NAMES) == shown


def deep(levels: int) -> str:
    return '{"error": ' * levels + '"text"' + "}" * levels


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (Answer(404, "", b'{"HttpStatus": 404, "Uri": "/x/1"}'), {"HttpStatus": 404, "Uri": "…"}),
        (Answer(404, "application/json", b'"no such thing"'), "no such thing"),
        (Answer(404, "application/json", b'[{"acme": 1, "a b": 2.5}]'), [{"…": "…"}]),
        (
            Answer(404, "application/json", b'{"port": 8042, "ok": false}'),
            {"port": "…", "ok": False},
        ),
        (Answer(404, "application/json", b'{"a": "cut off', is_whole=False), 14),
        (Answer(404, "text/html", b"<h1>acme</h1>"), 13),
        (
            Answer(404, "application/json", deep(9).encode()),
            {"error": {"error": {"error": {"error": {"error": "…"}}}}},
        ),
    ],
)
def test_of_an_error_its_shape_is_told(answer: Answer, body: Any) -> None:
    assert said(answer, NAMES)["body"] == body


def test_of_a_success_no_body_is_told() -> None:
    """It may be of a patient."""
    body = b'[{"00100010": {"Value": [{"Alphabetic": "Doe"}]}}]'
    assert said(Answer(200, "application/dicom+json; charset=x", body), NAMES) == {
        "status": 200,
        "type": "application/dicom+json",
    }


def test_a_wish_to_wait_is_told() -> None:
    assert said(Answer(404, "", b"", retry_after=7.0), NAMES)["retryAfter"] == 7.0
