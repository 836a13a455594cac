"""``--processes`` and ``--shard``: which shards a command takes, and how many at once."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

import click

from reconciler.cli.options.shared import Decorator, together

_PLATFORMS = (
    ("CLOUD_RUN_TASK_INDEX", "CLOUD_RUN_TASK_COUNT", 0),
    ("CI_NODE_INDEX", "CI_NODE_TOTAL", 1),
)
"""The variables of Cloud Run jobs and of GitLab's ``parallel``, and how the first task is numbered:
https://cloud.google.com/run/docs/container-contract#jobs-env-vars and
https://docs.gitlab.com/ci/variables/predefined_variables/."""
_TASK = re.compile(r"([0-9]{1,6})/([0-9]{1,6})")


@dataclass(frozen=True, slots=True)
class Task:
    """Task ``number`` of ``count``, from 1: of each ``count`` shards it takes one."""

    number: int
    count: int

    def numbers(self, shards: int) -> range:
        """The numbers of its shards, of so many."""
        return range(self.number, shards + 1, self.count)

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"


def read_task(value: str, environment: Mapping[str, str] = os.environ) -> Task:
    """Read ``K/N`` or ``auto``."""
    if value == "auto":
        return _numbered_by_platform(environment)
    match = _TASK.fullmatch(value)
    if match is None or not 0 < int(match[1]) <= int(match[2]):
        raise click.BadParameter(f"{value!r} is neither K/N, with K from 1 to N, nor auto")
    return Task(int(match[1]), int(match[2]))


def _numbered_by_platform(environment: Mapping[str, str]) -> Task:
    for index, count, first in _PLATFORMS:
        given = environment.get(index), environment.get(count)
        if not all(given):
            continue
        try:
            task = Task(int(given[0] or "") - first + 1, int(given[1] or ""))
        except ValueError:
            task = Task(0, 0)
        if not 0 < task.number <= task.count:
            raise click.BadParameter(f"{index}={given[0]} and {count}={given[1]} number no task")
        return task
    pairs = ", or ".join(f"{index} and {count}" for index, count, _ in _PLATFORMS)
    raise click.BadParameter(f"auto needs a platform that numbers its tasks by {pairs}")


shards_options: Decorator = together(
    click.option(
        "--processes",
        type=click.IntRange(1, 64),
        default=1,
        envvar="RECONCILER_PROCESSES",
        show_envvar=True,
        show_default=True,
        metavar="N",
        help="For a plan in shards: apply N shards at once. --parallelism is per process,"
        " --max-qps the total.",
    ),
    click.option(
        "--shard",
        "task",
        type=read_task,
        envvar="RECONCILER_SHARD",
        show_envvar=True,
        metavar="K/N",
        help="For a plan in shards: apply only the shards K, K+N, …, as task K of N; auto if the"
        " platform numbers its tasks. --max-qps is per task.",
    ),
)
"""What a plan in shards can be applied with, and no other."""
