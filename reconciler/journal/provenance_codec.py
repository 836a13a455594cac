"""Where a run comes from, as keys of its first record; both ways."""

from __future__ import annotations

from reconciler.journal.fields import (
    Fields,
    flag,
    object_or_none,
    objects,
    text,
    text_or_none,
    texts,
)
from reconciler.model.desired import InputFile, InputRole
from reconciler.model.plan import GitState
from reconciler.model.provenance import Provenance, Requester


def provenance_to_json(provenance: Provenance) -> dict[str, object]:
    """The keys ``actor``, ``requester``, ``inputs`` and ``git``."""
    git, requester = provenance.git, provenance.requester
    return {
        "actor": provenance.actor,
        "requester": None if requester is None else _requester_to_json(requester),
        "inputs": [
            {"path": file.path, "sha256": file.sha256, "role": file.role.value}
            for file in provenance.inputs
        ],
        "git": None
        if git is None
        else {"commit": git.commit, "tree": git.tree, "dirty": git.dirty},
    }


def provenance_of(fields: Fields) -> Provenance:
    """Read what `provenance_to_json` gives; a journal of format 1.0 has none of it.

    Raises:
        ValueError: a value cannot be what its key says.
    """
    inputs = objects(fields, "inputs") if "inputs" in fields else ()
    requester, git = object_or_none(fields, "requester"), object_or_none(fields, "git")
    return Provenance(
        actor=text_or_none(fields, "actor"),
        requester=None if requester is None else _requester(requester),
        inputs=tuple(_input(file) for file in inputs),
        git=None
        if git is None
        else GitState(text(git, "commit"), text(git, "tree"), flag(git, "dirty")),
    )


def _requester_to_json(requester: Requester) -> dict[str, object]:
    return {
        "ci": requester.ci,
        "user": requester.user,
        "change": requester.change,
        "pipeline": requester.pipeline,
        "approvers": list(requester.approvers),
    }


def _requester(fields: Fields) -> Requester:
    return Requester(
        text(fields, "ci"),
        text_or_none(fields, "user"),
        text_or_none(fields, "change"),
        text_or_none(fields, "pipeline"),
        texts(fields, "approvers"),
    )


def _input(fields: Fields) -> InputFile:
    return InputFile(text(fields, "path"), text(fields, "sha256"), InputRole(fields.get("role")))
