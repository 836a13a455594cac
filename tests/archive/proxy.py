"""A server between the tool and the embedded store that changes answers on their way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import requests

from ..serving import QuietHandler, serving_http


@dataclass(frozen=True)
class Reply:
    """An answer, sent with the length of its body; chunked, and so without one, where wanted."""

    status: int
    content_type: str
    body: bytes
    is_chunked: bool = False

    def cut(self, size: int) -> Reply:
        return replace(self, body=self.body[:size])


Change = Callable[[str, Reply], Reply]
"""Gets method and path of a request and what the store answers; gives what the tool gets."""


@contextmanager
def proxy_of(origin: str, change: Change) -> Iterator[str]:
    """Serve until the block ends; gives the origin."""

    class Handler(QuietHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name: self.headers[name] for name in ("Accept", "Content-Type")}
            with requests.request(
                self.command, origin + self.path, data=body, headers=headers, timeout=30
            ) as answered:
                kind = answered.headers.get("Content-Type", "")
                reply = Reply(answered.status_code, kind, answered.content)
            self.give(change(f"{self.command} {self.path}", reply))

        def give(self, reply: Reply) -> None:
            self.send_response(reply.status)
            self.send_header("Content-Type", reply.content_type)
            if reply.is_chunked:
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                self.wfile.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(reply.body), reply.body))
                return
            if reply.status != 204:
                self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        do_GET = do_POST = do_DELETE = answer  # noqa: N815 - the names are http.server's

    with serving_http(Handler) as url:
        yield url
