"""Options that several commands share, so that they mean one thing everywhere."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeAlias

import click

from reconciler.cli.options.given_file import read_patient_key
from reconciler.cli.options.path_type import ADDRESS, PATH
from reconciler.survey.stages import ProbeMode

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

DEFAULT_PATH = "specs"
"""What is read when no PATH is given: this folder of the project's root."""


def together(*options: Decorator) -> Decorator:
    """Options as one decorator, in the order in which ``--help`` lists them."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


paths_argument: Decorator = click.argument("paths", nargs=-1, type=PATH)

root_option: Decorator = click.option(
    "--root",
    type=PATH,
    metavar="DIR",
    help="The project's root [default: the git top level, else the working directory].",
)

StateAddress: TypeAlias = Path | str
"""A folder, or the URL of a bucket."""

_state_option: Decorator = click.option(
    "--state",
    type=ADDRESS,
    envvar="RECONCILER_STATE",
    metavar="DIR|URL",
    show_envvar=True,
    show_default=".reconciler",
    help="The state: a folder, or gs://, s3:// or az:// with bucket and prefix.",
)

project_options: Decorator = together(_state_option, root_option)
"""Where the project is, and its state."""


def key_option(help_text: str, *, required: bool = False) -> Decorator:
    """Add ``--patient-key``; the text says what the key is for."""
    return click.option(
        "--patient-key",
        type=read_patient_key,
        envvar="RECONCILER_PATIENT_KEY",
        metavar="FILE",
        show_envvar=True,
        required=required,
        help=help_text,
    )


patient_key_option = key_option(
    "Record the patient of each instance as a pseudonym, made with the key in this file."
)


_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def duration(text: str) -> timedelta:
    """Parse ``90s``, ``30m``, ``24h`` or ``7d``, or fail with the forms that are understood."""
    match = re.fullmatch(r"([0-9]{1,6})([smhd])", text)
    if match is None or int(match[1]) == 0:
        raise click.BadParameter(f"{text!r} is not a duration such as 90s, 30m, 24h or 7d")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


max_age_option: Decorator = click.option(
    "--max-age",
    type=duration,
    default="24h",
    envvar="RECONCILER_MAX_AGE",
    show_envvar=True,
    show_default=True,
    help="How long the plan may be applied.",
)


probe_option: Decorator = click.option(
    "--probe",
    type=click.Choice([mode.value for mode in ProbeMode]),
    default=ProbeMode.AUTO.value,
    envvar="RECONCILER_PROBE",
    show_envvar=True,
    show_default=True,
    help="How to probe: by listings where they suffice and need fewer requests, or each"
    " instance by a retrieve.",
)
