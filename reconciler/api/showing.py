"""A plan as text, in each of its formats, and as a notebook shows it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from html import escape
from typing import Self

from reconciler.api.arguments import require_types
from reconciler.api.formats import PLAN_FORMATS
from reconciler.errors import UsageError
from reconciler.model.plan import SavedPlan, Why

_LARGEST_PAGE = 5_000
"""So many deletions a notebook shows as a page; of more it shows the markdown, which gets coarser:
the output of a cell is kept in the notebook's file."""


def show(plan: SavedPlan, *, format: str = "text", folder: str = "") -> str:  # noqa: A002 - the command's word
    """A plan in one format, as the command ``show`` prints it.

    Args:
        plan: What `plan` made or `read_plan` read.
        format: ``text``, ``json`` (the plan file), ``markdown``, ``html``, ``sarif``, ``junit``,
            ``codequality`` or ``terraform``.
        folder: The project's root in its repository, for the formats that name files.

    Raises:
        UsageError: there is no such format.

    Example:
        >>> project = reconciler.Project.open(folder)
        >>> saved = reconciler.plan(reconciler.load(project=project), project, service)
        >>> reconciler.show(saved).splitlines()[-1]
        'Plan: 2 to delete, 0 already absent, 0 kept, 0 missing, 0 unknown (1 study, 1 series).'
    """
    require_types(plan=plan)
    if format not in PLAN_FORMATS:
        known = ", ".join(PLAN_FORMATS)
        raise UsageError(f"there is no format {format!r} of a plan", hint=f"it is one of {known}")
    return "".join(PLAN_FORMATS[format](plan, folder))


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
        """Its page, in a frame of its own: it can neither touch the notebook nor be styled by it.

        https://html.spec.whatwg.org/multipage/iframe-embed-object.html#attr-iframe-sandbox
        """
        if self.plan.count(Why.LISTED) > _LARGEST_PAGE:
            return f"<pre>{escape(show(self, format='markdown'))}</pre>"
        page = escape(show(self, format="html"))
        return (
            f'<iframe title="Plan" sandbox="allow-scripts" srcdoc="{page}"'
            ' style="width: 100%; height: 40em; border: 1px solid; resize: vertical"></iframe>'
        )
