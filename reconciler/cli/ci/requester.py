"""What a CI's variables say of who had a run done."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from reconciler.model.provenance import Requester

_PULL_REQUEST = re.compile(r"refs/pull/([0-9]+)/(?:merge|head)")


CHANGE_VARIABLE = "RECONCILER_CHANGE"
"""The number of the pull or merge request, where the CI's own variables do not tell it."""
APPROVERS_VARIABLE = "RECONCILER_APPROVERS"
"""Who approved it, with spaces or commas between their names; no CI tells that by itself."""


def requester_of(environment: Mapping[str, str]) -> Requester | None:
    """The requester by GitHub's or GitLab's variables; None outside of both.

    GitHub: GITHUB_TRIGGERING_ACTOR, who started this attempt, and the pull request of GITHUB_REF.
    GitLab: GITLAB_USER_LOGIN and CI_MERGE_REQUEST_IID. What a workflow has found out beside them
    it says by `CHANGE_VARIABLE` and `APPROVERS_VARIABLE`.
    """
    if environment.get("GITHUB_ACTIONS") == "true":
        requester = _of_github(environment)
    elif environment.get("GITLAB_CI") == "true":
        requester = Requester(
            "gitlab",
            environment.get("GITLAB_USER_LOGIN"),
            environment.get("CI_MERGE_REQUEST_IID"),
            environment.get("CI_PIPELINE_URL"),
        )
    else:
        return None
    approvers = environment.get(APPROVERS_VARIABLE, "").replace(",", " ").split()
    return replace(
        requester,
        change=requester.change or environment.get(CHANGE_VARIABLE) or None,
        approvers=tuple(dict.fromkeys(approvers)),
    )


def _of_github(environment: Mapping[str, str]) -> Requester:
    change = _PULL_REQUEST.fullmatch(environment.get("GITHUB_REF", ""))
    parts = [environment.get(f"GITHUB_{name}") for name in ("SERVER_URL", "REPOSITORY", "RUN_ID")]
    server, repository, run = parts
    return Requester(
        "github",
        environment.get("GITHUB_TRIGGERING_ACTOR") or environment.get("GITHUB_ACTOR"),
        change[1] if change else None,
        f"{server}/{repository}/actions/runs/{run}" if all(parts) else None,
    )
