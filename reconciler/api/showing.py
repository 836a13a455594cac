"""A plan and a report as text, in each of their formats, and a plan as a notebook shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from html import escape
from typing import TYPE_CHECKING, Self

from reconciler.api.arguments import require_types
from reconciler.api.formats import PLAN_FORMATS, REPORT_FORMATS, render
from reconciler.errors import UsageError
from reconciler.model.plan import SavedPlan, Why
from reconciler.model.shards.manifest import Manifest

if TYPE_CHECKING:
    from reconciler.applying.apply import Applied

_LARGEST_PAGE = 5_000
"""So many deletions a notebook shows as a page; of more it shows the markdown, which gets coarser:
the output of a cell is kept in the notebook's file."""


def show(shown: SavedPlan | Manifest | Applied, *, format: str = "text", folder: str = "") -> str:  # noqa: A002 - the command's word
    """A plan in one format, as the command ``show`` prints it; or a report, as ``apply`` writes it.

    Args:
        shown: What `plan` made, `read_plan` read or `apply` returned.
        format: Of a plan: ``text``, ``json`` (the plan file), ``markdown``, ``html``, ``sarif``,
            ``junit``, ``codequality`` or ``terraform``. Of a report: ``text``, ``json`` or
            ``markdown``.
        folder: The project's root in its repository, for the formats that name files.

    Raises:
        UsageError: there is no such format.

    Example:
        >>> project = reconciler.Project.open(folder)
        >>> saved = reconciler.plan(reconciler.load(project=project), project, service)
        >>> reconciler.show(saved).splitlines()[-1]
        'Plan: 2 to delete, 0 already absent, 0 kept, 0 missing, 0 unknown (1 study, 1 series).'
    """
    from reconciler.applying.apply import Applied  # noqa: PLC0415 - to plan imports no deletion

    if isinstance(shown, Applied):
        _require_format(format, REPORT_FORMATS, "a report")
        return "".join(REPORT_FORMATS[format](shown.report, shown.exit_code))
    require_types(plan=shown)
    _require_format(format, PLAN_FORMATS, "a plan")
    return "".join(render(shown, format, folder))


def _require_format(name: str, formats: Mapping[str, object], of: str) -> None:
    if name not in formats:
        known = ", ".join(formats)
        raise UsageError(f"there is no format {name!r} of {of}", hint=f"it is one of {known}")


@dataclass(frozen=True, slots=True, repr=False)
class Plan(SavedPlan):
    """A plan; ``str`` is its text, and a notebook displays its HTML page.

    A reviewer approves its ``digest``; ``plan`` has every store, study, series and deletion.

    Example:
        >>> project = reconciler.Project.open(folder)
        >>> saved = reconciler.plan(reconciler.load(project=project), project, service)
        >>> str(saved) == reconciler.show(saved)
        True
    """

    @classmethod
    def of(cls, saved: SavedPlan) -> Self:
        """The same plan."""
        return cls(**{field.name: getattr(saved, field.name) for field in fields(saved)})

    def __repr__(self) -> str:
        """Its digest: a plan may hold millions of deletions."""
        return f"<Plan {self.digest}>"

    def __str__(self) -> str:
        """Its text."""
        return show(self)

    def _repr_html_(self) -> str:
        if self.plan.count(Why.LISTED) > _LARGEST_PAGE:
            return f"<pre>{escape(show(self, format='markdown'))}</pre>"
        return _framed(self)


@dataclass(frozen=True, slots=True, repr=False)
class PlanInShards(Manifest):
    """A plan in shards; it shows itself as a `Plan` does.

    ``digest`` is what a reviewer approves, and covers every shard. ``plan.shards`` says of each its
    number, from 1, and how much it deletes; the shards themselves lie in
    ``folder``, an absolute path or a URL.
    """

    folder: str

    @classmethod
    def of(cls, manifest: Manifest, folder: str) -> Self:
        """The same plan, whose manifest lies in this folder."""
        found = {field.name: getattr(manifest, field.name) for field in fields(Manifest)}
        return cls(**found, folder=folder)

    def __repr__(self) -> str:
        """Its digest."""
        return f"<PlanInShards {self.digest}>"

    def __str__(self) -> str:
        """Its text."""
        return show(self)

    def _repr_html_(self) -> str:
        return _framed(self)


def _framed(saved: SavedPlan | Manifest) -> str:
    """Its page, in a frame of its own: it can neither touch the notebook nor be styled by it.

    https://html.spec.whatwg.org/multipage/iframe-embed-object.html#attr-iframe-sandbox
    """
    page = escape(show(saved, format="html"))
    return (
        f'<iframe title="Plan" sandbox="allow-scripts" srcdoc="{page}"'
        ' style="width: 100%; height: 40em; border: 1px solid; resize: vertical"></iframe>'
    )
