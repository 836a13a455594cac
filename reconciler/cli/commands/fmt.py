"""``reconciler fmt``."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.api.destination import write_file
from reconciler.cli.options.project import find_root
from reconciler.cli.options.shared import DEFAULT_PATH, paths_argument, root_option
from reconciler.cli.output.console import say, write_document
from reconciler.desired.format.canonical import NotCanonicalError, canonical
from reconciler.desired.load import load_desired_state
from reconciler.errors import ExitCode, ReconcilerError
from reconciler.model.desired import InputRole
from reconciler.regular_file import open_regular
from reconciler.reporting.wording import plural


@click.command(name="fmt")
@paths_argument
@click.option("--check", is_flag=True, help="Write nothing; exit with 3 if a file would change.")
@root_option
def command(paths: tuple[Path, ...], *, check: bool, root: Path | None) -> int:
    """Put desired-state files into their canonical form.

    PATHS are files and folders (default: specs/); all must be valid. Keys get a fixed order,
    entries are sorted, entries of one series are joined, and UIDs are sorted, one per line.
    Comments move with what they describe. The meaning of a file never changes. stdout names
    the files that changed, or would change.

    \b
    Examples:
      reconciler fmt
      reconciler fmt --check specs/retention.yaml
    """
    project = find_root(root)
    given = paths or (project / DEFAULT_PATH,)
    desired = load_desired_state(given, root=project, one_service=False)
    selected = [file.path for file in desired.inputs if file.role is InputRole.SELECTED]
    changed = [name for name in selected if _format(project / name, name, check=check)]
    write_document(f"{name}\n" for name in changed)
    verb = "would change" if check else "changed"
    say(f"{len(changed)} of {plural(len(selected), 'file')} {verb}")
    return ExitCode.REFUSED if check and changed else ExitCode.SUCCESS


def _format(path: Path, name: str, *, check: bool) -> bool:
    """Whether the file is not in canonical form; unless only checking, it is then."""
    try:
        with open_regular(path) as file:
            given = file.read()
        text = given.decode("utf-8-sig")
        result = canonical(text, name)
    except OSError as error:
        raise ReconcilerError(f"cannot read {name}: {error.strerror}") from error
    except NotCanonicalError as error:
        raise ReconcilerError(
            f"{name} cannot be formatted without changing what it says",
            hint="it is left as it is; please report this file's shape as a defect",
        ) from error
    if result == given.decode("utf-8"):
        return False
    if not check:
        write_file(path, [result])
    return True
