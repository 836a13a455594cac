"""``reconciler validate``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import click

from reconciler.api import machine
from reconciler.api.destination import require_writable
from reconciler.api.formats import VALIDATION_FORMATS
from reconciler.api.loading import read_desired_state
from reconciler.api.project import STATE_FOLDER
from reconciler.checkout import is_ignored, require_own_state
from reconciler.cli.ci import github
from reconciler.cli.options.formats import Writes, format_options, write_formats
from reconciler.cli.options.listening import Console
from reconciler.cli.options.project import (
    checkout_of,
    find_folder,
    find_root,
    folder_in_repository,
    git,
)
from reconciler.cli.options.shared import (
    DEFAULT_PATH,
    StateAddress,
    paths_argument,
    project_options,
)
from reconciler.cli.output.console import report_problems, write_document
from reconciler.desired import Rule
from reconciler.errors import DesiredStateError, ExitCode, GitError, StateRefused
from reconciler.model.desired import DesiredState
from reconciler.model.problem import Problem, Severity, Source
from reconciler.model.validation import Validation
from reconciler.reporting.ci.places import in_repository
from reconciler.reporting.run.step_outputs import validation_outputs
from reconciler.reporting.validation.markdown import validation_as_markdown


@click.command(name="validate")
@paths_argument
@format_options(VALIDATION_FORMATS)
@project_options
def command(
    paths: tuple[Path, ...],
    format_name: str,
    writes: Writes,
    state: StateAddress | None,
    root: Path | None,
) -> int:
    """Check desired-state files, without asking any store.

    PATHS are files and folders (default: specs/). Every problem of every file is reported at
    once, as path:line:column. Exit code 1 when there is an error. A hold that is past its review is
    a warning.

    In a git repository an error is also what it holds where files are read and the work tree does
    not show, and a state folder that it tracks. One that it does not ignore is a warning.

    \b
    Examples:
      reconciler validate
      reconciler validate specs/retention.yaml
      reconciler validate --write sarif=validate.sarif --write junit=validate.xml
    """
    project = find_root(root)
    folder = folder_in_repository(project)
    require_writable(*(path for _, path in writes))
    problems = list(_state_problems(find_folder(state, project), is_named=state is not None))
    validation = _validate(paths or (project / DEFAULT_PATH,), project, problems)
    if validation.problems:
        report_problems(validation.problems)
    github.annotate(lambda: in_repository(validation.problems, folder))
    github.summarize(partial(validation_as_markdown, validation))
    github.set_outputs(validation_outputs(validation))
    write_formats(writes, lambda name: VALIDATION_FORMATS[name](validation, folder))
    write_document(VALIDATION_FORMATS[format_name](validation, folder))
    return ExitCode.ERROR if validation.desired is None else ExitCode.SUCCESS


def _validate(paths: Sequence[Path], project: Path, state: Sequence[Problem]) -> Validation:
    desired: DesiredState | None = None
    try:
        desired = read_desired_state(
            paths,
            root=project,
            one_service=False,
            today=machine.now().date(),
            checkout=checkout_of(project),
            listener=Console(),
        )
        found = desired.warnings
    except DesiredStateError as error:
        found = error.problems
    if any(problem.severity is Severity.ERROR for problem in state):
        desired = None
    problems = sorted((*found, *state), key=lambda problem: problem.sort_key)
    return Validation(tuple(problems), desired)


def _state_problems(folder: Path | None, *, is_named: bool) -> Iterator[Problem]:
    """What stands against the state folder; every command that uses it refuses an error."""
    if folder is None:
        return
    place = Source(STATE_FOLDER, 1)
    try:
        require_own_state(folder, is_named=is_named, git=git())
        line = is_ignored(folder, git())
    except StateRefused as error:
        yield Problem(place, Rule.STATE_REFUSED.value, str(error), error.hint)
    except GitError as error:
        message = f"whether git tracks the state folder {folder} is not known: {error}"
        yield Problem(place, Rule.GIT_NOT_KNOWN.value, message, error.hint)
    else:
        if line is not None:
            message = f"git does not ignore the state folder {folder}, so a commit may take it in"
            hint = f"add this line to .gitignore: {line}"
            rule = Rule.STATE_NOT_IGNORED.value
            yield Problem(Source(".gitignore", 1), rule, message, hint, Severity.WARNING)
