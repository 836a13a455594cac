"""The files of runs and logs by the words of docs/journal.md, and without a line of the product.

What reads here checks what it reads; what writes here makes every hash right, whatever the records
say: a forger who knows all but a head that was published.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def segments_of(path: Path) -> list[list[bytes]]:
    """The lines of the records in each segment, whose chain must hold; a torn last line is none."""
    found: list[list[bytes]] = []
    whole = b""
    for line in path.read_bytes().split(b"\n")[:-1]:
        fields = json.loads(line)
        if fields["type"] == "segment":
            previous = sha256(whole) if found else None
            assert fields == {"type": "segment", "number": len(found), "previous": previous}
            found.append([])
            whole = b""
        else:
            found[-1].append(line + b"\n")
        whole += line + b"\n"
    return found


def lines_of(path: Path) -> list[bytes]:
    """The lines of all whole records."""
    return [line for segment in segments_of(path) for line in segment]


def records_of(path: Path) -> list[dict[str, Any]]:
    """All whole records."""
    return [json.loads(line) for line in lines_of(path)]


def file_of(*segments: Iterable[bytes]) -> bytes:
    """A file of these lines, with the headers that are due."""
    whole, previous = b"", None
    for number, lines in enumerate(segments):
        header = json.dumps(
            {"type": "segment", "number": number, "previous": previous}, separators=(",", ":")
        )
        segment = b"".join([header.encode(), b"\n", *lines])
        whole, previous = whole + segment, sha256(segment)
    return whole


def rewrite(path: Path, change: Callable[[list[list[bytes]]], list[list[bytes]]]) -> None:
    """Let a run say something else, with a chain that is right in itself."""
    path.write_bytes(file_of(*change(segments_of(path))))


def replace_in(path: Path, old: bytes, new: bytes) -> None:
    """`rewrite`, with each ``old`` in its records become ``new``."""
    rewrite(path, lambda segments: [[one.replace(old, new) for one in some] for some in segments])


def root_of(secret: str, lines: Sequence[bytes]) -> str:
    """The root of RFC 9162 section 2.1.1, by its own recursive definition."""
    leaves = [
        hmac.new(bytes.fromhex(secret), number.to_bytes(8, "big"), "sha256").digest()
        + line.removesuffix(b"\n")
        for number, line in enumerate(lines)
    ]
    return _tree_hash(leaves).hex()


def _tree_hash(leaves: Sequence[bytes]) -> bytes:
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    left, right = _tree_hash(leaves[:split]), _tree_hash(leaves[split:])
    return hashlib.sha256(b"\x01" + left + right).digest()


def measure(path: Path) -> tuple[int, str]:
    """How many whole records a run has, and the root over them."""
    lines = lines_of(path)
    return len(lines), root_of(json.loads(lines[0])["secret"], lines)


def log_files(folder: Path) -> list[Path]:
    """The entries of the log in ``runs/`` or ``observations/``."""
    return sorted((folder / "log").glob("*.json"))


def log_of(folder: Path) -> list[dict[str, Any]]:
    """The entries of a log, which must be a whole chain."""
    found = []
    previous = None
    for number, path in enumerate(log_files(folder), start=1):
        entry = json.loads(path.read_bytes())
        assert path.name == f"{number:08}.json"
        assert (entry["number"], entry["previous"]) == (number, previous)
        previous = sha256(path.read_bytes())
        found.append(entry)
    return found


def heads_of(folder: Path) -> list[str]:
    """The head of a log after each of its entries."""
    return [sha256(path.read_bytes()) for path in log_files(folder)]


def head_of(path: Path) -> str:
    """The head of the log with the run of this file."""
    heads = zip(log_of(path.parent), heads_of(path.parent), strict=True)
    (head,) = [head for entry, head in heads if entry["run"] == path.stem]
    return head


def rewrite_log(folder: Path) -> None:
    """Make a log anew of the runs as they are now, in the order in which they stood in it.

    It has no index: what reads it reads the runs.
    """
    previous = None
    number = 0
    for path in log_files(folder):
        entry = json.loads(path.read_bytes())
        path.unlink()
        run = folder / f"{entry['run']}.jsonl"
        if not run.exists():
            continue
        number += 1
        size, root = measure(run)
        entry |= {"number": number, "previous": previous, "size": size, "root": root}
        entry["indexes"] = []
        data = json.dumps(entry).encode() + b"\n"
        (folder / "log" / f"{number:08}.json").write_bytes(data)
        previous = sha256(data)
