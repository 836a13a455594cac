"""The canonical form: one way to write the same, and no comment is lost."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.desired.format.canonical import canonical, quoted
from reconciler.desired.yaml_tree.comments import read_comments

ROOT = Path(__file__).parents[2]

MESSY = """\
# the header

# goes on

store: {projectsId: p, locationsId: l, datasetsId: d,   # three of four
        dicomStoresId: s}
# why the version
version: 1

limits: {maxSeriesEmptied: 2, maxDeletions: 7}
# what must go
remove:
  - {studiesId: "1.2.9", reason: {ticket: "RET 1", code: 113039}}   # the whole study

  # a list
  - instancesId:   # not sorted
    - 1.2.3.9
    # about eight
    - 1.2.3.8   # eight
    seriesId: 1.2.3
    studiesId: 1.2
    reason: {code: "113001"}
  - inventory: {count: 3, path: a.csv, sha256: 00ff}
    reason: {code: "113001"}
  # another list of that series
  - studiesId: 1.2
    seriesId: '1.2.3'   # the same
    reason: {code: "113001"}
    instancesId: [1.2.3.7]
# the end
"""
CLEAN = """\
# the header
# goes on
# why the version
version: 1

store:
  projectsId: p
  locationsId: l
  datasetsId: d  # three of four
  dicomStoresId: s

limits:
  maxDeletions: 7
  maxSeriesEmptied: 2
# what must go
remove:

  # a list
  - studiesId: "1.2"
    seriesId: 1.2.3
    instancesId:  # not sorted
      # another list of that series
      # the same
      - 1.2.3.7
      # about eight
      - 1.2.3.8  # eight
      - 1.2.3.9
    reason:
      code: "113001"
  - studiesId: 1.2.9
    reason:
      code: "113039"  # the whole study
      ticket: RET 1
  - inventory:
      path: a.csv
      sha256: 00ff
      count: 3
    reason:
      code: "113001"
# the end
"""


def test_a_messy_file_becomes_the_canonical_one() -> None:
    assert canonical(MESSY, "a.yaml") == CLEAN
    assert canonical(CLEAN, "a.yaml") == CLEAN


@pytest.mark.parametrize("file", sorted((ROOT / "specs").glob("*.yaml")), ids=lambda p: p.name)
def test_the_examples_of_the_project_are_canonical(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert canonical(text, file.name) == text


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("1.2.3", "1.2.3"),
        ("1.2", '"1.2"'),
        ("12", '"12"'),
        ("true", '"true"'),
        ("no", '"no"'),
        ("2020-01-01", '"2020-01-01"'),
        ("1e5", "1e5"),
        ("RET-1042", "RET-1042"),
        ("ten years after", "ten years after"),
        ("a: b", '"a: b"'),
        ("a #b", '"a #b"'),
        ("'", '"\'"'),
        ("ünï", '"ünï"'),
        ("/srv/archive", "/srv/archive"),
    ],
)
def test_a_scalar_is_plain_where_all_readers_agree(value: str, written: str) -> None:
    assert quoted(value) == written


# Any file


uids = st.integers(1, 30).map(lambda number: f"1.2.{number}")
comments = st.sampled_from(["", "", "", "  # said", "  # said twice", "  #", "  # # more: {x}"])
alone = st.sampled_from(["", "", "", "# above\n", "      # deep\n", "\n", "#x\n\n# y\n"])
styles = st.booleans()


HOLDS = ["'in # words'", "{text: 'in # words'}", "{reviewBy: 2026-12-31, text: 'in # words'}"]


@st.composite
def entries(draw: st.DrawFn, key: str) -> str:
    lines = [draw(alone), f"{key}:", draw(comments), "\n"]
    for _ in range(draw(st.integers(1, 5))):
        study, series = draw(uids), draw(uids)
        listed = draw(st.lists(uids, min_size=1, max_size=4))
        wide = draw(st.integers(0, 2))
        lines += [draw(alone), f"  - studiesId: {study}", draw(comments), "\n"]
        if wide:
            lines += [draw(alone), f'    seriesId: "{series}"', draw(comments), "\n"]
        if wide == 2 and draw(styles):
            lines += [f"    instancesId: [{', '.join(listed)}]", draw(comments), "\n"]
        elif wide == 2:
            lines += ["    instancesId:", draw(comments), "\n"]
            for uid in listed:
                lines += [draw(alone), f"    - {uid}", draw(comments), "\n"]
        if key == "keep" and draw(styles):
            hold = draw(st.sampled_from(HOLDS))
            lines += [draw(alone), f"    hold: {hold}", draw(comments), "\n"]
    return "".join(lines)


@st.composite
def files(draw: st.DrawFn) -> str:
    store = "{projectsId: p, locationsId: l, datasetsId: d, dicomStoresId: s}"
    parts = [
        f"{draw(alone)}version: 1{draw(comments)}\n",
        f"{draw(alone)}store: {store}{draw(comments)}\n",
        f"{draw(alone)}reason: {{ticket: 'a # b', code: 113039}}{draw(comments)}\n",
        draw(entries("remove")),
        draw(entries("keep")),
    ]
    return "".join(draw(st.permutations(parts))) + draw(alone)


def test_a_text_stays_a_text_and_a_mapping_has_one_order() -> None:
    text = (
        CLEAN.replace("# the end", "").rstrip()
        + """
keep:
  - hold: {reviewBy: 2026-12-31, ticket: LIT-7, owner: legal, text: Trial 7}  # who
    studiesId: 1.2.8
  - {studiesId: 1.2.9, hold: 'Trial 8'}
"""
    )
    assert canonical(text, "a.yaml").endswith(
        """
keep:
  - studiesId: 1.2.8
    hold:
      text: Trial 7  # who
      owner: legal
      ticket: LIT-7
      reviewBy: "2026-12-31"
  - studiesId: 1.2.9
    hold: Trial 8
"""
    )


@settings(max_examples=300)
@given(files())
def test_any_file_keeps_its_meaning_and_its_comments_and_is_canonical_then(text: str) -> None:
    """That the meaning is the same is `canonical`'s own check, which raises."""
    result = canonical(text, "a.yaml")
    assert canonical(result, "a.yaml") == result
    said = Counter(comment.text for comment in read_comments(text))
    assert said == Counter(comment.text for comment in read_comments(result))
    assert said.total() == sum(
        "#" in line for line in text.replace("# b", "").replace("in # words", "").splitlines()
    )
