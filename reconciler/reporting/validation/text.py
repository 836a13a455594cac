"""What valid desired-state files ask for, for people at a terminal; problems go to stderr."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.model.desired import InputRole
from reconciler.model.validation import Validation
from reconciler.reporting.validation.tally import tally
from reconciler.reporting.wording import plural

_FILES = {InputRole.SELECTED, InputRole.KEEPS}


def validation_as_text(validation: Validation) -> Iterator[str]:
    """A headline, then what each store is to lose and to keep; nothing where files are invalid."""
    if validation.desired is None:
        return
    files = sum(file.role in _FILES for file in validation.desired.inputs)
    yield f"Valid: {plural(files, 'desired-state file')}.\n"
    for store in validation.desired.stores:
        yield f"  {store.store}\n"
        yield f"    remove {tally(store.removes.entries)}\n"
        yield f"    keep   {tally(store.keeps.entries)}\n"
