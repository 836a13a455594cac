"""A token goes only where the user said, and never in clear over a network."""

import pytest

from reconciler.errors import EndpointError
from reconciler.live.http.endpoint import Endpoint, parse_endpoint
from reconciler.model.address import DEFAULT_PROVIDER


@pytest.mark.parametrize(
    ("text", "origin", "is_loopback"),
    [
        (DEFAULT_PROVIDER.facts.endpoint, "https://healthcare.googleapis.com", False),
        ("https://healthcare.googleapis.com/", "https://healthcare.googleapis.com", False),
        ("HTTPS://Healthcare.GoogleAPIs.com:443", "https://healthcare.googleapis.com", False),
        ("https://pacs.example:8443", "https://pacs.example:8443", False),
        ("https://10.0.0.7", "https://10.0.0.7", False),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080", True),
        ("http://127.200.3.4", "http://127.200.3.4", True),
        ("http://localhost:80", "http://localhost", True),
        ("http://[::1]:8080", "http://[::1]:8080", True),
        ("https://localhost:1", "https://localhost:1", True),
    ],
)
def test_an_endpoint_is_a_normalised_origin(text: str, origin: str, is_loopback: bool) -> None:
    assert parse_endpoint(text) == Endpoint(origin, is_loopback)


@pytest.mark.parametrize(
    "text",
    [
        "http://healthcare.googleapis.com",
        "http://10.0.0.7:8080",
        "http://127.0.0.1.evil.example",
        "http://localhost.evil.example",
        "http://[2001:db8::1]",
    ],
)
def test_plain_http_stays_on_this_machine(text: str) -> None:
    with pytest.raises(EndpointError, match="plain http"):
        parse_endpoint(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "healthcare.googleapis.com",
        "ftp://localhost",
        "https://",
        "https://user@healthcare.googleapis.com",
        "https://user:secret@healthcare.googleapis.com",
        "https://healthcare.googleapis.com@evil.example",
        "https://healthcare.googleapis.com/v1",
        "https://healthcare.googleapis.com?x=1",
        "https://healthcare.googleapis.com#x",
        "https://healthcare.googleapis.com\n",
        "https://healthcare.googleapis.com\\@evil.example",
        "https://host:0",
        "https://host:65536",
        "https://host:8080:8080",
        "https://[::1",
        "https://[:::::]",
        "https://ho st",
        "https://host..example",
        "https://host.-x.example",
        f"https://{'x' * 64}.example",
        "https://user_name:secret@host",
        "http://\uff11\uff12\uff17.0.0.1",
    ],
)
def test_anything_but_an_origin_is_refused(text: str) -> None:
    with pytest.raises(EndpointError) as caught:
        parse_endpoint(text)
    assert "secret" not in str(caught.value)
    assert caught.value.hint is not None


@pytest.mark.parametrize(
    "text", ["https://orthanc_1:8043", "http://my_store.example", "https://_dicom._tcp.example/"]
)
def test_an_underscore_in_a_host_is_named(text: str) -> None:
    with pytest.raises(EndpointError, match="underscore") as caught:
        parse_endpoint(text)
    assert "hyphens" in caught.value.hint
