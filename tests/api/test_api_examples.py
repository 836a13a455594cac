"""The examples of the public functions are run as they stand, each in a project of its own."""

from __future__ import annotations

import doctest
import inspect
from collections.abc import Iterator

import pytest

import reconciler

from .conftest import Site


def examples() -> Iterator[doctest.DocTest]:
    """The examples of each public name; one of a function or of `Project.open` has to have some."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    for name in reconciler.__all__:
        value = getattr(reconciler, name)
        if inspect.getmodule(value) is not None:
            yield from finder.find(value, name)


EXAMPLES = [one for one in examples() if one.examples]


def test_every_public_function_has_an_example() -> None:
    functions = {one for one in reconciler.__all__ if inspect.isfunction(getattr(reconciler, one))}
    values = {"Listener", "Plan", "Project.open", "Service"}
    assert {one.name for one in EXAMPLES} >= functions | values
    assert len(functions) == 7


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda one: one.name)
def test_an_example_does_what_it_says(example: doctest.DocTest, site: Site) -> None:
    example.globs = {"reconciler": reconciler, "folder": site.folder, "service": site.service}
    said: list[str] = []
    doctest.DocTestRunner().run(example, out=said.append)
    assert not said, "".join(said)
