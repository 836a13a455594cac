"""``--shard``: which shards a task takes, and where its number comes from."""

from __future__ import annotations

import click
import pytest

from reconciler.cli.options.shards import Task, read_task

SHARDS = 7


@pytest.mark.parametrize("count", [1, 2, 3, 7, 9])
def test_each_shard_is_taken_by_one_task(count: int) -> None:
    taken = [one for number in range(1, count + 1) for one in Task(number, count).numbers(SHARDS)]
    assert sorted(taken) == [*range(1, SHARDS + 1)]


def test_task_k_takes_k_and_every_nth_after_it() -> None:
    assert [*read_task("2/3").numbers(SHARDS)] == [2, 5]


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "1/0", "a/b", "1/2/3", "-1/2", "AUTO", ""])
def test_what_numbers_no_task_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="neither K/N"):
        read_task(text, {})


def test_cloud_run_counts_from_0_and_gitlab_from_1() -> None:
    cloud_run = {"CLOUD_RUN_TASK_INDEX": "0", "CLOUD_RUN_TASK_COUNT": "4"}
    gitlab = {"CI_NODE_INDEX": "4", "CI_NODE_TOTAL": "4"}
    assert read_task("auto", cloud_run) == Task(1, 4)
    assert read_task("auto", gitlab) == Task(4, 4)


@pytest.mark.parametrize("given", [{}, {"CI_NODE_TOTAL": "1"}, {"CLOUD_RUN_TASK_INDEX": ""}])
def test_elsewhere_auto_names_the_variables_that_it_looks_for(given: dict[str, str]) -> None:
    with pytest.raises(click.BadParameter) as caught:
        read_task("auto", given)
    for name in ("CLOUD_RUN_TASK_INDEX", "CLOUD_RUN_TASK_COUNT", "CI_NODE_INDEX", "CI_NODE_TOTAL"):
        assert name in str(caught.value)


@pytest.mark.parametrize("index", ["4", "-1", "x"])
def test_what_a_platform_says_wrong_is_refused(index: str) -> None:
    given = {"CLOUD_RUN_TASK_INDEX": index, "CLOUD_RUN_TASK_COUNT": "4"}
    with pytest.raises(click.BadParameter, match="number no task"):
        read_task("auto", given)
