"""Certificates for TLS in tests."""

from __future__ import annotations

import ssl
from datetime import datetime, timedelta, timezone
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def make_certificates(folder: Path) -> tuple[Path, Path]:
    """A CA that no system knows, and a certificate with key for 127.0.0.1 by it, good for servers and clients."""
    now = datetime.now(timezone.utc)
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in ("test CA", "test")]
    pems = []
    for subject, key in zip(names, keys, strict=True):
        is_ca = subject is names[0]
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(names[0])
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
            )
            .sign(keys[0], hashes.SHA256())
        )
        pems.append(certificate.public_bytes(serialization.Encoding.PEM))
    ca, client_certificate = folder / "ca.pem", folder / "own.pem"
    ca.write_bytes(pems[0])
    pem = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    client_certificate.write_bytes(keys[1].private_bytes(*pem) + pems[1])
    return ca, client_certificate


def server_context(ca: Path, certificate: Path) -> ssl.SSLContext:
    """How a server speaks TLS that has this certificate, and asks clients for one by this CA."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.load_verify_locations(ca)
    context.verify_mode = ssl.CERT_REQUIRED
    return context
