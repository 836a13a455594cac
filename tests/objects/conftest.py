"""The four places where objects can lie, each a real one on this machine."""

from __future__ import annotations

import itertools
import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

import obstore
import pytest
import requests
from moto.server import ThreadedMotoServer

from reconciler.objects import bucket
from reconciler.objects.interface import RemovableObjects
from reconciler.objects.opening import open_objects

from . import azure, google
from .proxy import Proxy, running_proxy

SECRET = "a-secret-that-nobody-may-see"
PLACES = [
    "disk",
    "s3",
    "google",
    pytest.param("azure", marks=pytest.mark.slow),  # npm installs it, and node is slow to start
]
BUCKETS = PLACES[1:]
NOWHERE = "http://127.0.0.1:9"
numbers = itertools.count(1)


@dataclass(frozen=True)
class Place:
    """Where objects can lie; ``proxy`` stands before a bucket and is honest at first."""

    kind: str
    url: str
    proxy: Proxy | None = None
    environment: pytest.MonkeyPatch = field(default_factory=pytest.MonkeyPatch)

    def sign_no_headers(self) -> None:
        """Azure's signature is over the headers, too; a SAS is not, and stands in each URL."""
        if self.kind == "azure":
            self.environment.delenv("AZURE_STORAGE_ACCOUNT_KEY")
            self.environment.setenv("AZURE_STORAGE_SAS_TOKEN", azure.signed_access())

    def open(self, patience: float = 6.0) -> RemovableObjects:
        if self.proxy is None:
            return open_objects(self.url)
        scheme, _, rest = self.url.partition("://")
        name, _, prefix = rest.partition("/")
        return bucket.open_bucket(scheme, name, prefix, patience)

    @property
    def spoilt(self) -> Proxy:
        assert self.proxy is not None
        return self.proxy

    def put(self, name: str, data: bytes) -> None:
        """Store something without the program, and without a precondition."""
        if self.kind == "disk":
            path = Path(unquote(self.url.removeprefix("file://")), name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        else:
            opened = self.open()
            assert isinstance(opened, bucket.Bucket)
            obstore.put(opened._store, name, data)


@pytest.fixture(scope="session")
def moto() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="session")
def fake_google() -> Iterator[google.Google]:
    with google.running_google() as running:
        yield running


@pytest.fixture(scope="session")
def service_account(fake_google: google.Google) -> str:
    return google.service_account(fake_google.url)


@pytest.fixture(scope="session")
def azurite() -> Iterator[str]:
    with azure.running_azurite() as url:
        yield url


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """An environment that names no cloud, and leads to none."""
    for name in os.environ:
        if re.match("(AWS|AZURE|GOOGLE|CLOUDSDK|GCE)_|SERVICE_ACCOUNT$", name):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "gcloud"))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", NOWHERE)
    monkeypatch.setenv("AZURE_MSI_ENDPOINT", NOWHERE)
    return monkeypatch


@contextmanager
def _s3(request: pytest.FixtureRequest, env: pytest.MonkeyPatch, name: str) -> Iterator[Place]:
    upstream = request.getfixturevalue("moto")
    assert requests.put(f"{upstream}/{name}", timeout=30).ok
    with running_proxy(upstream) as proxy:
        proxy.writing = threading.Lock()  # moto has no lock between its look and its write
        env.setenv("AWS_ENDPOINT_URL", proxy.url)
        env.setenv("AWS_ALLOW_HTTP", "true")
        env.setenv("AWS_REGION", "us-east-1")
        env.setenv("AWS_ACCESS_KEY_ID", "AKIATEST")
        env.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        yield Place("s3", f"s3://{name}/a/prefix", proxy, env)


@contextmanager
def _google(request: pytest.FixtureRequest, env: pytest.MonkeyPatch, name: str) -> Iterator[Place]:
    running = request.getfixturevalue("fake_google")
    running.buckets[name] = {}
    key = request.getfixturevalue("tmp_path") / "key.json"
    key.write_text(request.getfixturevalue("service_account"))
    with running_proxy(running.url) as proxy:
        env.setenv("GOOGLE_BASE_URL", proxy.url)
        env.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
        yield Place("google", f"gs://{name}/a/prefix", proxy, env)


@contextmanager
def _azure(request: pytest.FixtureRequest, env: pytest.MonkeyPatch, name: str) -> Iterator[Place]:
    url = request.getfixturevalue("azurite")
    azure.make_container(url, name)
    origin, _, account = url.rpartition("/")
    with running_proxy(origin) as proxy:
        env.setenv("AZURE_STORAGE_ENDPOINT", f"{proxy.url}/{account}")
        env.setenv("AZURE_ALLOW_HTTP", "true")
        env.setenv("AZURE_STORAGE_ACCOUNT_NAME", account)
        env.setenv("AZURE_STORAGE_ACCOUNT_KEY", azure.KEY)
        yield Place("azure", f"az://{name}/a/prefix", proxy, env)


BUCKETS_BY_KIND: dict[str, Callable[..., object]] = {"s3": _s3, "google": _google, "azure": _azure}


@pytest.fixture
def place(
    request: pytest.FixtureRequest, clean: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Place]:
    """A place with nothing in it; of the kind that the test names, or by parameter."""
    kind = request.param
    with ExitStack() as stack:
        if kind == "disk":
            (tmp_path / "shared state").mkdir()
            yield Place(kind, (tmp_path / "shared state").as_uri())
        else:
            name = f"bucket-{os.getpid()}-{next(numbers)}"
            yield stack.enter_context(BUCKETS_BY_KIND[kind](request, clean, name))
