"""DICOM files (PS3.10): what their beginning says, and whether they are whole.

Nothing of a file but its UIDs and its Patient ID ever leaves these modules; no message quotes it.
"""
