"""The standard streams of the process, of which the caller may have closed any."""

from __future__ import annotations

import os
import sys


def open_closed_streams() -> None:
    """Let a standard stream that is closed read and write nothing, as /dev/null does.

    Else the next file that is opened would have its descriptor, and get what is printed.
    """
    for descriptor, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest that is free, which is this one
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(descriptor, mode, encoding="utf-8"))
