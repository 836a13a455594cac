"""``reconciler validate``."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import click

from reconciler.cli import github
from reconciler.cli.console import report_problems, require_writable, write_document
from reconciler.cli.formats import VALIDATION_FORMS, Writes, format_options, write_forms
from reconciler.cli.options import DEFAULT_PATH, paths_argument, root_option
from reconciler.cli.project import find_root, folder_in_repository
from reconciler.cli.reading import read_desired_state
from reconciler.errors import DesiredStateError, ExitCode
from reconciler.model.validation import Validation
from reconciler.reporting.places import in_repository
from reconciler.reporting.step_outputs import validation_outputs
from reconciler.reporting.validation_markdown import validation_as_markdown


@click.command(name="validate")
@paths_argument
@format_options(VALIDATION_FORMS)
@root_option
def command(paths: tuple[Path, ...], form: str, writes: Writes, root: Path | None) -> int:
    """Check desired-state files, without asking any store.

    PATHS are files and folders (default: specs/). Every problem of every file is reported at
    once, as path:line:column. Exit code 1 when there is an error.

    \b
    Examples:
      reconciler validate
      reconciler validate specs/retention.yaml
      reconciler validate --write sarif=validate.sarif --write junit=validate.xml
    """
    project = find_root(root)
    folder = folder_in_repository(project)
    require_writable(*(path for _, path in writes))
    validation = _validate(paths or (project / DEFAULT_PATH,), project)
    if validation.problems:
        report_problems(validation.problems)
    github.annotate(lambda: in_repository(validation.problems, folder))
    github.summarize(partial(validation_as_markdown, validation))
    github.set_outputs(validation_outputs(validation))
    write_forms(writes, lambda name: VALIDATION_FORMS[name](validation, folder))
    write_document(VALIDATION_FORMS[form](validation, folder))
    return ExitCode.ERROR if validation.desired is None else ExitCode.SUCCESS


def _validate(paths: Sequence[Path], project: Path) -> Validation:
    try:
        desired = read_desired_state(paths, root=project, one_service=False)
    except DesiredStateError as error:
        return Validation(error.problems, None)
    return Validation(desired.warnings, desired)
