"""The storage SOP classes of images.

They are a table of our own, since pydicom, which has it, takes a fifth of a second and numpy to
import; a test holds it to pydicom's.
"""

from __future__ import annotations

IMAGE_CLASSES = frozenset(
    {
        "1.2.840.10008.5.1.1.29",  # Hardcopy Grayscale SOP Class
        "1.2.840.10008.5.1.1.30",  # Hardcopy Color SOP Class
        "1.2.840.10008.5.1.4.1.1.1",  # Computed Radiography
        "1.2.840.10008.5.1.4.1.1.1.1",  # Digital X-Ray, for presentation
        "1.2.840.10008.5.1.4.1.1.1.1.1",  # Digital X-Ray, for processing
        "1.2.840.10008.5.1.4.1.1.1.2",  # Digital Mammography X-Ray, for presentation
        "1.2.840.10008.5.1.4.1.1.1.2.1",  # Digital Mammography X-Ray, for processing
        "1.2.840.10008.5.1.4.1.1.1.3",  # Digital Intra-Oral X-Ray, for presentation
        "1.2.840.10008.5.1.4.1.1.1.3.1",  # Digital Intra-Oral X-Ray, for processing
        "1.2.840.10008.5.1.4.1.1.2",  # CT
        "1.2.840.10008.5.1.4.1.1.2.1",  # Enhanced CT
        "1.2.840.10008.5.1.4.1.1.2.2",  # Legacy Converted Enhanced CT
        "1.2.840.10008.5.1.4.1.1.3",  # Ultrasound Multi-frame
        "1.2.840.10008.5.1.4.1.1.3.1",  # Ultrasound Multi-frame
        "1.2.840.10008.5.1.4.1.1.4",  # MR
        "1.2.840.10008.5.1.4.1.1.4.1",  # Enhanced MR
        "1.2.840.10008.5.1.4.1.1.4.3",  # Enhanced MR Color
        "1.2.840.10008.5.1.4.1.1.4.4",  # Legacy Converted Enhanced MR
        "1.2.840.10008.5.1.4.1.1.5",  # Nuclear Medicine
        "1.2.840.10008.5.1.4.1.1.6",  # Ultrasound
        "1.2.840.10008.5.1.4.1.1.6.1",  # Ultrasound
        "1.2.840.10008.5.1.4.1.1.6.3",  # Photoacoustic
        "1.2.840.10008.5.1.4.1.1.7",  # Secondary Capture
        "1.2.840.10008.5.1.4.1.1.7.1",  # Multi-frame Single Bit Secondary Capture
        "1.2.840.10008.5.1.4.1.1.7.2",  # Multi-frame Grayscale Byte Secondary Capture
        "1.2.840.10008.5.1.4.1.1.7.3",  # Multi-frame Grayscale Word Secondary Capture
        "1.2.840.10008.5.1.4.1.1.7.4",  # Multi-frame True Color Secondary Capture
        "1.2.840.10008.5.1.4.1.1.12.1",  # X-Ray Angiographic
        "1.2.840.10008.5.1.4.1.1.12.1.1",  # Enhanced XA
        "1.2.840.10008.5.1.4.1.1.12.2",  # X-Ray Radiofluoroscopic
        "1.2.840.10008.5.1.4.1.1.12.2.1",  # Enhanced XRF
        "1.2.840.10008.5.1.4.1.1.12.3",  # X-Ray Angiographic Bi-Plane
        "1.2.840.10008.5.1.4.1.1.13.1.1",  # X-Ray 3D Angiographic
        "1.2.840.10008.5.1.4.1.1.13.1.2",  # X-Ray 3D Craniofacial
        "1.2.840.10008.5.1.4.1.1.13.1.3",  # Breast Tomosynthesis
        "1.2.840.10008.5.1.4.1.1.13.1.4",  # Breast Projection X-Ray, for presentation
        "1.2.840.10008.5.1.4.1.1.13.1.5",  # Breast Projection X-Ray, for processing
        "1.2.840.10008.5.1.4.1.1.14.1",  # Intravascular OCT, for presentation
        "1.2.840.10008.5.1.4.1.1.14.2",  # Intravascular OCT, for processing
        "1.2.840.10008.5.1.4.1.1.20",  # Nuclear Medicine
        "1.2.840.10008.5.1.4.1.1.77.1",  # VL - Trial
        "1.2.840.10008.5.1.4.1.1.77.1.1",  # VL Endoscopic
        "1.2.840.10008.5.1.4.1.1.77.1.1.1",  # Video Endoscopic
        "1.2.840.10008.5.1.4.1.1.77.1.2",  # VL Microscopic
        "1.2.840.10008.5.1.4.1.1.77.1.2.1",  # Video Microscopic
        "1.2.840.10008.5.1.4.1.1.77.1.3",  # VL Slide-Coordinates Microscopic
        "1.2.840.10008.5.1.4.1.1.77.1.4",  # VL Photographic
        "1.2.840.10008.5.1.4.1.1.77.1.4.1",  # Video Photographic
        "1.2.840.10008.5.1.4.1.1.77.1.5.1",  # Ophthalmic Photography 8 Bit
        "1.2.840.10008.5.1.4.1.1.77.1.5.2",  # Ophthalmic Photography 16 Bit
        "1.2.840.10008.5.1.4.1.1.77.1.5.4",  # Ophthalmic Tomography
        "1.2.840.10008.5.1.4.1.1.77.1.5.5",  # Wide Field Stereographic Projection
        "1.2.840.10008.5.1.4.1.1.77.1.5.6",  # Wide Field 3D Coordinates
        "1.2.840.10008.5.1.4.1.1.77.1.5.7",  # Ophthalmic Optical Coherence Tomography En Face
        "1.2.840.10008.5.1.4.1.1.77.1.6",  # VL Whole Slide Microscopy
        "1.2.840.10008.5.1.4.1.1.77.1.7",  # Dermoscopic Photography
        "1.2.840.10008.5.1.4.1.1.77.1.8",  # Confocal Microscopy
        "1.2.840.10008.5.1.4.1.1.77.1.9",  # Confocal Microscopy Tiled Pyramidal
        "1.2.840.10008.5.1.4.1.1.77.2",  # VL Multi-frame - Trial
        "1.2.840.10008.5.1.4.1.1.128",  # Positron Emission Tomography
        "1.2.840.10008.5.1.4.1.1.128.1",  # Legacy Converted Enhanced PET
        "1.2.840.10008.5.1.4.1.1.130",  # Enhanced PET
        "1.2.840.10008.5.1.4.1.1.481.1",  # RT
        "1.2.840.10008.5.1.4.1.1.481.23",  # Enhanced RT
        "1.2.840.10008.5.1.4.1.1.481.24",  # Enhanced Continuous RT
        "1.2.840.10008.5.1.4.1.1.501.1",  # DICOS CT
        "1.2.840.10008.5.1.4.1.1.501.2.1",  # DICOS Digital X-Ray, for presentation
        "1.2.840.10008.5.1.4.1.1.501.2.2",  # DICOS Digital X-Ray, for processing
        "1.2.840.10008.5.1.4.1.1.601.1",  # Eddy Current
        "1.2.840.10008.5.1.4.1.1.601.2",  # Eddy Current Multi-frame
        "1.2.840.10008.5.1.4.1.1.4.2",  # MR Spectroscopy Storage
        "1.2.840.10008.5.1.4.1.1.6.2",  # Enhanced US Volume Storage
    }
)
"""By SOP Class UID (PS3.6 table A-1): all with "Image Storage" in their names, which is left out
here, and two acquisitions whose classes have other names.

Segmentations, parametric maps and dose grids are none: they are made from images and refer to them.
"""
