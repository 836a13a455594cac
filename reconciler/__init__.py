"""Plan and apply for DICOM instances.

``reconciler`` reads which instances a DICOM store must keep and which it must
remove, shows the difference to the live store as a plan, deletes exactly what
the reviewed plan says, proves that it is gone and leaves a record.

The way of the data, a room each: ``desired`` → ``live`` → ``planning`` →
``applying`` → ``reporting``; ``model`` holds the nouns they share.
"""

__version__ = "0.1.0"
