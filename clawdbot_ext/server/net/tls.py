"""Certificate of the gateway's own port: the user's, or a generated one.

The generated certificate is self-signed, so clients know it by its fingerprint only. It lasts as long as the state
directory and is generated again only when it has expired or cannot be read.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from ... import private_files
from ...client.tls import fingerprint
from ...config import Config

DAYS = 3650
"""Validity of a generated certificate. Clients that pin it ignore the date; browsers warn about it anyway."""


class BadCertificate(Exception):
    """TLS is configured but not possible. ``key`` names the text for people."""

    def __init__(self, key: str, **facts: Any):
        super().__init__(f"{key} {facts}")
        self.key, self.facts = key, facts


@dataclass(frozen=True)
class Certificate:
    """A loaded certificate with its key."""

    cert: Path
    key: Path
    fingerprint: str
    context: ssl.SSLContext


def certificate(config: Config) -> Certificate | None:
    """Return the certificate for ``gateway.tls``; ``None`` for plain HTTP. Generates one if necessary.

    Raises:
        BadCertificate: a file is missing, unreadable or invalid, or there is none and none may be generated.
        OSError: the generated one cannot be written.
    """
    if not config["gateway.tls.enabled"]:
        return None
    if config["gateway.tls.certPath"]:
        cert = Path(config["gateway.tls.certPath"]).expanduser()
        key = Path(config["gateway.tls.keyPath"] or cert).expanduser()
        return _load(cert, key)
    if config["gateway.tls.keyPath"] or not config["gateway.tls.autoGenerate"]:
        raise BadCertificate("tls.noCertificate")
    cert, key = own_paths(config)
    if not (cert.exists() and key.exists()) or _expired(cert):
        _make(cert, key, _names(config))
    return _load(cert, key)


def own_paths(config: Config) -> tuple[Path, Path]:
    """Return the paths of the generated certificate and its key."""
    return config.home / "tls" / "cert.pem", config.home / "tls" / "key.pem"


def _load(cert: Path, key: Path) -> Certificate:
    for path in (cert, key):
        try:
            path.open("rb").close()
        except OSError as exc:
            raise BadCertificate("tls.unreadable", path=path, problem=exc.strerror) from None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2

    def no_password() -> str:  # else OpenSSL asks on the terminal, where a service waits for ever
        raise BadCertificate("tls.password", path=key)

    try:
        context.load_cert_chain(cert, key, no_password)
        first = cert.read_text("ascii", "replace").partition("-----BEGIN CERTIFICATE-----")
        pem = f"{first[1]}{first[2].partition('-----END CERTIFICATE-----')[0]}-----END CERTIFICATE-----\n"
        return Certificate(cert, key, fingerprint(ssl.PEM_cert_to_DER_cert(pem)), context)
    except (ssl.SSLError, ValueError) as exc:
        raise BadCertificate("tls.wrong", path=cert, problem=getattr(exc, "reason", None) or exc) from None


def _expired(cert: Path) -> bool:
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificate(cert.read_bytes()).not_valid_after_utc < datetime.now(timezone.utc)
    except (OSError, ValueError):
        return True


def _names(config: Config) -> list[str]:
    machine = socket.gethostname().lower()
    hosts = [host.rpartition(":")[0] or host for host in config["gateway.allowedHosts"] if not host.startswith("[")]
    custom = config["gateway.customBindHost"].strip("[]")
    found = ["localhost", "127.0.0.1", "::1", machine, f"{machine}.local", custom, *hosts]
    return list(dict.fromkeys(name for name in found if name))


def _make(cert: Path, key: Path, names: list[str]) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    private_files.make_directory(cert.parent)
    secret = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Clawdbot for Jupyter")])
    now = datetime.now(timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(secret.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=DAYS))
        .add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(secret, hashes.SHA256())
    )
    private_files.write(
        key,
        secret.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
    )
    private_files.write(cert, made.public_bytes(serialization.Encoding.PEM))


def _general(name: str) -> Any:
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name.encode("idna").decode())
