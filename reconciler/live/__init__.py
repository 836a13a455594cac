"""A DICOM store → ``LiveStore``: the only room that speaks HTTP and sends DELETE.

- What a provider writes: the protocol in ``store``; in ``providers/``, a folder for each;
  ``credentials`` and ``tokens`` are Google's way to sign requests.
- The way out, from the store to the wire: ``transport`` (guards, repetition) → ``channel``
  (identity, rate) → ``adapter`` (connections). ``retry`` and ``rate`` say when and how fast.
- Replies: ``answer``, or a ``faults`` error; ``bodies``, ``probe_reply``,
  ``replies`` and ``qido_rows`` say what it means, as pure functions.
"""
