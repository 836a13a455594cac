"""Audit messages → frames of syslog over TLS, as PS3.15 section A.6 asks for them.

The message is that of RFC 5424, the frame that of RFC 5425 section 4.3: the length in octets, a
space, the message.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from reconciler.model.time import format_time
from reconciler.reporting.export.dicom_audit import AuditMessage

MSGID = "DICOM+RFC3881"
"""What PS3.15 section A.6 names for messages of its own format."""

_APP_NAME = "reconciler"
_FACILITY_AUTHPRIV = 10
_NOTICE, _WARNING = 5, 4
_MOST_OF_A_HOSTNAME = 255
_NO_PRINTUSASCII = re.compile(r"[^!-~]")


@dataclass(frozen=True, slots=True)
class Sender:
    """The machine and the process that a header names."""

    hostname: str
    process_id: int


def frame(message: AuditMessage, sender: Sender) -> bytes:
    """The message with its header and its length; its text is ASCII, so no BOM precedes it."""
    severity = _NOTICE if message.is_success else _WARNING
    hostname = _NO_PRINTUSASCII.sub("", sender.hostname)[:_MOST_OF_A_HOSTNAME] or "-"
    header = (
        f"<{_FACILITY_AUTHPRIV * 8 + severity}>1 {format_time(message.time)} {hostname}"
        f" {_APP_NAME} {sender.process_id} {MSGID} -"
    )
    text = f"{header} {message.xml}".encode("ascii")
    return b"%d %b" % (len(text), text)
