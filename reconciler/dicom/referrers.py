"""Which stored instances may refer to others, by what a listing says of them."""

from __future__ import annotations

from enum import Enum

from reconciler.dicom.image_classes import IMAGE_CLASSES


class Referring(Enum):
    """Whether the metadata of an instance are worth reading for what they refer to."""

    NO = "no"
    """An original image: what it refers to is no source of it."""
    YES = "yes"
    """Not an image, one that is not original, or of a class that nothing is known of."""
    UNREPORTED = "unreported"
    """An image, and the listing does not say whether it is derived."""


_NOT_DERIVED = "ORIGINAL"


def referring(sop_class_uid: str, pixel_data_characteristics: str) -> Referring:
    """What SOP Class UID (0008,0016) and Image Type (0008,0008) say; empty where not reported.

    The first value of Image Type says whether an image is derived (PS3.3 section C.7.6.1.1.2);
    what it says in no way that is known may be. A class that PS3.6 does not name is none of images.
    """
    characteristics = pixel_data_characteristics.strip()
    if sop_class_uid in IMAGE_CLASSES and characteristics in {_NOT_DERIVED, ""}:
        return Referring.NO if characteristics else Referring.UNREPORTED
    return Referring.YES
