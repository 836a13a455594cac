"""A signed head stands for the journal: a changed one, another key, a cut end are refused."""

from __future__ import annotations

import base64
import json
import re
import subprocess
from pathlib import Path

import pytest

from reconciler.cli.main import run as type_command

from ..journal.by_hand import heads_of, log_files, replace_in, rewrite_log
from ..journal.runs import END, apply_of, intent, write


@pytest.fixture(params=["ed25519", "rsa", "ec"])
def keys(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Path]:
    """A private and a public key, as openssl makes them."""
    private, public = tmp_path / "key.pem", tmp_path / "key.pub"
    curve = ["-pkeyopt", "ec_paramgen_curve:P-256"] if request.param == "ec" else []
    command = ["openssl", "genpkey", "-algorithm", request.param, *curve, "-out", private]
    subprocess.run(command, check=True, capture_output=True)
    subprocess.run(["openssl", "pkey", "-in", private, "-pubout", "-out", public], check=True)
    return private, public


@pytest.fixture
def state(tmp_path: Path) -> Path:
    folder = tmp_path / "state"
    first = write(folder, apply_of("a"), intent(1), END)
    write(folder, apply_of("b", previous_head=first), intent(2), END)
    return folder


def sign(state: Path, key: Path, *run: str) -> Path:
    out = state / "head.json"
    arguments = ["audit", "sign", *run, "--key", key, "--out", out, "--state", state]
    assert type_command([str(one) for one in arguments]) == 0
    return out


def verify(state: Path, signature: Path, key: Path) -> int:
    arguments = ["--signature", signature, "--public-key", key, "--state", state]
    return type_command(["audit", "verify", *map(str, arguments)])


def test_the_latest_run_is_signed_and_checked(
    state: Path, keys: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    private, public = keys
    envelope = sign(state, private)

    statement = json.loads(base64.b64decode(json.loads(envelope.read_text())["payload"]))
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert [subject["name"] for subject in statement["subject"]] == ["journal", "plan"]
    assert statement["predicate"]["run"] == "b"
    assert re.fullmatch(r"[0-9-]{10}T[0-9:.]{12}Z", statement["predicate"]["time"])
    assert verify(state, envelope, public) == 0
    told = capsys.readouterr().err
    head = statement["subject"][0]["digest"]["sha256"]
    assert head == heads_of(state / "runs")[-1]
    assert "the signature is good: signed at 20" in told
    assert f"run b, journal head {head}" in told


def test_a_cut_end_is_found_by_the_signature(state: Path, keys: tuple[Path, Path]) -> None:
    private, public = keys
    envelope = sign(state, private, "a")
    path = state / "runs" / "a.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:2]))

    assert verify(state, envelope, public) == 3


@pytest.mark.parametrize("keys", ["ed25519"], indirect=True)
def test_a_record_and_its_log_written_anew_are_found_by_the_signature(
    state: Path, keys: tuple[Path, Path]
) -> None:
    private, public = keys
    envelope = sign(state, private)
    replace_in(state / "runs" / "b.jsonl", b"1.2.3.2", b"1.2.3.9")
    rewrite_log(state / "runs")

    assert type_command(["audit", "verify", "--state", str(state)]) == 0
    assert verify(state, envelope, public) == 3


@pytest.mark.parametrize("keys", ["ed25519"], indirect=True)
def test_a_log_cut_at_its_end_is_found_by_the_signature(
    state: Path, keys: tuple[Path, Path]
) -> None:
    private, public = keys
    envelope = sign(state, private)
    log_files(state / "runs")[-1].unlink()
    (state / "runs" / "b.jsonl").unlink()

    assert type_command(["audit", "verify", "--state", str(state)]) == 0
    assert verify(state, envelope, public) == 3


@pytest.mark.parametrize("keys", ["ed25519"], indirect=True)
def test_a_run_that_is_in_no_log_has_no_head_to_sign(
    state: Path, keys: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    write(state, apply_of("c"), intent(3))
    arguments = ["--key", keys[0], "--out", state / "head.json", "--state", state]

    assert type_command(["audit", "sign", "c", *map(str, arguments)]) == 1
    assert "the run c is in no log" in capsys.readouterr().err
    assert not (state / "head.json").exists()
    write(state, apply_of("d"), END)
    sign(state, keys[0], "c")


def test_a_run_before_it_that_is_gone_is_found_by_the_signature_and_never_signed(
    state: Path, keys: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    private, public = keys
    envelope = sign(state, private)
    (state / "runs" / "a.jsonl").unlink()

    assert verify(state, envelope, public) == 3
    again = ["--key", private, "--out", state / "again.json", "--state", state]
    assert type_command(["audit", "sign", *map(str, again)]) == 3
    assert "is not whole, so it is not signed" in capsys.readouterr().err
    assert not (state / "again.json").exists()


def test_a_changed_statement_is_refused(state: Path, keys: tuple[Path, Path]) -> None:
    private, public = keys
    envelope = sign(state, private)
    fields = json.loads(envelope.read_text())
    payload = base64.b64decode(fields["payload"]).replace(b'"run": "b"', b'"run": "a"')
    fields["payload"] = base64.b64encode(payload).decode()
    envelope.write_text(json.dumps(fields))

    assert verify(state, envelope, public) == 3


def test_another_key_is_refused(
    state: Path, keys: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    envelope = sign(state, keys[0])
    other, public = tmp_path / "other.pem", tmp_path / "other.pub"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", other], check=True)
    subprocess.run(["openssl", "pkey", "-in", other, "-pubout", "-out", public], check=True)

    assert verify(state, envelope, public) == 3
    assert "not that of this key" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "{}", "[]", "\x00", '{"payload": 1}'])
def test_what_is_no_statement_is_refused_without_a_traceback(
    state: Path, keys: tuple[Path, Path], text: str
) -> None:
    envelope = state / "head.json"
    envelope.write_text(text)

    assert verify(state, envelope, keys[1]) == 3


def test_what_is_no_key_is_an_error(state: Path, keys: tuple[Path, Path]) -> None:
    envelope = sign(state, keys[0])
    key = state / "key"
    key.write_text("not a key")

    assert verify(state, envelope, key) == 1
    arguments = ["--key", key, "--out", state / "x", "--state", state]
    assert type_command(["audit", "sign", *map(str, arguments)]) == 1
