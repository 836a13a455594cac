"""What a CI's variables say of who had a run done."""

from __future__ import annotations

import re
from collections.abc import Mapping

from reconciler.model.provenance import Requester

_PULL_REQUEST = re.compile(r"refs/pull/([0-9]+)/(?:merge|head)")


def requester_of(environment: Mapping[str, str]) -> Requester | None:
    """The requester by GitHub's or GitLab's variables; None outside of both.

    GitHub: GITHUB_ACTOR, and the pull request of GITHUB_REF. GitLab: GITLAB_USER_LOGIN and
    CI_MERGE_REQUEST_IID. Neither names approvers there.
    """
    if environment.get("GITHUB_ACTIONS") == "true":
        return _of_github(environment)
    if environment.get("GITLAB_CI") == "true":
        return Requester(
            "gitlab",
            environment.get("GITLAB_USER_LOGIN"),
            environment.get("CI_MERGE_REQUEST_IID"),
            environment.get("CI_PIPELINE_URL"),
        )
    return None


def _of_github(environment: Mapping[str, str]) -> Requester:
    change = _PULL_REQUEST.fullmatch(environment.get("GITHUB_REF", ""))
    parts = [environment.get(f"GITHUB_{name}") for name in ("SERVER_URL", "REPOSITORY", "RUN_ID")]
    server, repository, run = parts
    return Requester(
        "github",
        environment.get("GITHUB_ACTOR"),
        change[1] if change else None,
        f"{server}/{repository}/actions/runs/{run}" if all(parts) else None,
    )
