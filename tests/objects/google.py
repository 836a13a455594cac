"""A small Google Cloud Storage on loopback: of its XML API what obstore asks, and its tokens.

https://cloud.google.com/storage/docs/xml-api. Preconditions are honoured; pages are short.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from ..serving import QuietHandler, serving_http

TOKEN = "ya29.a-token-that-nobody-may-see"
PAGE = 3
SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"


@dataclass
class Google:
    url: str = ""
    buckets: dict[str, dict[str, bytes]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    assertions: list[str] = field(default_factory=list)
    """What tokens were asked for with."""
    refuses: list[str] = field(default_factory=list)
    """Why no token is given."""

    def put(self, bucket: str, name: str, generation: str | None, body: bytes) -> int:
        with self.lock:
            if bucket not in self.buckets:
                return 404
            if generation is not None and (generation != "0" or name in self.buckets[bucket]):
                return 412
            self.buckets[bucket][name] = body
            return 200


def service_account(url: str) -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return json.dumps(
        {
            "type": "service_account",
            "project_id": "a-project",
            "client_email": "test@example.iam.gserviceaccount.com",
            "private_key": key.decode(),
            "private_key_id": "1",
            "token_uri": f"{url}/token",
        }
    )


def grouped(name: str, prefix: str, delimiter: str | None) -> str:
    """The name as a listing shows it: up to the delimiter that follows on the prefix."""
    rest = name[len(prefix) :]
    if delimiter and delimiter in rest:
        return prefix + rest.partition(delimiter)[0] + delimiter
    return name


class Handler(QuietHandler):
    google: Google

    def do_POST(self) -> None:  # noqa: N802 - its name in http.server
        assert self.path == "/token"
        form = parse_qs(self.body().decode())
        self.google.assertions += form["assertion"]
        if self.google.refuses:
            answer = json.dumps({"error": self.google.refuses[0]}).encode()
            self.reply(400, answer, **{"Content-Type": "application/json"})
            return
        answer = {"access_token": TOKEN, "expires_in": 3600, "token_type": "Bearer"}
        self.reply(200, json.dumps(answer).encode(), **{"Content-Type": "application/json"})

    def do_PUT(self) -> None:  # noqa: N802 - its name in http.server
        body = self.body()
        if self.is_allowed():
            bucket, name = self.names()
            generation = self.headers.get("x-goog-if-generation-match")
            status = self.google.put(bucket, name, generation, body)
            codes = {404: "NoSuchBucket", 412: "PreconditionFailed"}
            if status in codes:
                self.fail(status, codes[status])
            else:
                self.reply(200, ETag='"1"', **{"x-goog-generation": "1"})

    def do_DELETE(self) -> None:  # noqa: N802 - its name in http.server
        if self.is_allowed():
            bucket, name = self.names()
            if self.google.buckets[bucket].pop(name, None) is None:
                self.fail(404, "NoSuchKey")
            else:
                self.reply(204)

    def do_GET(self) -> None:  # noqa: N802 - its name in http.server
        if not self.is_allowed():
            return
        bucket, name = self.names()
        objects = self.google.buckets.get(bucket)
        if objects is None:
            self.fail(404, "NoSuchBucket")
        elif not name:
            self.list(objects)
        elif name not in objects:
            self.fail(404, "NoSuchKey")
        else:
            headers = {"x-goog-generation": "1", "ETag": '"1"'}
            headers["Last-Modified"] = "Mon, 01 Jan 2024 00:00:00 GMT"
            self.reply(200, objects[name], **headers)

    def list(self, objects: dict[str, bytes]) -> None:
        query = {key: one[0] for key, one in parse_qs(urlsplit(self.path).query).items()}
        after = query.get("continuation-token", query.get("start-after", ""))
        prefix = query.get("prefix", "")
        delimiter = query.get("delimiter")
        shown = {grouped(one, prefix, delimiter) for one in objects if one.startswith(prefix)}
        found = sorted(one for one in shown if one > after)
        page = found[:PAGE]
        contents = "".join(
            f"<Contents><Key>{escape(one)}</Key><Size>{len(objects[one])}</Size>"
            '<LastModified>2024-01-01T00:00:00Z</LastModified><ETag>"1"</ETag></Contents>'
            if one in objects
            else f"<CommonPrefixes><Prefix>{escape(one)}</Prefix></CommonPrefixes>"
            for one in page
        )
        more = f"<NextContinuationToken>{escape(''.join(page[-1:]))}</NextContinuationToken>"
        text = f"<ListBucketResult>{contents}{more * (len(found) > PAGE)}</ListBucketResult>"
        self.reply(200, text.encode(), **{"Content-Type": "application/xml"})

    def names(self) -> tuple[str, str]:
        bucket, _, name = urlsplit(self.path).path[1:].partition("/")
        return unquote(bucket), unquote(name)

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def is_allowed(self) -> bool:
        if self.headers.get("Authorization") == f"Bearer {TOKEN}":
            return True
        self.fail(401, "AuthenticationRequired")
        return False

    def fail(self, status: int, code: str) -> None:
        text = f"<?xml version='1.0'?><Error><Code>{code}</Code></Error>"
        self.reply(status, text.encode(), **{"Content-Type": "application/xml"})

    def reply(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def running_google() -> Iterator[Google]:
    running = Google()

    class Serving(Handler):
        google = running

    with serving_http(Serving) as running.url:
        yield running
