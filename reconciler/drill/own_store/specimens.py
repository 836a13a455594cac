"""The instances that a selftest stores in the user's own store: synthetic, under new UIDs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from reconciler.emulator import synthetic
from reconciler.model.address import InstanceAddress, SeriesAddress, StoreAddress

_SERIES = ((2, 2), (2,))
"""Of each study, how many instances its series hold."""

_EDGE = 8  # pixels


def make_specimens(
    folder: Path, store: StoreAddress, new_uid: Callable[[], str]
) -> Mapping[InstanceAddress, Path]:
    """Write the files; their patient is ``Synthetic^Instance``, with the id ``SYNTHETIC``.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir()
    specimens: dict[InstanceAddress, Path] = {}
    for study in _SERIES:
        study_uid = new_uid()
        for instances in study:
            series = SeriesAddress(study_uid, new_uid())
            template = synthetic.template(store, *series, _EDGE, folder / "template.dcm")
            for _ in range(instances):
                instance = InstanceAddress(*series, new_uid())
                path = folder / f"{len(specimens) + 1}.dcm"
                template.arrival(instance.instance_uid, path)
                specimens[instance] = path
    return specimens
