"""``reconciler query``."""

from __future__ import annotations

import sys
from io import TextIOWrapper
from pathlib import Path

import click

from reconciler.cli.options.path_type import PATH
from reconciler.cli.options.project import find_root, open_project
from reconciler.cli.options.reasons import reason_options
from reconciler.cli.options.shared import (
    StateAddress,
    max_age_option,
    patient_key_option,
    project_options,
)
from reconciler.cli.options.stores import access_options
from reconciler.cli.runs.querying import QueryOptions, run_delete, run_selects, write_rows
from reconciler.errors import UsageError
from reconciler.query.parsing import read_statements
from reconciler.query.resource import describe, show_methods
from reconciler.query.statement import Delete, Describe, Select, ShowMethods
from reconciler.regular_file import open_regular
from reconciler.reporting.export.rows import ROW_FORMATS


def _variable(text: str) -> tuple[str, str]:
    """Split ``NAME=VALUE`` at the first ``=``."""
    name, separator, value = text.partition("=")
    if not separator or not name.isidentifier():
        raise click.BadParameter(f"{text!r} is not NAME=VALUE")
    return name, value


@click.command(name="query")
@click.argument("text", required=False)
@click.option("--file", type=PATH, metavar="FILE", help="Read the SQL from FILE.")
@click.option(
    "--var",
    "variables",
    type=_variable,
    multiple=True,
    metavar="NAME=VALUE",
    help="The value of '{{ NAME }}' in the SQL; repeatable.",
)
@click.option(
    "--format",
    "format_name",
    type=click.Choice(list(ROW_FORMATS)),
    default="table",
    show_default=True,
    help="Output format of stdout for rows.",
)
@click.option(
    "--output",
    type=PATH,
    metavar="DIR",
    help="Write the instances below DIR; the column data then has their paths.",
)
@click.option(
    "--specs",
    type=PATH,
    multiple=True,
    metavar="PATH",
    help="Further desired-state files whose keeps override a DELETE; repeatable.",
)
@reason_options
@click.option("--out", type=PATH, metavar="FILE", help="Save the plan of a DELETE for apply.")
@click.option("--apply", is_flag=True, help="Apply the plan of a DELETE after a 'yes'.")
@click.option("--auto-approve", is_flag=True, help="With --apply: do not ask for confirmation.")
@click.option(
    "--expect-digest", metavar="DIGEST", help="With --apply: continue only with this digest."
)
@click.option(
    "--report",
    type=PATH,
    metavar="FILE",
    help="With --apply: write the result as JSON.",
)
@max_age_option
@patient_key_option
@access_options
@project_options
def command(
    *,
    text: str | None,
    file: Path | None,
    variables: tuple[tuple[str, str], ...],
    state: StateAddress | None,
    root: Path | None,
    **given: object,
) -> int:
    """Run SQL on the resource google.healthcare.instances.

    TEXT is the SQL, the name of a .sql file, or - for standard input. SELECT retrieves only what
    its columns need. DELETE does not delete by itself: it makes a plan, with the same gates, keeps
    and proofs as any other. SHOW METHODS IN and DESCRIBE describe the resource. Keywords and names
    are case-insensitive.

    Exit code 1 if a SELECT could not be answered completely; for a DELETE, those of plan and apply.

    \b
    Examples:
      reconciler query "DESCRIBE google.healthcare.instances"
      reconciler query select.sql --var instancesId=1.2.3.4 --format json
      reconciler query delete.sql --reason 113039 --ticket RET-1 --out plan.json
    """
    path, sql = _read(text, file)
    statements = read_statements(sql, path=path, variables=dict(variables))
    options = QueryOptions(
        project=open_project(state, find_root(root)),
        **given,  # type: ignore[arg-type]  # click hands over exactly the options above
    )
    match statements[0]:
        case ShowMethods(is_extended=is_extended):
            return write_rows(list(show_methods(is_extended=is_extended)), options)
        case Describe():
            return write_rows(list(describe()), options)
        case Delete() as delete:
            filled = "".join(f"\n-- {name}={value}" for name, value in sorted(variables))
            return run_delete(delete, path, sql + filled, options)
    return run_selects([one for one in statements if isinstance(one, Select)], options)


def _read(text: str | None, file: Path | None) -> tuple[str, str]:
    """How the SQL is named in messages, plans and records, and the SQL."""
    if (text is None) == (file is None):
        raise UsageError(
            "give the SQL as TEXT or as --file FILE, and not both",
            hint="- as TEXT reads standard input",
        )
    if text is not None and _names_a_file(text):
        file = Path(text)
    try:
        if file is not None:
            with TextIOWrapper(open_regular(file), encoding="utf-8-sig") as text_file:
                return file.as_posix(), text_file.read()
        if text == "-":
            return "<stdin>", sys.stdin.read()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
        raise UsageError(f"cannot read {file or 'standard input'}: {reason}") from error
    return "<query>", text or ""


def _names_a_file(text: str) -> bool:
    """Whether a TEXT is the name of a file: no SQL is one word that ends in ``.sql``."""
    return text.lower().endswith(".sql") and (len(text.split()) == 1 or Path(text).is_file())
