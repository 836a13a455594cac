"""Orthanc, by its own REST interface and its DICOMweb plugin."""
