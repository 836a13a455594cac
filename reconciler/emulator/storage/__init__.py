"""What the embedded store holds: files, their index, their datasets as DICOM JSON."""
