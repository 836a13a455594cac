"""The stores that are spoken to, a file each (and one for its pre-flight).

A provider writes, on top of `DicomWebStore`, what its servers do in their own way: the pre-flight,
how an instance is retrieved, what is known of its storage, and how one instance is deleted; and
beside it the `Guards`, which declare the one pattern that the URL of its DELETE must match in
full. `Provider` in ``model/address.py`` says what is known of it before it is spoken to, ``table``
names its module, and nothing else names it.
"""
