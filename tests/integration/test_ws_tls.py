"""Under TLS inside the server no socket can be handed over: the connection is relayed, and nobody notices."""

import datetime
import json
import socket
import ssl
import time
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from websockets.sync.client import connect

from tests.support.hub import RunningHub


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for localhost, signed by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "cert.pem", folder / "key.pem"
    paths[0].write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    private = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    paths[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, *private))
    return paths


@pytest.mark.clause("C1", "C13", "M44")
@pytest.mark.accept("C15")
def test_wss_is_relayed_and_speaks_the_same_protocol(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    trust = ssl.create_default_context(cafile=cert)
    with RunningHub(tls_cert=cert, tls_key=key) as hub:
        url = f"wss://localhost:{hub.port}/ws?token={hub.token('admin')}"
        with connect(url, ssl=trust, compression=None) as client:
            assert json.loads(client.recv(10))["role"] == "admin"
            client.send('{"type":"subscribe","channel":"actions"}')
            assert json.loads(client.recv(10))["type"] == "subscribed"
            client.send('{"type":"publish","channel":"actions","event":"x","data":"' + "x" * 500_000 + '"}')
            assert len(json.loads(client.recv(10))["data"]) == 500_000
            assert [shown["relayed"] for shown in hub.call(lambda inside: inside.connections.snapshot())] == [True]


@pytest.mark.clause("L4")
def test_l4_holds_for_the_handshake_of_tls_too(tmp_path: Path) -> None:
    """A peer that says nothing is cut when the time is up, whether it has done its TLS handshake or not."""
    cert, key = certificate(tmp_path)
    trust = ssl.create_default_context(cafile=cert)
    with RunningHub(tls_cert=cert, tls_key=key, handshake_timeout=1.5) as hub:
        began = time.monotonic()
        with socket.create_connection(("127.0.0.1", hub.port), timeout=1.0) as late:
            with pytest.raises(TimeoutError):
                late.recv(1)
            late.settimeout(10)
            with socket.create_connection(("127.0.0.1", hub.port), timeout=10) as silent:
                silent_since = time.monotonic()
                with trust.wrap_socket(late, server_hostname="localhost") as wrapped, suppress(OSError):
                    assert wrapped.recv(1) == b""
                late_lived = time.monotonic() - began
                with suppress(ConnectionResetError):
                    assert silent.recv(1) == b""
                silent_lived = time.monotonic() - silent_since
    assert late_lived < 2.25
    assert silent_lived < 2.25
