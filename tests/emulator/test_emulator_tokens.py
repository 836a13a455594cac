from __future__ import annotations

import time

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth.transport.requests import AuthorizedSession, Request
from google.oauth2.service_account import Credentials

SCOPE = "https://www.googleapis.com/auth/cloud-healthcare"


@pytest.fixture(scope="module")
def private_key():
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


@pytest.fixture
def authorized(private_key):
    """Makes a session of a service account whose token endpoint is the emulator's."""

    def made(site):
        account = {
            "client_email": "reconciler@demo-project.iam.gserviceaccount.com",
            "token_uri": f"{site.emulator.url}/token",
            "private_key": private_key,
        }
        credentials = Credentials.from_service_account_info(account, scopes=[SCOPE])
        return AuthorizedSession(credentials)

    return made


def paths(site):
    return [record.path.rpartition("/")[2] for record in site.emulator.requests()]


def test_without_a_valid_token_everything_is_401(start):
    site = start(require_token=True)
    for headers in ({}, {"Authorization": "Bearer made-up"}, {"Authorization": "Basic eDp5"}):
        answer = site.session.get(site.url(), headers=headers)
        assert answer.status_code == 401
        assert answer.json()["error"]["status"] == "UNAUTHENTICATED"
    assert site.session.delete(site.web(site.ct)).status_code == 401
    assert site.session.get(f"{site.emulator.url}/_emulator/requests").status_code == 200


def test_a_service_account_gets_one_token_and_uses_it(start, authorized):
    site = start(require_token=True)
    with authorized(site) as session:
        assert [session.get(site.url()).status_code for _ in range(3)] == [200] * 3
    assert paths(site) == ["token", "demo-store", "demo-store", "demo-store"]
    assert [record.authorized for record in site.emulator.requests()] == [
        False,
        True,
        True,
        True,
    ]


def test_a_revoked_token_is_401_and_the_client_gets_another(start, authorized):
    site = start(require_token=True)
    with authorized(site) as session:
        session.get(site.url())
        site.emulator.revoke_tokens()
        assert session.get(site.url()).status_code == 200
    assert [record.status for record in site.emulator.requests()] == [200, 200, 401, 200, 200]


def test_tokens_are_revoked_over_http(start, authorized):
    site = start(require_token=True)
    with authorized(site) as session:
        session.get(site.url())
        site.session.post(f"{site.emulator.url}/_emulator/tokens:revoke")
        header = {"Authorization": f"Bearer {session.credentials.token}"}
        assert site.session.get(site.url(), headers=header).status_code == 401


@pytest.mark.parametrize(("lifetime", "has_ended"), [(60, False), (0.05, True)])
def test_a_token_ends_with_its_lifetime(start, authorized, lifetime, has_ended):
    site = start(require_token=True, token_lifetime=lifetime)
    with authorized(site) as session:
        session.credentials.refresh(Request())
        header = {"Authorization": f"Bearer {session.credentials.token}"}
    time.sleep(0.05)
    assert site.session.get(site.url(), headers=header).status_code == (401 if has_ended else 200)


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({}, "unsupported_grant_type"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer"}, "invalid_grant"),
        (
            {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": "a.b.c"},
            "invalid_grant",
        ),
    ],
)
def test_a_token_is_issued_for_an_assertion_only(site, form, error):
    answer = site.session.post(f"{site.emulator.url}/token", data=form)
    assert (answer.status_code, answer.json()) == (400, {"error": error})
