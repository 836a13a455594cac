"""Which stored instances may refer to others, by what a listing says of them."""

from __future__ import annotations

from enum import Enum
from functools import lru_cache
from importlib import import_module


class Referring(Enum):
    """Whether the metadata of an instance are worth reading for what they refer to."""

    NO = "no"
    """An original image: what it refers to is no source of it."""
    YES = "yes"
    """Not an image, one that is not original, or of a class that nothing is known of."""
    UNREPORTED = "unreported"
    """An image, and the listing does not say whether it is derived."""


_NAME_OF_IMAGES = "Image Storage"
_OTHER_IMAGES = frozenset(
    {
        "1.2.840.10008.5.1.4.1.1.4.2",  # MR Spectroscopy Storage
        "1.2.840.10008.5.1.4.1.1.6.2",  # Enhanced US Volume Storage
    }
)
"""Acquisitions whose class has another name than that of an image."""

_NOT_DERIVED = "ORIGINAL"


def load_classes() -> None:
    """Import what knows the SOP classes; before threads ask, which together make that fail."""
    import_module("pydicom.uid")


def is_image(sop_class_uid: str) -> bool:
    """Whether a storage SOP class (PS3.4 section B.5) is that of images, by its name in PS3.6.

    Segmentations, parametric maps and dose grids are none: they are made from images and refer to
    them. What PS3.6 does not name is none either.
    """
    # pydicom takes a fifth of a second to import, which runs that ask no store need not spend.
    from pydicom import config  # noqa: PLC0415
    from pydicom.uid import UID  # noqa: PLC0415

    name = UID(sop_class_uid, validation_mode=config.IGNORE).name
    return _NAME_OF_IMAGES in name or sop_class_uid in _OTHER_IMAGES


@lru_cache
def referring(sop_class_uid: str, pixel_data_characteristics: str) -> Referring:
    """What SOP Class UID (0008,0016) and Image Type (0008,0008) say; empty where not reported.

    The first value of Image Type says whether an image is derived (PS3.3 section C.7.6.1.1.2);
    what it says in no way that is known may be.
    """
    characteristics = pixel_data_characteristics.strip()
    if is_image(sop_class_uid) and characteristics in {_NOT_DERIVED, ""}:
        return Referring.NO if characteristics else Referring.UNREPORTED
    return Referring.YES
