"""Hand audit messages over to a syslog receiver over TLS (RFC 5425), each at least once.

Syslog has no acknowledgement. A batch counts as delivered when the receiver has ended the TLS
and the TCP connection in good order, with nothing of it unread; then, and not before, the delivery
log says so. The journal is the spool: what is not in the delivery log is made from it again.
"""

from __future__ import annotations

import fcntl
import os
import socket
import ssl
import sys
import termios
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from reconciler.errors import ReceiverError, UsageError
from reconciler.journal.delivery_log import DeliveryLog
from reconciler.reporting.export.dicom_audit import AuditMessage
from reconciler.reporting.export.syslog import Sender, frame

BATCH = 100
"""Messages that are sent on one connection; so many are sent again at most."""

_BETWEEN_LOOKS = 0.005
_TCP_CLOSED = 7


@dataclass(frozen=True, slots=True)
class Receiver:
    """Where to, and by which certificates: ``authority`` in PEM, else those of the system.

    ``certificate`` is a file in PEM with the sender's own certificate and its private key.
    """

    host: str
    port: int
    authority: Path | None = None
    certificate: Path | None = None

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class SendRetry:
    """How often a batch is tried, the first wait in seconds, which doubles, and for one answer."""

    attempts: int = 6
    first_wait: float = 1.0
    timeout: float = 30.0


@dataclass(slots=True)
class Delivery:
    """How many messages were delivered now, and how many had been before."""

    sent: int = 0
    known: int = 0


def tls_context(receiver: Receiver) -> ssl.SSLContext:
    """TLS 1.2 or later; the receiver's certificate and name are always checked.

    Raises:
        UsageError: a file is no certificate, or cannot be read.
    """
    file = receiver.authority
    try:
        context = ssl.create_default_context(cafile=file)
        file = receiver.certificate
        if file is not None:
            context.load_cert_chain(file, password=lambda: "")
    except ssl.SSLError:
        raise UsageError(
            f"{file} holds not what it should",
            hint="certificates in PEM; with --syslog-certificate the private key too, unencrypted",
        ) from None
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def deliver(
    messages: Iterable[AuditMessage],
    receiver: Receiver,
    sender: Sender,
    log: DeliveryLog,
    *,
    retry: SendRetry,
    sleep: Callable[[float], object],
    delivery: Delivery,
) -> None:
    """Send what the delivery log does not hold, batch by batch; ``delivery`` counts as it goes.

    Raises:
        UsageError: a file of the receiver's is of no use.
        ReceiverError: a batch could not be delivered; those before it are in the delivery log.
        JournalError: the delivery log cannot be written.
    """
    context = tls_context(receiver)
    waiting = _unsent(messages, log, delivery)
    while batch := list(islice(waiting, BATCH)):
        frames = b"".join(frame(message, sender) for message in batch)
        _send_again(frames, receiver, context, retry, sleep)
        log.add(message.xml.encode("ascii") for message in batch)
        delivery.sent += len(batch)


def _unsent(
    messages: Iterable[AuditMessage], log: DeliveryLog, delivery: Delivery
) -> Iterator[AuditMessage]:
    for message in messages:
        if log.has(message.xml.encode("ascii")):
            delivery.known += 1
        else:
            yield message


def _send_again(
    frames: bytes,
    receiver: Receiver,
    context: ssl.SSLContext,
    retry: SendRetry,
    sleep: Callable[[float], object],
) -> None:
    wait = retry.first_wait
    for attempt in range(1, retry.attempts + 1):
        try:
            _send(frames, receiver, context, retry.timeout)
        except ssl.SSLCertVerificationError as error:
            raise ReceiverError(
                f"{receiver} is not trusted: {error.verify_message}",
                hint="--syslog-ca names the certificates of those who signed its own",
            ) from None
        except (OSError, ssl.SSLError) as error:
            if attempt == retry.attempts:
                raise ReceiverError(
                    f"{receiver} did not take the messages: {_cause(error)}"
                ) from None
            sleep(wait)
            wait *= 2
        else:
            return


def _send(frames: bytes, receiver: Receiver, context: ssl.SSLContext, timeout: float) -> None:
    """Write all of it and wait for the receiver to have read it."""
    address = (receiver.host, receiver.port)
    with (
        socket.create_connection(address, timeout=timeout) as plain,
        context.wrap_socket(plain, server_hostname=receiver.host) as connection,
    ):
        connection.sendall(frames)
        _await_end(connection.unwrap(), timeout)


def _await_end(plain: socket.socket, timeout: float) -> None:
    """Wait until the receiver has hung up, and make sure that it read everything before.

    That it ended TLS is not enough: one that refuses the sender's certificate does so too, before
    it reads a message. If it closes its socket then, TCP resets the connection (RFC 1122 section
    4.2.2.13), which is seen here at once or when what was under way reaches it.

    Raises:
        OSError: it did not read everything, or did not hang up in time.
    """
    if plain.recv(1):
        raise ConnectionError("it sent data after the end of TLS")
    end = time.monotonic() + timeout
    while _octets_under_way(plain):
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(_BETWEEN_LOOKS)
    failure = plain.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if failure:
        raise OSError(failure, os.strerror(failure))


def _octets_under_way(plain: socket.socket) -> int:
    """How much TCP has not delivered yet; none where the connection was reset (tcp(7)).

    Where the system does not say, as macOS, that it hung up in good order must suffice.
    """
    if not hasattr(socket, "TCP_INFO"):
        return 0
    if plain.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == _TCP_CLOSED:
        return 0
    answer = fcntl.ioctl(plain, termios.TIOCOUTQ, bytes(4))
    return int.from_bytes(answer, sys.byteorder)


def _cause(error: OSError) -> str:
    """The kind of a failure; texts of the other side are left out."""
    match error:
        case ssl.SSLError(reason=str(reason)):
            return f"TLS, {reason.lower().replace('_', ' ')}"
        case socket.gaierror():
            return "no such host"
        case TimeoutError():
            return "it did not answer in time"
        case _:
            return (error.strerror or type(error).__name__).lower()
