"""``reconciler resolve``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path

import click

from reconciler.api import machine
from reconciler.api.resolving import read_selectors, resolve_all
from reconciler.cli import environment
from reconciler.cli.environment import Access
from reconciler.cli.options.listening import Console
from reconciler.cli.options.project import find_root
from reconciler.cli.options.shared import key_option, paths_argument, root_option
from reconciler.cli.options.stores import access_options
from reconciler.cli.output.console import write_document
from reconciler.desired.selection import SELECTORS
from reconciler.errors import ExitCode, UsageError
from reconciler.model.patient import PatientKey
from reconciler.model.selection.resolution import ListState, ResolvedList
from reconciler.reporting.resolution import resolved_as_json, resolved_as_text

_FORMATS: Mapping[str, Callable[[Sequence[ResolvedList]], Iterator[str]]] = {
    "text": resolved_as_text,
    "json": resolved_as_json,
}


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is not a day such as 2026-11-30") from error


@click.command(name="resolve")
@paths_argument
@click.option(
    "--as-of", type=_day, metavar="DAY", help="Count ages from this day [default: today]."
)
@click.option("--check", is_flag=True, help="Write nothing; exit with 2 if a list would change.")
@click.option("--diff", is_flag=True, help="Write nothing; show what would change.")
@key_option("The key of the pseudonyms in the selectors' files, and of bound lists.")
@click.option(
    "--format",
    "format_name",
    type=click.Choice(list(_FORMATS)),
    metavar="F",
    default="text",
    show_default=True,
    help=f"Output format of stdout: {', '.join(_FORMATS)}.",
)
@access_options
@root_option
def command(
    paths: tuple[Path, ...],
    *,
    as_of: date | None,
    check: bool,
    diff: bool,
    patient_key: PatientKey | None,
    format_name: str,
    access: Access,
    root: Path | None,
) -> int:
    """Turn selectors into lists of whole studies or series, for review and planning.

    PATHS are selectors and folders of selectors (default: selectors/). Each selector becomes a
    list, and a desired-state file that pins it, with the same name under specs/resolved/. Nothing
    is deleted, and a plan never resolves. A study that cannot be judged is not listed for removal,
    and always listed for keeping. No file, output or request names a patient.

    With --check, ages are counted from the day of the existing list, unless --as-of is given.

    \b
    Examples:
      reconciler resolve
      reconciler resolve --diff --as-of 2027-01-01
      reconciler resolve --check selectors/us-10y.yaml
      reconciler resolve selectors/trial7.yaml --patient-key patient.key
    """
    if check and diff:
        raise UsageError("--check and --diff exclude each other")
    if as_of is not None and as_of > machine.now().date() and not diff:
        raise UsageError(
            f"--as-of {as_of} lies in the future", hint="with --diff it shows what will be due then"
        )
    project = find_root(root)
    request = read_selectors(
        paths or (project / SELECTORS,),
        root=project,
        key=patient_key,
        as_of=as_of,
        check=check,
        diff=diff,
        listener=Console(),
    )
    lists = resolve_all(request, environment.service(access, request.provider))
    write_document(_FORMATS[format_name](lists))
    is_different = any(one.state is ListState.DIFFERENT for one in lists)
    return ExitCode.PENDING if check and is_different else ExitCode.SUCCESS
