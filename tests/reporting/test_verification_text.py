"""What a check of the journal says, a line for each finding and head."""

from __future__ import annotations

from reconciler.model.verification import (
    FindingKind,
    PublishedHead,
    RecordFinding,
    Verification,
)
from reconciler.reporting.audit.verification_text import verification_as_text


def text_of(*findings: RecordFinding, published: tuple[PublishedHead, ...] = ()) -> list[str]:
    return "".join(verification_as_text(Verification(1_200, 1, findings, published))).splitlines()


def test_every_finding_and_head_has_its_line() -> None:
    broken = RecordFinding(FindingKind.BROKEN, "runs/a.jsonl:3", "the chain is broken")
    missing = RecordFinding(FindingKind.MISSING, "b", "the record of run b is missing")
    head = PublishedHead("ab" * 32, "a", 7, 1_100)

    assert text_of(broken, missing, published=(head,)) == [
        "runs/a.jsonl:3: broken: the chain is broken",
        "b: missing: the record of run b is missing",
        f"Head {'ab' * 32}: entry 7 of the log, run a; it covers 1,100 of 1,200 runs.",
        "Verify: 1,200 runs, 1 record: 1 broken, 1 note.",
    ]


def test_the_words_of_others_stay_on_their_lines() -> None:
    """An entry of the log may name any run."""
    words = "a\x1b[2J\r\nVerify: 1 run: 0 broken\u202e"
    finding = RecordFinding(FindingKind.LOST, words, words)
    lines = text_of(finding, published=(PublishedHead("ab" * 32, words, 1, 1),))

    assert len(lines) == 3
    assert all(line.isprintable() for line in lines)


def test_what_is_corruption_and_what_leaves_a_gap() -> None:
    corrupt = {kind for kind in FindingKind if kind.is_corruption}
    assert corrupt == {FindingKind.BROKEN, FindingKind.HEAD_MISSING, FindingKind.LOST}
    gaps = {kind for kind in FindingKind if kind.leaves_a_gap}
    assert gaps - corrupt == {
        FindingKind.UNREADABLE,
        FindingKind.MISSING,
        FindingKind.UNSTARTED,
    }
