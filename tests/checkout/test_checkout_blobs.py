"""What git would store of a file, by git's own account, and what else is explained."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from reconciler.checkout.blobs import blob_id, is_content_of

from .conftest import run_git

LINES = b"version: 1\nkeep: []\n"


@pytest.fixture(params=["sha1", "sha256"])
def top(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    run_git(tmp_path, "init", "-q", f"--object-format={request.param}")
    return tmp_path


def stored(top: Path, content: bytes) -> str:
    """The id that git gives to a content."""
    path = top / "stored"
    path.write_bytes(content)
    return run_git(top, "hash-object", "--no-filters", "stored")


@pytest.mark.parametrize("content", [b"", LINES, b"\0\xff\r\n", b"x" * 700_000])
def test_a_file_is_the_blob_that_git_makes_of_it(top: Path, content: bytes) -> None:
    oid = stored(top, content)
    file = top / "a.yaml"
    file.write_bytes(content)
    assert blob_id(content, like=oid) == oid
    assert is_content_of(file, oid)
    assert is_content_of(file, oid, sha256=hashlib.sha256(content).hexdigest())
    assert not is_content_of(file, oid, sha256=hashlib.sha256(b"other").hexdigest())
    file.write_bytes(content + b"\n")
    assert not is_content_of(file, oid)


@pytest.mark.parametrize(
    ("blob", "file", "is_explained"),
    [
        (LINES, LINES.replace(b"\n", b"\r\n"), True),
        (LINES, b"version: 1\r\nkeep: []\n", True),
        (LINES.replace(b"\n", b"\r\n"), LINES, False),  # no checkout takes a CR away
        (b"a: |\n  x\r\n", b"a: |\r\n  x\r\r\n", False),  # two line breaks are not one
        (b"a\n", b"a\r", False),
        (b"a\n\n", b"a\r\r\n", False),
        (b"a b\n", b"a  b\n", False),
        *[  # a stray CR hides nothing that stands before or after it on its line, wherever that is
            (LINES, before + odd + after, False)
            for odd in (b"remove: []\r", b"remove: []\r# more", b"\r", b"x\r\r\n")
            for before, after in [
                (LINES, b""),
                (LINES.replace(b"\n", b"\r\n"), b""),
                (b"", LINES),
                (LINES[:11], LINES[11:]),
            ]
        ],
    ],
)
def test_only_line_ends_of_a_checkout_are_explained(
    top: Path, blob: bytes, file: bytes, is_explained: bool
) -> None:
    oid = stored(top, blob)
    (top / "a.yaml").write_bytes(file)
    assert is_content_of(top / "a.yaml", oid) is is_explained


def test_what_a_pointer_of_git_lfs_names_is_explained(top: Path) -> None:
    digest = hashlib.sha256(LINES).hexdigest()
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize 20\n"
    oid = stored(top, pointer.encode())
    (top / "a.yaml").write_bytes(LINES)
    assert is_content_of(top / "a.yaml", oid)
    (top / "a.yaml").write_bytes(LINES + b"#\n")
    assert not is_content_of(top / "a.yaml", oid)
