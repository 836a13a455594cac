"""Named objects, each created once and never changed: what machines can share without a server.

``interface`` is the one primitive, ``disk`` and ``bucket`` are the places that have it, ``opening``
finds the place by its URL, ``path`` names one object or a file, ``check`` asks whether a place
keeps the promise, ``numbered`` finds the last of many.
"""
