"""Under TLS inside the server no socket can be handed over: the connection is relayed, and nobody notices."""

import datetime
import json
import ssl
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
