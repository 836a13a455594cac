"""The demo: the whole way of the data on real DICOM files, against the embedded store."""
