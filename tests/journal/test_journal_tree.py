"""The tree over a run is that of RFC 9162, and speaks of each record in its place."""

from __future__ import annotations

import hashlib
import hmac
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.journal.tree import RecordTree

from .by_hand import root_of

SECRET = "5e" * 32
LINES = st.lists(st.binary(max_size=9).map(lambda text: text.hex().encode() + b"\n"), max_size=70)


def root(lines: list[bytes], secret: str = SECRET) -> str:
    tree = RecordTree(secret)
    for line in lines:
        tree.add(line)
    assert tree.size == len(lines)
    return tree.root


def some(count: int) -> list[bytes]:
    """So many records, of which some say the same."""
    return [b'{"n":%d}\n' % (number % 7) for number in range(count)]


@pytest.mark.parametrize("count", range(71))
def test_the_root_is_that_of_the_rfc(count: int) -> None:
    assert root(some(count)) == root_of(SECRET, some(count))


def test_the_root_may_be_asked_for_at_any_time() -> None:
    tree = RecordTree(SECRET)
    for count, line in enumerate(some(70)):
        assert tree.root == tree.root == root_of(SECRET, some(70)[:count])
        tree.add(line)


@given(lines=LINES, secret=st.binary(min_size=32, max_size=32).map(bytes.hex))
def test_the_root_is_that_of_the_rfc_whatever_the_records_say(
    lines: list[bytes], secret: str
) -> None:
    assert root(lines, secret) == root_of(secret, lines)


def test_known_roots() -> None:
    """Made with sha256sum and openssl, so that neither of the two above is believed alone."""
    assert root([]) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert [root([b"{}\n"] * count) for count in (1, 2, 3)] == [
        "e5397ea241997344eac160c668c1f8b34c5e22116f16495a19d5e6e44fd6f0f2",
        "5c093379ba7cf0f492da2340089a34501fa7540129bea42405f06af7485ee9a5",
        "8e4f3d7d7725a9b802c5815930f75f0d99ad0db3f09dee7714a20cae54947864",
    ]


def test_equal_records_have_leaves_of_their_own() -> None:
    """Else who sees the hashes of a proof could tell that two records say the same."""
    leaves = set()
    for number in range(70):
        salt = hmac.digest(bytes.fromhex(SECRET), number.to_bytes(8, "big"), "sha256")
        leaves.add(hashlib.sha256(b"\0" + salt + b"{}").hexdigest())
    assert len(leaves) == 70
    assert root([b"{}\n"], "00" * 32) != root([b"{}\n"], "01" * 32)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7, 8, 9, 33])
def test_a_changed_record_changes_the_root(count: int) -> None:
    lines = some(count)
    for number in range(count):
        changed = [*lines[:number], lines[number][:-1] + b" \n", *lines[number + 1 :]]
        assert root(changed) != root(lines)


def test_another_order_of_records_changes_the_root() -> None:
    lines = [b"%d\n" % number for number in range(6)]
    assert len({root(list(order)) for order in permutations(lines)}) == 720


def test_a_record_more_or_less_changes_the_root_also_where_it_says_the_same() -> None:
    roots = {root([b"{}\n"] * count) for count in range(71)}
    assert len(roots) == 71
    lines = some(20)
    for number in range(20):
        assert root([*lines[:number], *lines[number + 1 :]]) != root(lines)
        assert root([*lines[: number + 1], *lines[number:]]) != root(lines)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 21, 64, 70])
def test_one_record_can_be_shown_to_be_in_the_tree_without_the_others(count: int) -> None:
    """The inclusion proof of section 2.1.3, by the hashes alone."""
    lines = some(count)
    for number in range(count):
        path = inclusion_path(number, lines)
        assert climb(number, lines[number], path, count) == root(lines)
        assert climb(number, b'{"n":9}\n', path, count) != root(lines)


def leaf(number: int, line: bytes) -> bytes:
    salt = hmac.digest(bytes.fromhex(SECRET), number.to_bytes(8, "big"), "sha256")
    return hashlib.sha256(b"\0" + salt + line.removesuffix(b"\n")).digest()


def inclusion_path(number: int, lines: list[bytes]) -> list[tuple[bool, bytes]]:
    """The hash beside the way at each level, from the leaf up; True where it is on the right."""
    level = [leaf(place, line) for place, line in enumerate(lines)]
    path = []
    while len(level) > 1:
        if number ^ 1 < len(level):
            path.append((number % 2 == 0, level[number ^ 1]))
        pairs = zip(level[::2], level[1::2], strict=False)
        above = [hashlib.sha256(b"\1" + left + right).digest() for left, right in pairs]
        level = above + level[len(level) & ~1 :]
        number //= 2
    return path


def climb(number: int, line: bytes, path: list[tuple[bool, bytes]], count: int) -> str:
    assert len(path) <= (count - 1).bit_length()
    node = leaf(number, line)
    for is_right, other in path:
        node = hashlib.sha256(b"\1" + (node + other if is_right else other + node)).digest()
    return node.hex()
