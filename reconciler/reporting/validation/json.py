"""A check of desired-state files for machines: ``schemas/validation.schema.json``."""

from __future__ import annotations

import json
from collections.abc import Iterator

from reconciler.json_codec import codec_of
from reconciler.model.desired import DesiredStore, InputFile
from reconciler.model.problem import Problem
from reconciler.model.validation import Validation
from reconciler.reporting.validation.tally import Tally, tally

FORMAT_VERSION = "1.0"


def validation_as_json(validation: Validation) -> Iterator[str]:
    """One object; files and stores are null where the files are invalid."""
    desired = validation.desired
    document = {
        "format_version": FORMAT_VERSION,
        "valid": desired is not None,
        "errors": validation.errors,
        "warnings": validation.warnings,
        "problems": list(map(codec_of(Problem).write, validation.problems)),
        "files": desired and list(map(codec_of(InputFile).write, desired.inputs)),
        "stores": desired and list(map(_store, desired.stores)),
    }
    yield json.dumps(document, indent=2) + "\n"


def _store(store: DesiredStore) -> dict[str, object]:
    return {
        **store.store.as_parameters(),
        "remove": codec_of(Tally).write(tally(store.removes.entries)),
        "keep": codec_of(Tally).write(tally(store.keeps.entries)),
    }
