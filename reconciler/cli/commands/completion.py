"""``reconciler completion``."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from reconciler.cli.output.console import write_document
from reconciler.errors import UsageError

_SHELLS = ("bash", "zsh", "fish")
_VARIABLE = "_RECONCILER_COMPLETE"
"""By this the shell asks what could follow; click reads it before anything else."""


@click.command(name="completion")
@click.argument("shell", type=click.Choice(_SHELLS), metavar="SHELL")
@click.pass_context
def command(context: click.Context, shell: str) -> None:
    """Print the shell completion script for SHELL (bash, zsh, fish).

    \b
    Examples:
      reconciler completion bash > ~/.local/share/bash-completion/completions/reconciler
      reconciler completion zsh > ~/.zfunc/_reconciler
      reconciler completion fish > ~/.config/fish/completions/reconciler.fish
    """
    script = get_completion_class(shell)
    if script is None:
        raise UsageError(f"this version of click knows no completion for {shell}")
    group = context.find_root().command
    write_document([script(group, {}, "reconciler", _VARIABLE).source()])
