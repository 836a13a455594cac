"""A DICOM store → ``LiveStore``: the only room that speaks HTTP and sends DELETE."""
