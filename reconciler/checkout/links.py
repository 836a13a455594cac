"""The symbolic links on the way to a path."""

from __future__ import annotations

import errno
import os
from collections import deque
from pathlib import Path

_MOST = 40
"""So many links Linux follows, too."""


def follow(path: Path) -> tuple[list[Path], Path]:
    """Every link on the way, by where it really lies, and where the path really leads.

    Raises:
        OSError: the links lead round in a circle.
    """
    links: list[Path] = []
    absolute = path.absolute()
    here = Path(absolute.anchor)
    ahead = deque(absolute.parts[1:])
    while ahead:
        part = ahead.popleft()
        step = here.parent if part == ".." else here / part
        target = _target(step)
        if target is None:
            here = step
            continue
        if len(links) == _MOST:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
        links.append(step)
        if target.is_absolute():
            here = Path(target.anchor)
        ahead.extendleft(reversed(target.parts[target.is_absolute() :]))
    return links, here


def _target(step: Path) -> Path | None:
    try:
        return step.readlink()
    except OSError:  # no link, or nothing at all
        return None
