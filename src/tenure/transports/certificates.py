"""Certificates for development: an authority of one's own in a folder, and one certificate for each node.

In production use the authority that you have: what a node's certificate must say is in `tls`. The library
`cryptography` makes these; it comes with the extra `certificates`.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tenure.errors import ConfigurationError
from tenure.transports.base import checked_name
from tenure.transports.tls import Tls, client_uri, uri

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

AUTHORITY, AUTHORITY_KEY = "authority.pem", "authority-key.pem"
VALID_S = 365 * 24 * 3600
_LASTING = dt.timedelta(seconds=VALID_S)
_BEFORE = dt.timedelta(minutes=5)
"""How long before now validity begins: clocks of two machines differ."""


class _Validity(NamedTuple):
    begins: dt.datetime
    ends: dt.datetime


class _Authority(NamedTuple):
    certificate: x509.Certificate
    key: EllipticCurvePrivateKey


def make_certificates(
    folder: Path,
    cluster: str,
    names: Iterable[str],
    *,
    clients: Iterable[str] = (),
    valid_s: float = VALID_S,
    begins: dt.datetime | None = None,
) -> dict[str, Tls]:
    """Make `NAME.pem` and `NAME-key.pem` for each node, `client-NAME.pem` and its key for each client, and before that
    an authority unless the folder has one. What is made is found by the names of these files.

    Keys are readable by their owner alone. Existing certificates of these names are replaced. Validity begins at
    `begins` (five minutes ago) and lasts `valid_s` from then. Raises ConfigurationError for names that cannot be, where
    the library is missing, and where the folder has but half of an authority.
    """
    checked_name(cluster)
    try:
        from cryptography import x509 as _  # noqa: F401  only whether it is there
    except ImportError as error:
        raise ConfigurationError("making certificates needs the extra: pip install 'tenure[certificates]'") from error
    begins = begins or dt.datetime.now(dt.UTC) - _BEFORE
    valid = _Validity(begins, begins + dt.timedelta(seconds=valid_s))
    folder.mkdir(parents=True, exist_ok=True)
    authority = _authority(folder, valid)
    names, clients, made = set(names), set(clients), {}
    if both := names & {f"client-{name}" for name in clients}:
        raise ConfigurationError(f"{both.pop()!r} is the name of a node, and of a client's file: rename one of them")
    wanted = {name: (uri(cluster, checked_name(name)), name) for name in names}
    wanted |= {f"client-{name}": (client_uri(cluster, checked_name(name)), name) for name in clients}
    for file, (its_uri, name) in wanted.items():
        key = _new_key()
        certificate = _sign(its_uri, name, key, authority, valid)
        made[file] = Tls(
            authority=folder / AUTHORITY,
            certificate=folder / f"{file}.pem",
            key=folder / f"{file}-key.pem",
            cluster=cluster,
        )
        _write_key(made[file].key, key)
        _write_certificate(made[file].certificate, certificate)
    return made


def _authority(folder: Path, valid: _Validity) -> _Authority:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

    paths = folder / AUTHORITY, folder / AUTHORITY_KEY
    present = [path for path in paths if path.exists()]
    if len(present) == 1:
        raise ConfigurationError(
            f"{present[0]} is there and its other half is not: bring that back, or take another folder"
        )
    if present:
        certificate = x509.load_pem_x509_certificate(paths[0].read_bytes())
        key = serialization.load_pem_private_key(paths[1].read_bytes(), None)
        if not isinstance(key, EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
            raise ConfigurationError(f"{paths[1]} is not the key of {paths[0]}: take another folder")
        return _Authority(certificate, key)
    key = _new_key()
    name = _common_name("tenure, an authority for development")
    certificate = (
        _builder(name, name, key, _Validity(valid.begins, max(valid.ends, valid.begins + _LASTING)))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    _write_key(paths[1], key)
    _write_certificate(paths[0], certificate)
    return _Authority(certificate, key)


def _sign(its_uri: str, name: str, key: EllipticCurvePrivateKey, by: _Authority, valid: _Validity) -> x509.Certificate:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import ExtendedKeyUsageOID

    both = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(by.key.public_key())
    return (
        _builder(_common_name(name[:64]), by.certificate.subject, key, valid)
        .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(its_uri)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage(both), critical=False)
        .add_extension(issuer_key, critical=False)
        .sign(by.key, hashes.SHA256())
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: EllipticCurvePrivateKey, valid: _Validity
) -> x509.CertificateBuilder:
    from cryptography import x509

    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(valid.begins)
        .not_valid_after(valid.ends)
    )


def _usage(*, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False) -> x509.KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )


def _common_name(name: str) -> x509.Name:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _new_key() -> EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.generate_private_key(ec.SECP256R1())


def _write_key(path: Path, key: EllipticCurvePrivateKey) -> None:
    from cryptography.hazmat.primitives import serialization

    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.unlink(missing_ok=True)  # its rights, if it is there, may be anything
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(pem)


def _write_certificate(path: Path, certificate: x509.Certificate) -> None:
    from cryptography.hazmat.primitives import serialization

    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
