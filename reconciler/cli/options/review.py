"""What was reviewed, of the plan that is applied."""

from __future__ import annotations

import click

from reconciler.cli.options.shared import Decorator, together

review_options: Decorator = together(
    click.option(
        "--expect-digest",
        metavar="DIGEST",
        help="Go on only if the plan has this digest, the one that was reviewed.",
    ),
    click.option(
        "--require-clean",
        is_flag=True,
        envvar="RECONCILER_REQUIRE_CLEAN",
        show_envvar=True,
        help="Go on only if the input files are those of a git commit, unchanged since the plan.",
    ),
)
