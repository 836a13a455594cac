"""Beam has an environment of its own, of `script/test-beam`; elsewhere nothing is collected."""

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("apache_beam") else ["test_*.py"]
