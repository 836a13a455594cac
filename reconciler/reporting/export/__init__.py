"""Deletions for other systems: DICOM, FHIR, OCSF, syslog, CSV."""
