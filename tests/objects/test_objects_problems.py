"""What stands in the way of state in a bucket: one message for each, and no secret in any."""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
from obstore.exceptions import GenericError

from reconciler.errors import StateError, UsageError
from reconciler.objects.disk import Disk
from reconciler.objects.faults import fault_of
from reconciler.objects.interface import Objects
from reconciler.objects.opening import open_objects

from . import azure, google
from .conftest import BUCKETS, NOWHERE, SECRET, Place
from .proxy import Fault, Forward, Reply, Request, lost, says, unheard, whispering

in_buckets = pytest.mark.parametrize("place", BUCKETS, indirect=True)
ENDPOINTS = {"s3": "AWS_ENDPOINT_URL", "google": "GOOGLE_BASE_URL"}
ASKING: dict[str, Callable[[Objects], object]] = {
    "create": lambda objects: objects.create("a/b", b"mine"),
    "read": lambda objects: objects.read("a/b"),
    "names": lambda objects: list(objects.names("a")),
}
asking = pytest.mark.parametrize("ask", ASKING.values(), ids=ASKING)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "scheme that is not known"),
        ("folder", "scheme that is not known"),
        ("s3:/bucket", "scheme that is not known"),
        ("S3://bucket", "scheme that is not known"),
        ("https://user:hunter2@bucket", "scheme that is not known"),
        ("abfss://container@account", "scheme that is not known"),
        ("s3://", "names no bucket"),
        ("gs:///prefix", "names no bucket"),
        ("s3://AKIA:hunter2@bucket/prefix", "holds credentials, a query"),
        ("az://container/prefix?sig=hunter2", "holds credentials, a query"),
        ("gs://bucket/prefix#hunter2", "holds credentials, a query"),
        ("gs://bucket/a/../b", "a part that is not allowed"),
        ("gs://bucket/a/./b", "a part that is not allowed"),
        ("gs://bucket/a//b", "a part that is not allowed"),
        ("gs://bucket//", "a part that is not allowed"),
        ("gs://../b", "a part that is not allowed"),
        ("gs://bucket/a%2F..%2Fb", "a part that is not allowed"),
        ("gs://bucket/a b", "a part that is not allowed"),
        ("gs://bucket:443/a", "a part that is not allowed"),
        ("gs://bucket/a\n", "a part that is not allowed"),
        ("file://", "not an absolute path"),
        ("file://folder", "not an absolute path"),
        ("file:///a/../b", "not an absolute path"),
        ("file:///a/%2E%2E/b", "not an absolute path"),
        ("file:///a%00b", "not an absolute path"),
    ],
)
def test_a_url_that_is_none(url: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        open_objects(url)
    assert caught.value.hint
    assert "hunter2" not in f"{caught.value} {caught.value.hint}"


@in_buckets
def test_the_url_is_said_in_one_form(place: Place) -> None:
    assert open_objects(f"{place.url}/").url == open_objects(place.url).url == place.url
    bare = place.url.removesuffix("/a/prefix")
    assert open_objects(bare).url == bare


def test_the_extra_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "reconciler.objects.bucket", raising=False)
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(UsageError, match="extra that is not installed") as caught:
        open_objects("s3://bucket")
    assert caught.value.hint == "pip install 'dicom-reconciler[bucket]'"
    assert isinstance(open_objects("file:///tmp"), Disk)


@in_buckets
@asking
def test_a_bucket_that_is_not_there(place: Place, ask: Callable[[Objects], object]) -> None:
    url = place.url.replace("://bucket-", "://nobucket-")
    with pytest.raises(StateError, match=r"there is no such bucket \(404 ") as caught:
        ask(open_objects(url))
    assert str(caught.value).startswith(f"{url}: ")


@in_buckets
def test_no_permission_to_create(place: Place) -> None:
    place.spoilt.always["PUT"] = says(403, "AccessDenied")
    with pytest.raises(StateError, match=r"no permission to create objects \(403 Acc") as caught:
        place.open().create("a/b", b"mine")
    assert "needed" in str(caught.value.hint)
    assert len(place.spoilt.seen) == 2


def one_of_a_batch_is_forbidden(request: Request, forward: Forward) -> Reply:
    """As S3 and Azure answer a removal, which is a batch of one; the batch itself succeeds.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html and
    https://learn.microsoft.com/rest/api/storageservices/blob-batch
    """
    if "delete" in request.path:
        text = (
            "<DeleteResult><Error><Key>a/prefix/a/b</Key><Code>AccessDenied</Code>"
            "<Message>Access Denied</Message></Error></DeleteResult>"
        )
        return Reply(200, (("Content-Type", "application/xml"),), text.encode())
    text = (
        "--b\r\nContent-Type: application/http\r\nContent-ID: 0\r\n\r\n"
        "HTTP/1.1 403 This request is not authorized.\r\n"
        "x-ms-error-code: AuthorizationPermissionMismatch\r\n\r\n\r\n--b--\r\n"
    )
    return Reply(202, (("Content-Type", "multipart/mixed; boundary=b"),), text.encode())


@in_buckets
def test_no_permission_to_remove(place: Place) -> None:
    place.open().create("a/b", b"mine")
    place.spoilt.always["POST"] = one_of_a_batch_is_forbidden
    place.spoilt.always["DELETE"] = says(403, "AccessDenied")
    with pytest.raises(StateError, match=r"no permission to remove objects \(403") as caught:
        place.open().remove("a/b")
    assert "to replace a plan" in str(caught.value.hint)
    assert place.open().read("a/b") == b"mine"


@in_buckets
def test_a_removal_that_is_not_answered(place: Place) -> None:
    place.open().create("a/b", b"mine")
    place.spoilt.always |= dict.fromkeys(("POST", "DELETE"), unheard)
    with pytest.raises(StateError, match="no answer"):
        place.open(patience=1.0).remove("a/b")
    place.spoilt.always |= dict.fromkeys(("POST", "DELETE"), lost)
    place.open(patience=1.0).remove("a/b")
    assert place.open().read("a/b") is None


@in_buckets
@asking
def test_no_permission_to_read(place: Place, ask: Callable[[Objects], object]) -> None:
    """A create that is refused, and may not look why, is no refusal by another's object."""
    place.spoilt.always = {"PUT": says(412), "GET": says(403, "AccessDenied")}
    with pytest.raises(StateError, match=r"no permission to (read|list) objects \(403 Acc"):
        ask(place.open())


@in_buckets
@asking
def test_no_credentials(
    place: Place, ask: Callable[[Objects], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "GOOGLE_APPLICATION_CREDENTIALS",
        "AZURE_STORAGE_ACCOUNT_KEY",
    ):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(StateError, match="no credentials") as caught:
        ask(place.open(patience=1.0))
    assert str(caught.value.hint).startswith("needed: ")


@pytest.mark.parametrize("place", ["google"], indirect=True)
def test_credentials_that_give_no_token(place: Place, fake_google: google.Google) -> None:
    fake_google.refuses.append("invalid_grant")
    with pytest.raises(StateError, match="no credentials"):
        place.open().create("a", b"mine")
    fake_google.refuses.clear()


@pytest.mark.parametrize("place", ["s3"], indirect=True)
def test_an_instance_s_role_that_cannot_be_had(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the metadata service answers is no answer of the bucket."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", place.spoilt.url)
    for fault in (says(404, "NoSuchKey"), says(403), says(503)):
        place.spoilt.always["PUT"] = fault
        with pytest.raises(StateError, match="no credentials"):
            place.open(patience=1.0).create("a", b"mine")
        with pytest.raises(StateError, match="no credentials"):
            place.open(patience=1.0).read("a")
    assert {request.path for request in place.spoilt.seen} == {"/latest/api/token"}


@pytest.mark.parametrize(("status", "is_final"), [("404", True), ("503", False)])
def test_credentials_may_come_late(status: str, is_final: bool) -> None:
    asked = "Error performing PUT http://169.254.169.254/latest/api/token in 1ms"
    error = GenericError(f"{asked} - Server returned non-2xx status code: {status} :")
    assert fault_of(error, "read objects", "s3").is_final == is_final


@pytest.mark.parametrize("place", ["google"], indirect=True)
def test_no_file_says_where_the_bucket_is(
    place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A service account's file may hold an address, and obstore would go there with the token."""
    account = {"client_email": "", "private_key": "", "private_key_id": "", "disable_oauth": True}
    account |= {"gcs_base_url": place.spoilt.url}
    (tmp_path / "account.json").write_text(json.dumps(account))
    monkeypatch.delenv("GOOGLE_BASE_URL")
    monkeypatch.setenv("HTTPS_PROXY", NOWHERE)  # where Google's own address leads here
    monkeypatch.setenv("GOOGLE_SERVICE_ACCOUNT_KEY", json.dumps(account))
    with pytest.raises(StateError, match="no answer"):
        place.open(patience=0.5).create("a", b"mine")
    monkeypatch.delenv("GOOGLE_SERVICE_ACCOUNT_KEY")
    for name in ("SERVICE_ACCOUNT", "GOOGLE_SERVICE_ACCOUNT", "GOOGLE_SERVICE_ACCOUNT_PATH"):
        monkeypatch.setenv(name, str(tmp_path / "account.json"))
        with pytest.raises(StateError, match="environment's are malformed") as caught:
            place.open()
        assert "neither SERVICE_ACCOUNT nor" in str(caught.value.hint)
        monkeypatch.delenv(name)
    assert not place.spoilt.seen


@in_buckets
def test_credentials_that_are_not_accepted(place: Place) -> None:
    for fault in (says(401), says(403, "SignatureDoesNotMatch"), says(400, "ExpiredToken")):
        place.spoilt.always = {"PUT": fault, "GET": fault}
        with pytest.raises(StateError, match="the credentials were not accepted"):
            place.open().create("a", b"mine")


@pytest.mark.slow
@pytest.mark.parametrize("place", ["azure"], indirect=True)
def test_azure_without_an_account_or_with_another_key(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "AAAA")
    with pytest.raises(StateError, match=r"credentials were not accepted|no permission"):
        place.open().create("a", b"mine")
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_NAME")
    with pytest.raises(StateError, match="no credentials") as caught:
        place.open()
    assert "AZURE_STORAGE_ACCOUNT_NAME" in str(caught.value.hint)


@in_buckets
@asking
def test_an_endpoint_that_nobody_serves(
    place: Place, ask: Callable[[Objects], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ENDPOINTS.get(place.kind, "AZURE_STORAGE_ENDPOINT"), NOWHERE)
    with pytest.raises(StateError, match="no answer") as caught:
        ask(place.open(patience=1.0))
    assert "endpoint" in str(caught.value.hint)


@pytest.mark.parametrize("place", ["s3"], indirect=True)
def test_an_endpoint_in_clear(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ALLOW_HTTP")
    with pytest.raises(StateError, match="its endpoint is not https"):
        place.open().create("a", b"mine")
    assert not place.spoilt.seen


@pytest.mark.parametrize("place", ["s3"], indirect=True)
@asking
def test_a_clock_that_is_wrong(place: Place, ask: Callable[[Objects], object]) -> None:
    skewed = says(403, "RequestTimeTooSkewed")
    place.spoilt.always = {"PUT": skewed, "GET": skewed}
    with pytest.raises(StateError, match="the clock of this machine is wrong") as caught:
        ask(place.open())
    assert "NTP" in str(caught.value.hint)


@pytest.mark.parametrize("place", ["s3"], indirect=True)
def test_a_bucket_in_another_region(place: Place) -> None:
    place.spoilt.always = {"PUT": says(301), "GET": says(301)}
    with pytest.raises(StateError, match="another region") as caught:
        place.open().create("a", b"mine")
    assert caught.value.hint == "set AWS_REGION"


@pytest.mark.parametrize("place", ["s3", "google"], indirect=True)
def test_a_name_that_the_library_cannot_say(place: Place) -> None:
    """Whoever may write there can stop the listing, and no more."""
    place.spoilt.always["GET"] = listing("a/prefix/a//b")
    with pytest.raises(StateError, match="a name with an empty or a dotted part"):
        list(place.open().names("a"))


@pytest.mark.parametrize("place", ["s3", "google"], indirect=True)
def test_a_store_that_lists_out_of_order(place: Place) -> None:
    place.spoilt.always["GET"] = listing("a/prefix/a/2", "a/prefix/a/10")
    with pytest.raises(StateError, match="does not list its objects in order"):
        list(place.open().names("a"))


@in_buckets
@asking
def test_no_secret_is_in_a_message(place: Place, ask: Callable[[Objects], object]) -> None:
    place.sign_no_headers()
    for fault in (whispering, lost, says(503), says(412)):
        place.spoilt.always = {"PUT": fault, "GET": whispering}
        with pytest.raises(StateError) as caught:
            ask(place.open(patience=0.5))
        said = "".join(traceback.format_exception(caught.value)) + str(caught.value.hint)
        for secret in (SECRET, google.TOKEN, azure.KEY, "sig=", "Signature", "Bearer", "AKIA"):
            assert secret not in said


def listing(*names: str) -> Fault:
    one = "<Size>1</Size><LastModified>2024-01-01T00:00:00Z</LastModified><ETag>1</ETag>"
    contents = "".join(f"<Contents><Key>{name}</Key>{one}</Contents>" for name in names)
    body = f"<ListBucketResult>{contents}</ListBucketResult>".encode()
    return lambda request, forward: Reply(200, (("Content-Type", "application/xml"),), body)
