"""A patient id is on record as what a key makes of it, and whoever has the key can repeat that."""

from __future__ import annotations

import secrets
import subprocess

import pytest

from reconciler.model.patient import PatientKey

SECRET = secrets.token_hex(32)


@pytest.mark.parametrize("patient_id", ["SYNTHETIC", "12-34 56", "ÅSA^1", "a" * 64])
def test_it_is_what_openssl_computes(patient_id: str) -> None:
    key = PatientKey.parse(SECRET + "\n")
    assert key is not None
    told = subprocess.run(
        ["openssl", "dgst", "-sha256", "-mac", "HMAC", "-macopt", f"hexkey:{SECRET}"],
        input=patient_id.encode(),
        capture_output=True,
        check=True,
    )
    digits = told.stdout.decode().split()[-1]
    assert key.pseudonym(patient_id) == f"hmac-sha256:{digits}"


def test_padding_makes_no_other_patient_and_another_key_does() -> None:
    key, other = PatientKey(b"k" * 32), PatientKey(b"o" * 32)
    assert key.pseudonym(" 1234 ") == key.pseudonym("1234")
    assert key.pseudonym("12 34") != key.pseudonym("1234")
    assert key.pseudonym("1234") != other.pseudonym("1234")


@pytest.mark.parametrize("text", ["", "ab" * 31, "ab" * 33, "zz" * 32, "ab" * 32 + "\n\n"])
def test_what_is_no_key_is_none(text: str) -> None:
    assert PatientKey.parse(text) is None


def test_it_never_shows_its_secret() -> None:
    assert "kkk" not in repr(PatientKey(b"k" * 32))


@pytest.mark.parametrize("secret", [b"", b"k" * 31, b"k" * 33])
def test_a_secret_has_its_length(secret: bytes) -> None:
    """Whoever has the id and no long secret could try them all."""
    with pytest.raises(ValueError, match="has 32 bytes"):
        PatientKey(secret)
