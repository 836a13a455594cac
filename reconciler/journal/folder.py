"""Names and folders of a state folder."""

from __future__ import annotations

import re

LOG = "log"
"""The folder of a log, among the records of its runs."""
INDEX = "index"
"""The folder of the index, among the records of applies and restores."""
RUN_SUFFIX = ".jsonl"
_RUN = re.compile(r"[0-9A-Za-z][0-9A-Za-z_.-]{0,99}")


def is_run_name(text: str) -> bool:
    """Whether ``text`` may be the name of a run, which is also that of its file."""
    return text not in {LOG, INDEX} and _RUN.fullmatch(text) is not None
