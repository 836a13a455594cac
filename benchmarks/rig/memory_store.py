"""A DICOM store of synthetic instances that answers from memory, for the benchmarks alone.

    python benchmarks/rig/memory_store.py --instances 1000000 [--latency 0.02] [--certificate PEM]

It speaks as much of the Healthcare API as plan and apply need: pre-flight, listings with limit and
offset, metadata, DELETE. No instance is stored: each follows from its number, and what is deleted
is one bit. So it is never the bottleneck, and a million instances cost it a megabyte. What the
real ones do is the embedded store's business (`reconciler emulator`), with which the tests run.

It prints its origin, and ends when its standard input does. GET /_requests answers with how many
requests came, when the first and the last one about an instance did, and the CPU seconds between.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import re
import ssl
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

STORE = "projects/imaging-prod/locations/europe-west4/datasets/radiology/dicomStores/archive"
UID_ROOT = "1.2.826.0.1.3680043.10.1000"
_WEB = f"/v1/{STORE}/dicomWeb/studies/"
_UID_PATH = re.compile(
    rf"{_WEB}(?P<study>[0-9.]+)(?:/series/(?P<series>[0-9.]+))?"
    r"(?P<rest>(?:/instances(?:/(?P<instance>[0-9.]+)(?:/metadata)?)?)?|/metadata)$"
)
_NOT_FOUND = json.dumps({"error": {"code": 404, "message": "not found", "status": "NOT_FOUND"}})
_FILLER = ",".join(
    f'"0028{tag:04X}":{{"vr":"US","Value":[{tag}]}}' for tag in range(0x0002, 0x0002 + 17)
)
"""So that a row has the 900 bytes that a real one has."""
_CLASS = (
    '"00080008":{"vr":"CS","Value":["ORIGINAL","PRIMARY","AXIAL"]},'
    '"00080016":{"vr":"UI","Value":["1.2.840.10008.5.1.4.1.1.2"]}'
)
"""An original CT image, which refers to no other instance."""


class Layout(NamedTuple):
    """How many instances there are, and how they lie in series and studies."""

    instances: int
    per_series: int = 100
    series_per_study: int = 10

    def address(self, number: int) -> tuple[str, str, str]:
        """The UIDs of the instance of this number."""
        series_number = number // self.per_series
        study = f"{UID_ROOT}.{series_number // self.series_per_study}"
        series = f"{study}.{series_number}"
        return study, series, f"{series}.{number}"

    def addresses(self) -> Iterator[tuple[str, str, str]]:
        """The UIDs of all instances."""
        return map(self.address, range(self.instances))

    def numbers(self, study: str, series: str | None) -> range:
        """The numbers of the instances of a study or series; none if there is no such thing."""
        prefix, _, last = (series or study).rpartition(".")
        per_study = self.per_series * self.series_per_study
        width = per_study if series is None else self.per_series
        if (prefix if series is None else prefix.rpartition(".")[0]) != UID_ROOT:
            return range(0)
        start = int(last) * width
        found = range(start, min(start + width, self.instances))
        return found if found and self.address(start)[0] == study else range(0)


class Store:
    """The instances that are left, and the answers of the API about them."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._gone = bytearray(layout.instances)
        self.requests: Counter[str] = Counter()
        self.first = self.last = 0.0
        self.first_cpu = self.last_cpu = 0.0

    def answer(self, method: str, target: str) -> tuple[int, str, str]:
        """Status, content type and body."""
        path, _, query = target.partition("?")
        if path == "/_requests":
            times = {"first": self.first, "last": self.last, "cpu": self.last_cpu - self.first_cpu}
            told = {"requests": self.requests, **times}
            return 200, "application/json", json.dumps(told)
        self._count(method, path)
        match = _UID_PATH.match(path)
        if match is None:
            return self._store(method, path)
        if match["instance"]:
            return self._instance(method, match["study"], match["series"], match["instance"])
        if match["rest"] == "/instances":
            return self._listing(match["study"], match["series"], query)
        left = any(
            not self._gone[one] for one in self._layout.numbers(match["study"], match["series"])
        )
        return (200, "application/dicom+json", "[{}]") if left else self._missing()

    def _store(self, method: str, path: str) -> tuple[int, str, str]:
        if method == "POST":
            read = ["healthcare.dicomStores.get", "healthcare.dicomStores.dicomWebRead"]
            granted = {"permissions": [*read, "healthcare.dicomStores.dicomWebDelete"]}
            return 200, "application/json", json.dumps(granted)
        if path == f"/v1/{STORE}":
            return 200, "application/json", json.dumps({"name": STORE})
        return (204, "", "") if path.endswith("/dicomWeb/instances") else self._missing()

    def _instance(self, method: str, study: str, series: str, uid: str) -> tuple[int, str, str]:
        number = int(uid.rpartition(".")[2])
        is_there = number < self._layout.instances and not self._gone[number]
        if not is_there or self._layout.address(number) != (study, series, uid):
            return self._missing()
        if method == "DELETE":
            self._gone[number] = 1
            return 200, "application/json", "{}"
        return 200, "application/dicom+json", f"[{self._row(number)}]"

    def _listing(self, study: str, series: str | None, query: str) -> tuple[int, str, str]:
        asked = dict(one.split("=", 1) for one in query.split("&"))
        limit, offset = int(asked["limit"]), int(asked.get("offset", 0))
        left = [n for n in self._layout.numbers(study, series) if not self._gone[n]]
        rows = ",".join(map(self._row, left[offset : offset + limit]))
        return (200, "application/dicom+json", f"[{rows}]") if rows else (204, "", "")

    def _row(self, number: int) -> str:
        study, series, uid = self._layout.address(number)
        return (
            f'{{{_CLASS},"00080018":{{"vr":"UI","Value":["{uid}"]}},{_FILLER},'
            f'"0020000D":{{"vr":"UI","Value":["{study}"]}},'
            f'"0020000E":{{"vr":"UI","Value":["{series}"]}}}}'
        )

    def _missing(self) -> tuple[int, str, str]:
        return 404, "application/json", _NOT_FOUND

    def _count(self, method: str, path: str) -> None:
        kind = "probe" if path.endswith("/metadata") else method
        self.requests[kind] += 1
        if kind in {"probe", "DELETE"} and UID_ROOT in path:  # and not what nobody has
            self.last, self.last_cpu = time.monotonic(), time.process_time()
            self.first = self.first or self.last
            self.first_cpu = self.first_cpu or self.last_cpu


class Protocol(asyncio.Protocol):
    """HTTP/1.1 with keep-alive, one request at a time, and the least that a client can do with."""

    def __init__(self, store: Store, latency: float) -> None:
        self._store = store
        self._latency = latency
        self._data = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer once a whole request is there, after the latency."""
        self._data += data
        head, mark, rest = self._data.partition(b"\r\n\r\n")
        if not mark:
            return
        length = re.search(rb"(?im)^content-length: *([0-9]+)", head)
        if length and len(rest) < int(length[1]):
            return
        self._data = b""
        method, target, _ = head.partition(b"\r\n")[0].decode("ascii").split(" ")
        status, kind, body = self._store.answer(method, target)
        reply = (
            f"HTTP/1.1 {status} .\r\nContent-Type: {kind}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}"
        ).encode("ascii")
        asyncio.get_running_loop().call_later(self._latency, self._write, reply)

    def _write(self, reply: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(reply)


async def serve(store: Store, latency: float, certificate: Path | None) -> None:
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Protocol(store, latency), "127.0.0.1", 0, ssl=context, backlog=1024
    )
    port = server.sockets[0].getsockname()[1]
    print(f"{'https' if context else 'http'}://127.0.0.1:{port}", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--instances", type=int, required=True)
    parser.add_argument("--per-series", type=int, default=100)
    parser.add_argument("--series-per-study", type=int, default=10)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds")
    parser.add_argument("--certificate", type=Path, help="certificate and key in PEM form")
    options = parser.parse_args()
    layout = Layout(options.instances, options.per_series, options.series_per_study)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(Store(layout), options.latency, options.certificate))


if __name__ == "__main__":
    main()
