"""The options that tie an apply to what was reviewed."""

from __future__ import annotations

import click

from reconciler.cli.options.shared import Decorator, together

review_options: Decorator = together(
    click.option(
        "--expect-digest",
        metavar="DIGEST",
        help="Continue only if the plan has this digest, the reviewed one.",
    ),
    click.option(
        "--require-clean",
        is_flag=True,
        envvar="RECONCILER_REQUIRE_CLEAN",
        show_envvar=True,
        help="Continue only if the input files are committed in git and unchanged since the plan.",
    ),
)
