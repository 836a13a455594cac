"""``reconciler validate``."""

from __future__ import annotations

import os
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
from reconciler.desired.project_paths import relative_to_root
from reconciler.desired.selection import SELECTORS, SPECS
from reconciler.desired.selectors.reading import load_selectors
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
    """Check desired-state files and selectors, without contacting a store.

    PATHS are files and folders (default: specs/). specs/ includes the selectors in selectors/ and
    the files that they name. All problems of all files are reported at once, as path:line:column.
    Exit code 1 if there is an error. A hold past its review date is a warning.

    In a git repository, it is also an error if the work tree lacks or hides files that git has
    where files are read, or if git tracks the state folder. A state folder that git does not ignore
    is a warning.

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
    validation = _validate(paths, project, problems)
    if validation.problems:
        report_problems(validation.problems)
    github.annotate(lambda: in_repository(validation.problems, folder))
    github.summarize(partial(validation_as_markdown, validation))
    github.set_outputs(validation_outputs(validation))
    write_formats(writes, lambda name: VALIDATION_FORMATS[name](validation, folder))
    write_document(VALIDATION_FORMATS[format_name](validation, folder))
    return ExitCode.ERROR if validation.desired is None else ExitCode.SUCCESS


def _validate(paths: Sequence[Path], project: Path, state: Sequence[Problem]) -> Validation:
    selectors, others = _told_apart(paths, project)
    desired: DesiredState | None = None
    problems = {*state, *_selector_problems(selectors, project)}
    try:
        desired = read_desired_state(
            others,
            root=project,
            one_service=False,
            today=machine.now().date(),
            with_reviews=True,
            checkout=checkout_of(project),
            listener=Console(),
        )
        problems.update(desired.warnings)
    except DesiredStateError as error:
        problems.update(error.problems)
    if any(problem.severity is Severity.ERROR for problem in problems):
        desired = None
    return Validation(tuple(sorted(problems, key=lambda problem: problem.sort_key)), desired)


def _told_apart(paths: Sequence[Path], project: Path) -> tuple[list[Path], list[Path]]:
    """The PATHs that lead to selectors, and the others; with all of specs/ go all selectors."""
    selectors: list[Path] = []
    others: list[Path] = []
    for path in paths or (project / DEFAULT_PATH,):
        name = relative_to_root(path, os.path.realpath(project)) or ""
        (selectors if name.split("/")[0] == SELECTORS else others).append(path)
        if name == SPECS and (project / SELECTORS).is_dir():
            selectors.append(project / SELECTORS)
    return selectors, others


def _selector_problems(paths: Sequence[Path], project: Path) -> Sequence[Problem]:
    if not paths:
        return ()
    try:
        return load_selectors(paths, root=project)[1]
    except DesiredStateError as error:
        return error.problems


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
