"""``reconciler demo``."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import click

from reconciler.cli import environment
from reconciler.cli.options.path_type import PATH
from reconciler.drill.demo import STEPS, Step, write_specs
from reconciler.drill.real_files import store_real_files
from reconciler.emulator import DEMO_STORE, EmulatorSettings, running_emulator
from reconciler.errors import ExitCode, ReconcilerError, UsageError


@click.command(name="demo")
@click.option(
    "--dir",
    "folder",
    type=PATH,
    metavar="DIR",
    help="The folder of the demo, which is kept [default: a new temporary folder].",
)
def command(folder: Path | None) -> int:
    """Store real DICOM files in an embedded store, plan, apply, and plan again.

    Prints each command as you would type it, with its output, and keeps the folder. It contacts no
    other machine.

    \b
    Examples:
      reconciler demo
      reconciler demo --dir ~/demo
    """
    folder = _new_folder(folder)
    with running_emulator(EmulatorSettings(folder / "store")) as emulator:
        # Some of pydicom's files are odd on purpose, and pydicom says so.
        warnings.filterwarnings("ignore", category=UserWarning, module="pydicom")
        stored = store_real_files(emulator, DEMO_STORE)
        click.echo(f"{len(stored)} real DICOM files are in an embedded store at {emulator.url}")
        specs = write_specs(folder, DEMO_STORE, stored)
        for path in specs:
            click.echo(f"\n$ cat {path.relative_to(folder)}\n{path.read_text('utf-8')}", nl=False)
        for step in STEPS:
            _run(step, folder, emulator.url)
        left = len(emulator.instances(DEMO_STORE))
        click.echo(f"\n{left} of {len(stored)} instances are left in the store.")
    _say_how_to_go_on(folder, emulator.url)
    return ExitCode.SUCCESS


def _new_folder(folder: Path | None) -> Path:
    if folder is None:
        return Path(tempfile.mkdtemp(prefix="reconciler-demo-"))
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} is not an empty folder", hint="name a new one with --dir")
    folder.mkdir(parents=True, exist_ok=True)
    return folder.resolve()


def _run(step: Step, folder: Path, url: str) -> None:
    """Run one command in a process of its own, as a user would."""
    arguments = [*step.arguments, *_root_arguments(folder)]
    click.echo(f"\n# {step.remark}\n$ reconciler {shlex.join(arguments)}")
    sys.stdout.flush()
    done = subprocess.run(  # noqa: S603 - this very program with fixed arguments
        [sys.executable, "-m", "reconciler", *arguments],
        cwd=folder,
        env=environment.of_a_trial() | {"RECONCILER_ENDPOINT": url},
        check=False,
    )
    if done.returncode != step.exit_code:
        raise ReconcilerError(
            f"the demo went wrong: `reconciler {shlex.join(arguments)}` exited with"
            f" {done.returncode}, expected was {step.exit_code}",
            hint=f"look around in {folder}",
        )


def _root_arguments(folder: Path) -> list[str]:
    """Inside a git repository the project's root is its top level, unless specified otherwise."""
    return ["--root", "."] if any((above / ".git").exists() for above in folder.parents) else []


def _say_how_to_go_on(folder: Path, url: str) -> None:
    port = url.rpartition(":")[2]
    root = " ".join(["", *_root_arguments(folder)])
    click.echo(
        f"""
Look around:
  cd {shlex.quote(str(folder))}{_where_the_command_is()}
  ls specs plan.json report.json .reconciler/runs
  reconciler show plan.json --format markdown

Go on with the same store:
  reconciler emulator --data store --port {port} &
  export RECONCILER_ENDPOINT={url}
  reconciler plan{root}"""
    )


def _where_the_command_is() -> str:
    """A line that makes the command known, where the shell does not know it."""
    if shutil.which("reconciler") is not None:
        return ""
    return f"\n  export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH"
