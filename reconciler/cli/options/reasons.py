"""Why something is removed, where the command line and not a file says so."""

from __future__ import annotations

import click

from reconciler.cli.options.shared import together
from reconciler.errors import UsageError
from reconciler.model.desired import Reason, ReasonCode, is_ticket

_LONGEST_TEXT = 1000  # characters, as in a file


reason_options = together(
    click.option(
        "--reason",
        type=click.Choice([code.value for code in ReasonCode]),
        metavar="CODE",
        help="The reason for the removal: a code of DICOM CID 7031.",
    ),
    click.option("--ticket", metavar="T", help="Where the removal was decided."),
    click.option("--text", "reason_text", metavar="WORDS", help="The reason in words."),
)


def make_reason(code: str | None, ticket: str | None, words: str | None, *, asking: str) -> Reason:
    """The reason, held to the rules of a file; ``asking`` is what needs one.

    Raises:
        UsageError: there is none, or a part of it cannot stand in a file.
    """
    if code is None:
        some = ", ".join(f"{one.value} ({one.meaning})" for one in list(ReasonCode)[:4])
        raise UsageError(f"{asking} needs a reason", hint=f"--reason CODE, such as {some}")
    if ticket is not None and not is_ticket(ticket):
        raise UsageError("--ticket takes 1 to 64 printable ASCII characters")
    if words is not None and not (words.isprintable() and 0 < len(words.strip()) <= _LONGEST_TEXT):
        raise UsageError(f"--text takes words on one line, {_LONGEST_TEXT} characters at most")
    return Reason(ReasonCode(code), words, ticket)
