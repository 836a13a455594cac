"""`audit export --syslog`: a real rsyslog gets every message over TLS, and each once."""

from __future__ import annotations

import os
import socket
import stat
import struct
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from threading import Thread

import pytest

from reconciler.audit.selection import recorded_deletions
from reconciler.audit.snapshot import Snapshot
from reconciler.audit.syslog import BATCH, Delivery, Receiver, SendRetry, deliver
from reconciler.cli.main import run as type_command
from reconciler.errors import JournalError, LockHeld, ReceiverError
from reconciler.journal.delivery_log import DeliveryLog
from reconciler.journal.places.disk import DiskState
from reconciler.journal.places.locks import hold_locks
from reconciler.journal.records import Record
from reconciler.model.audit import Selection
from reconciler.model.lock import Holder
from reconciler.model.outcome import Outcome
from reconciler.reporting.export.dicom_audit import MAX_OCTETS, AuditMessage, audit_messages
from reconciler.reporting.export.syslog import Sender

from ..audit.records import NOON, STORE, attempt, instance, started, write
from .conftest import Authority, MakeRsyslog, Rsyslog

SENDER = Sender("archive-7", 4711)
QUICK = SendRetry(attempts=5, first_wait=0.05, timeout=5.0)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A run with a success and a failure."""
    folder = tmp_path / "state"
    write(folder, started("a"), *attempt(instance(1)), *attempt(instance(2), Outcome.FAILED))
    return folder


def export(state: Path, rsyslog: Rsyslog, *arguments: str, code: int = 0) -> None:
    given = ["audit", "export", "--format", "dicom", "--state", str(state)]
    receiver = ["--syslog", f"{rsyslog.name}:{rsyslog.port}"]
    authority = ["--syslog-ca", str(rsyslog.authority.file)]
    assert type_command([*given, *receiver, *authority, *arguments]) == code


def delivery_logs(state: Path, rsyslog: Rsyslog) -> list[Path]:
    return sorted((state / "delivered" / f"127.0.0.1_{rsyslog.port}").iterdir())


def messages_of(state: Path) -> list[AuditMessage]:
    found = recorded_deletions(Snapshot.take(DiskState(state)), Selection(), pytest.fail)
    return list(audit_messages(found, lambda _: None))


def many(folder: Path, studies: int) -> Path:
    """A record that makes a message for each study."""
    records: list[Record] = []
    for study in range(studies):
        records += attempt(instance(1, study), time=NOON + timedelta(seconds=study))
    write(folder, started("a"), *records)
    return folder


def send(
    messages: Iterable[AuditMessage],
    state: Path,
    rsyslog: Rsyslog,
    *,
    retry: SendRetry = QUICK,
    sleep: Callable[[float], object] = time.sleep,
    receiver: Receiver | None = None,
) -> Delivery:
    delivery = Delivery()
    receiver = receiver or Receiver(rsyslog.name, rsyslog.port, rsyslog.authority.file)
    deliver(
        messages,
        receiver,
        SENDER,
        DeliveryLog(DiskState(state).objects, str(receiver)),
        retry=retry,
        sleep=sleep,
        delivery=delivery,
    )
    return delivery


def test_it_parses_every_header_and_gets_every_message_whole(
    state: Path, make_rsyslog: MakeRsyslog, capsys: pytest.CaptureFixture[str]
) -> None:
    rsyslog = make_rsyslog()
    with rsyslog.running():
        export(state, rsyslog)
        got = rsyslog.messages(2)

    assert "2 messages delivered to 127.0.0.1:" in capsys.readouterr().err
    assert [one.text for one in got] == [one.xml for one in messages_of(state)]
    assert {one.pri for one in got} == {"85", "84"}
    for one in got:
        assert (one.app_name, one.msgid) == ("reconciler", "DICOM+RFC3881")
        assert one.hostname == socket.gethostname()
        assert one.process_id == str(os.getpid())
        assert one.time.startswith("2026-03-01T12:00:00")


def test_the_same_command_again_sends_what_is_new_alone(
    state: Path, make_rsyslog: MakeRsyslog, capsys: pytest.CaptureFixture[str]
) -> None:
    rsyslog = make_rsyslog()
    with rsyslog.running():
        export(state, rsyslog)
        export(state, rsyslog)
        write(state, started("b"), *attempt(instance(3)))
        export(state, rsyslog)
        got = rsyslog.messages(3)

    assert len(got) == 3
    error = capsys.readouterr().err
    assert "0 messages delivered" in error
    assert "1 message delivered" in error
    logs = delivery_logs(state, rsyslog)
    assert [one.name for one in logs] == ["00000001", "00000002"]
    assert {stat.S_IMODE(one.stat().st_mode) for one in logs} == {0o600}
    assert [len(one.read_text().splitlines()) for one in logs] == [1 + 2, 1 + 1]


def test_what_an_apply_is_at_work_on_is_sent_when_it_is_done(
    state: Path, make_rsyslog: MakeRsyslog, capsys: pytest.CaptureFixture[str]
) -> None:
    rsyslog = make_rsyslog()
    with rsyslog.running():
        with hold_locks(state, [STORE], holder=Holder("r", "me", "h", 7), since="now"):
            export(state, rsyslog)
        assert "0 messages delivered" in capsys.readouterr().err
        export(state, rsyslog)

    assert "2 messages delivered" in capsys.readouterr().err


def test_messages_as_long_as_may_be_arrive_whole(tmp_path: Path, make_rsyslog: MakeRsyslog) -> None:
    state = tmp_path / "state"
    write(state, started("a"), *(one for n in range(2_000) for one in attempt(instance(n))))
    messages = messages_of(state)
    assert max(len(one.xml) for one in messages) > MAX_OCTETS - 150

    rsyslog = make_rsyslog()
    with rsyslog.running():
        export(state, rsyslog)
        got = rsyslog.messages(len(messages))

    assert [one.text for one in got] == [one.xml for one in messages]


def test_a_receiver_that_nobody_certifies_gets_nothing(
    state: Path, tmp_path: Path, make_rsyslog: MakeRsyslog, capsys: pytest.CaptureFixture[str]
) -> None:
    rsyslog = make_rsyslog()
    stranger = Authority.create(tmp_path, "stranger")
    with rsyslog.running():
        export(state, rsyslog, "--syslog-ca", str(stranger.file), code=1)
    error = capsys.readouterr().err
    assert "is not trusted: " in error
    assert "--syslog-ca" in error
    assert not rsyslog.received.exists()


def test_a_certificate_for_another_name_is_not_good_enough(
    state: Path, make_rsyslog: MakeRsyslog, capsys: pytest.CaptureFixture[str]
) -> None:
    rsyslog = make_rsyslog(name="127.0.0.9")
    receiver = ["--syslog", f"127.0.0.1:{rsyslog.port}"]
    with rsyslog.running():
        export(state, rsyslog, *receiver, code=1)
    assert "is not trusted: " in capsys.readouterr().err
    assert not rsyslog.received.exists()


def test_a_receiver_that_asks_for_a_certificate_is_shown_one(
    state: Path, tmp_path: Path, authority: Authority, make_rsyslog: MakeRsyslog
) -> None:
    certificate, key = authority.issue(tmp_path, "archive-7")
    both = tmp_path / "both.pem"
    both.write_bytes(certificate.read_bytes() + key.read_bytes())
    rsyslog = make_rsyslog(mode="x509/certvalid")
    without = Receiver(rsyslog.name, rsyslog.port, authority.file)
    with rsyslog.running():
        with pytest.raises(ReceiverError):
            send(messages_of(state), state, rsyslog, receiver=without)
        export(state, rsyslog, "--syslog-certificate", str(both))
        assert len(rsyslog.messages(2)) == 2


def test_a_receiver_that_comes_up_late_is_waited_for(
    state: Path, make_rsyslog: MakeRsyslog
) -> None:
    rsyslog = make_rsyslog()
    waits: list[float] = []
    running = rsyslog.running()

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            running.__enter__()

    retry = SendRetry(attempts=5, first_wait=0.1, timeout=5.0)
    try:
        delivery = send(messages_of(state), state, rsyslog, retry=retry, sleep=sleep)
        assert len(rsyslog.messages(2)) == 2
    finally:
        running.__exit__(None, None, None)
    assert delivery.sent == 2
    assert waits == [0.1, 0.2]


def test_a_receiver_that_is_down_gets_everything_later(
    state: Path, make_rsyslog: MakeRsyslog
) -> None:
    rsyslog = make_rsyslog()
    with pytest.raises(ReceiverError, match="did not take the messages: connection refused"):
        send(messages_of(state), state, rsyslog)
    with rsyslog.running():
        assert send(messages_of(state), state, rsyslog).sent == 2
        assert len(rsyslog.messages(2)) == 2


def test_one_that_dies_in_the_middle_gets_every_message_and_none_a_third_time(
    tmp_path: Path, make_rsyslog: MakeRsyslog
) -> None:
    state = many(tmp_path / "state", 5 * BATCH)
    messages = messages_of(state)
    rsyslog = make_rsyslog()

    with rsyslog.running():
        with pytest.raises(KeyboardInterrupt):
            send(interrupted(messages[: 2 * BATCH + 1]), state, rsyslog)
        rsyslog.messages(2 * BATCH)  # what it holds in memory it may lose when it ends
    with pytest.raises(ReceiverError):
        send(messages, state, rsyslog)
    with rsyslog.running():
        delivery = send(messages, state, rsyslog)
        again = send(messages, state, rsyslog)
        got = rsyslog.messages(len(messages))

    assert (delivery.known, delivery.sent) == (2 * BATCH, 3 * BATCH)
    assert (again.known, again.sent) == (5 * BATCH, 0)
    texts, wanted = [one.text for one in got], [one.xml for one in messages]
    missing = [wanted.index(one) for one in wanted if one not in texts]
    assert (missing, len(texts)) == ([], len(wanted))


def interrupted(messages: Iterable[AuditMessage]) -> Iterator[AuditMessage]:
    """They come, and then the process is interrupted before the last batch is whole."""
    yield from messages
    raise KeyboardInterrupt


def test_two_at_a_time_are_one_too_many_although_they_send_the_same(
    state: Path, make_rsyslog: MakeRsyslog
) -> None:
    """Tried: without the random line both go on, since an object with one's own bytes is one's own.

    The messages that both sent have arrived twice; from then on one of them sends.
    """
    rsyslog = make_rsyslog()
    messages = messages_of(state)
    log = DeliveryLog(DiskState(state).objects, f"{rsyslog.name}:{rsyslog.port}")
    with rsyslog.running():
        send(messages, state, rsyslog)
    with pytest.raises(LockHeld, match="another process sends to 127"):
        log.add(message.xml.encode("ascii") for message in messages)
    with pytest.raises(LockHeld):
        log.add([b"another"])
    assert not log.has(b"another")
    assert len(delivery_logs(state, rsyslog)) == 1


def test_processes_that_send_at_once_are_told_and_lose_no_message(
    tmp_path: Path, make_rsyslog: MakeRsyslog
) -> None:
    state = many(tmp_path / "state", 3 * BATCH)
    messages = messages_of(state)
    rsyslog = make_rsyslog()

    def work(_: int) -> int | None:
        try:
            return send(messages, state, rsyslog).sent
        except LockHeld:
            return None

    with rsyslog.running():
        with ThreadPoolExecutor(3) as pool:
            sent = list(pool.map(work, range(3)))
        got = rsyslog.messages(3 * BATCH)
        assert send(messages, state, rsyslog).known == 3 * BATCH

    assert sum(one is not None for one in sent) >= 1
    assert {one.xml for one in messages} <= {one.text for one in got}


def test_a_delivery_log_that_is_cut_is_an_error_and_not_a_shorter_one(
    state: Path, make_rsyslog: MakeRsyslog
) -> None:
    rsyslog = make_rsyslog()
    messages = messages_of(state)
    with rsyslog.running():
        send(messages, state, rsyslog)
        (log,) = delivery_logs(state, rsyslog)
        log.write_bytes(log.read_bytes()[:-10])
        with pytest.raises(JournalError, match="00000001 is no part of a delivery log"):
            send(messages, state, rsyslog)
        log.unlink()
        assert send(messages, state, rsyslog).sent == 2


def test_every_receiver_has_a_delivery_log_of_its_own(state: Path) -> None:
    """Tried: without the underscore at the beginning, `_odd` has what `odd` has."""
    objects = DiskState(state).objects
    hosts = ["127.0.0.1", "::1", "1::", "::", "fe80::1", "odd", "_odd", "__odd", "audit.example"]
    receivers = [str(Receiver(host, port)) for host in hosts for port in (6514, 6515)]
    for receiver in receivers:
        log = DeliveryLog(objects, receiver)
        assert not log.has(b"one")
        log.add([b"one"])
        assert DeliveryLog(objects, receiver).has(b"one")


def test_what_is_no_delivery_log_is_an_error(
    state: Path, make_rsyslog: MakeRsyslog, capsys: pytest.CaptureFixture[str]
) -> None:
    rsyslog = make_rsyslog()
    folder = state / "delivered" / f"127.0.0.1_{rsyslog.port}"
    folder.mkdir(parents=True)
    (folder / "00000001").write_text("not a hash\n")
    export(state, rsyslog, code=1)
    error = capsys.readouterr().err
    assert "00000001 is no part of a delivery log" in error
    assert "everything is sent again" in error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--format", "fhir", "--syslog", "host:6514"], "--syslog is of no use to fhir"),
        (["--format", "dicom", "--syslog", "host:99999"], "is no HOST:PORT"),
        (["--format", "dicom", "--syslog", "a..b"], "is no HOST:PORT"),
        (["--format", "dicom", "--syslog", f"{'a' * 64}:6514"], "is no HOST:PORT"),
        (["--format", "dicom", "--syslog", "host:x"], "is no HOST:PORT"),
        (["--format", "dicom", "--syslog-ca", "ca.pem"], "of no use without --syslog"),
        (["--format", "dicom", "--syslog", "host", "--out", "o"], "cannot be used together"),
        (["--format", "dicom", "--syslog", "host", "--syslog-ca", "none.pem"], "cannot read"),
        (["--format", "dicom", "--syslog", "host", "--syslog-ca", __file__], "what it should"),
    ],
)
def test_options_that_make_no_sense_are_told(
    state: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    assert type_command(["audit", "export", *arguments, "--state", str(state)]) == 1
    assert message in capsys.readouterr().err


def test_a_receiver_that_hangs_up_at_once_has_taken_nothing(state: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def hang_up() -> None:
            for _ in range(QUICK.attempts):
                server.accept()[0].close()

        thread = Thread(target=hang_up)
        thread.start()
        receiver = Receiver("127.0.0.1", port)
        delivery = Delivery()
        log = DeliveryLog(DiskState(state).objects, str(receiver))
        with pytest.raises(ReceiverError):
            deliver(
                messages_of(state),
                receiver,
                SENDER,
                log,
                retry=QUICK,
                sleep=time.sleep,
                delivery=delivery,
            )
        thread.join()
    assert delivery.sent == 0


def cutting(listener: socket.socket, port: int, *, after: int) -> None:
    """Pass two connections on, and cut the first one off after so many octets."""
    for limit in (after, None):
        client, _ = listener.accept()
        passed = 0
        with client, socket.create_connection(("127.0.0.1", port)) as server:
            back = Thread(target=copy, args=(server, client))
            back.start()
            while (limit is None or passed < limit) and (data := client.recv(4096)):
                server.sendall(data)
                passed += len(data)
            with suppress(OSError):
                if limit is not None:
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    client.close()
                server.shutdown(socket.SHUT_WR)
            back.join()


def copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(4096):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


def test_a_batch_that_is_cut_off_is_sent_again_as_a_whole(
    tmp_path: Path, make_rsyslog: MakeRsyslog
) -> None:
    state = many(tmp_path / "state", BATCH // 2)
    messages = messages_of(state)
    rsyslog = make_rsyslog()
    with rsyslog.running(), socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = Thread(target=cutting, args=(listener, rsyslog.port), kwargs={"after": 40_000})
        proxy.start()
        receiver = Receiver("127.0.0.1", listener.getsockname()[1], rsyslog.authority.file)
        delivery = send(messages, state, rsyslog, receiver=receiver)
        proxy.join()
        got = rsyslog.messages(len(messages) + 1)

    assert delivery.sent == len(messages)
    texts = [one.text for one in got]
    assert len(messages) < len(texts) < 2 * len(messages)
    assert {one.xml for one in messages} <= set(texts)
