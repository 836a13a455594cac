"""Only requests for this machine are answered: DNS rebinding brings others."""

from __future__ import annotations

import http.client
from urllib.parse import urlsplit

import pytest


def ask(site, method, path, host):
    port = urlsplit(site.emulator.url).port
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.putrequest(method, path, skip_host=True)
    if host is not None:
        connection.putheader("Host", host.format(port=port))
    connection.endheaders()
    status = connection.getresponse().status
    connection.close()
    return status


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:{port}", "localhost:{port}", "LocalHost", "[::1]:{port}"]
)
def test_every_name_of_the_loopback_interface_is_answered(site, host):
    assert ask(site, "GET", site.url().removeprefix(site.emulator.url), host) == 200


@pytest.mark.parametrize(
    "host",
    [
        None,
        "",
        "attacker.example",
        "attacker.example:{port}",
        "localhost.attacker.example",
        "127.0.0.1.attacker.example",
        "10.0.0.1",
        "0.0.0.0",
        "[fe80::1]",
        "[::1",
        "localhost:abc",
        "localhost:65536",
        "127.0.0.1@x",
    ],
)
def test_another_host_is_refused_and_nothing_is_done(site, host):
    below = site.web(site.ct).removeprefix(site.emulator.url)
    for method, path in (
        ("DELETE", below),
        ("GET", below),
        ("GET", "/_emulator/requests"),
        ("DELETE", "/_emulator/requests"),
        ("POST", "/token"),
    ):
        assert ask(site, method, path, host) in {400, 421}, (method, path)
    assert site.emulator.requests() == []
    assert site.get(site.ct).status_code == 200
