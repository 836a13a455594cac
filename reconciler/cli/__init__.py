"""Arguments, environment, signals, output and exit code: the edge."""

from reconciler.cli.main import main

__all__ = ["main"]
