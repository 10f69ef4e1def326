"""Mutual TLS 1.3 between nodes, over bytes in memory. No I/O but for reading the three files.

Both sides show a certificate of one authority, and it must name the node: by a URI among its subject alternative names
(RFC 5280, section 4.2.1.6), `tenure://CLUSTER/NODE`. So one authority may serve several clusters, a certificate of one
node is of no use to another, and neither addresses nor the DNS decide who is who. A client's names
`tenure://CLUSTER/client/NAME`, with which nobody can speak as a node; a node may be a client by its own.

TLS is done here rather than by asyncio because asyncio keeps a failed handshake of a listening side to itself: what
went wrong could not be said there.
"""

from __future__ import annotations

import ssl
from pathlib import Path

import msgspec

from tenure.errors import ConfigurationError
from tenure.transports.base import checked_name
from tenure.transports.complaints import Trouble
from tenure.transports.hello import Refused

_PIECE_BYTES = 64 * 1024
_PLAIN = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "HTTPS_PROXY_REQUEST", "PACKET_LENGTH_TOO_LONG"})
"""What OpenSSL says of bytes that are no TLS at all; RECORD_LAYER_FAILURE, too, but only before anything was read."""
# X509_V_ERR_... of OpenSSL's x509_vfy.h, and what each means here.
_NOT_YET_VALID, _EXPIRED = 9, 10
_PURPOSE = 26
_VERIFY_TEXTS = {
    _NOT_YET_VALID: "is not valid yet: set the clocks right, or wait",
    _EXPIRED: "has expired: give that node a new one",
    _PURPOSE: "is not meant for this: make it for both server and client authentication",
}
_OTHER_AUTHORITY = "is not of this node's authority: give both nodes the same file of authorities"
_ALERTS = {
    "TLSV1_ALERT_UNKNOWN_CA": "it is not of the authority that the other side trusts",
    "TLSV1_ALERT_DECRYPT_ERROR": "it is not of the authority that the other side trusts, but has its name",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "it has expired there",
    "SSLV3_ALERT_BAD_CERTIFICATE": "it is not valid there, or not valid yet",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "it does not say what it should there",
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE": "it is not meant for this",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "none was shown",
}


class Tls(msgspec.Struct, frozen=True, kw_only=True):
    """The three files that a node needs (PEM), and the name of its cluster, which all its certificates bear."""

    authority: Path
    """Whose certificates are taken; several may stand in it, for the time in which one authority replaces another."""
    certificate: Path
    key: Path
    cluster: str


def uri(cluster: str, name: str) -> str:
    """What the certificate of node `name` must bear."""
    return f"tenure://{cluster}/{name}"


def client_uri(cluster: str, name: str) -> str:
    """What the certificate of client `name` bears; no name has a slash, so no node's is like it."""
    return f"tenure://{cluster}/client/{name}"


class Contexts:
    """The files, read once, for both directions. Raises ConfigurationError unless they fit the node or the client
    `name`, and one another.
    """

    def __init__(self, tls: Tls, name: str, *, is_client: bool = False) -> None:
        self._cluster = checked_name(tls.cluster)
        self._server = self._context(ssl.PROTOCOL_TLS_SERVER, tls)
        self._server.num_tickets = 0  # sessions are not resumed: each connection shows its certificate
        self._client = self._context(ssl.PROTOCOL_TLS_CLIENT, tls)
        self._try(tls, name, is_client=is_client)

    def channel(self, *, listens: bool) -> Channel:
        """One connection's, for the side that listens or that which dials."""
        return Channel(self._server if listens else self._client, self._cluster, listens=listens)

    def _context(self, protocol: ssl._SSLMethod, tls: Tls) -> ssl.SSLContext:
        context = ssl.SSLContext(protocol)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.check_hostname = False  # the URI is compared instead
        context.verify_mode = ssl.CERT_REQUIRED
        try:
            context.load_verify_locations(tls.authority)
        except (OSError, ssl.SSLError) as error:
            raise ConfigurationError(f"the authority in {tls.authority} cannot be used: {error}") from error
        try:
            context.load_cert_chain(tls.certificate, tls.key, _refuse_password)
        except (OSError, ssl.SSLError) as error:
            raise ConfigurationError(
                f"the certificate in {tls.certificate} cannot be used with the key in {tls.key}: {error}"
            ) from error
        return context

    def _try(self, tls: Tls, name: str, *, is_client: bool) -> None:
        """Shake hands with oneself: what others would refuse is found out before anybody is asked."""
        one, other = self.channel(listens=False), self.channel(listens=True)
        one.begin()
        try:
            while not (one.is_open and other.is_open):
                other.feed(one.outgoing())
                one.feed(other.outgoing())
            if is_client:
                other.check_client(name)
            else:
                other.check(name)
        except Refused as error:
            raise ConfigurationError(
                f"the certificate in {tls.certificate} would be refused by others: {error}"
            ) from error


class Channel:
    """TLS of one connection: bytes in, plain bytes out, and what has to be sent for it."""

    def __init__(self, context: ssl.SSLContext, cluster: str, *, listens: bool) -> None:
        self._cluster = cluster
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._object = context.wrap_bio(self._incoming, self._outgoing, server_side=listens)
        self.is_open = False

    def begin(self) -> None:
        """Say the first word, on the side that dials."""
        self._shake_hands()

    def feed(self, data: bytes | memoryview) -> bytes:
        """What was said in these bytes. Raises Refused for a handshake that fails; send `outgoing` all the same, since
        it tells the other side why.
        """
        self._incoming.write(data)
        if not self.is_open:
            self._shake_hands()
        if not self.is_open:
            return b""
        said = []
        try:
            while self._incoming.pending or self._object.pending():
                piece = self._object.read(_PIECE_BYTES)
                if not piece:
                    break
                said.append(piece)
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            pass  # the end of the stream follows
        except ssl.SSLError as error:
            raise self._refused(error) from error
        return said[0] if len(said) == 1 else b"".join(said)

    def seal(self, data: bytes) -> bytes:
        """What has to be sent to say `data`, with all that had to be sent before."""
        self._object.write(data)
        return self._outgoing.read()

    def outgoing(self) -> bytes:
        """What has to be sent now for TLS's own sake."""
        return self._outgoing.read()

    def check(self, name: str) -> None:
        """Raise Refused unless the other side's certificate names that node of this cluster."""
        self._check(name, uri(self._cluster, name))

    def check_client(self, name: str) -> None:
        """Raise Refused unless it names that client of this cluster, or the node of that name."""
        self._check(name, client_uri(self._cluster, name), uri(self._cluster, name))

    def _check(self, name: str, *wanted: str) -> None:
        certificate = self._object.getpeercert() or {}
        names = certificate.get("subjectAltName", ())
        uris = [str(pair[1]) for pair in names if pair[0] == "URI"]
        if not set(wanted) & set(uris):
            has = f"it has {', '.join(uris)}" if uris else "it has no URI"
            raise Refused(
                Trouble.CERTIFICATE,
                f"the certificate of the one who speaks as {name!r} does not name {wanted[0]} among its subject "
                f"alternative names ({has}): make one for that name and cluster",
            )

    def _shake_hands(self) -> None:
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            return
        except ssl.SSLError as error:
            raise self._refused(error) from error
        self.is_open = True

    def _refused(self, error: ssl.SSLError) -> Refused:
        if isinstance(error, ssl.SSLCertVerificationError):
            text = _VERIFY_TEXTS.get(error.verify_code, _OTHER_AUTHORITY)
            return Refused(
                Trouble.CERTIFICATE, f"the certificate of the other side {text} (OpenSSL: {error.verify_message})"
            )
        reason = error.reason or ""
        if reason in _PLAIN or (reason == "RECORD_LAYER_FAILURE" and not self.is_open):
            return Refused(
                Trouble.PLAIN,
                "the other side does not speak TLS, and this node does: give both sides certificates, or neither",
            )
        if reason in _ALERTS:
            return Refused(
                Trouble.CERTIFICATE,
                f"the other side refuses this node's certificate: {_ALERTS[reason]} (OpenSSL: {reason}); "
                "its own log says more",
            )
        if reason == "PEER_DID_NOT_RETURN_A_CERTIFICATE":
            return Refused(Trouble.CERTIFICATE, "the other side shows no certificate: give it one of this authority")
        return Refused(Trouble.CERTIFICATE, f"TLS failed (OpenSSL: {reason or error})")


def _refuse_password() -> str:
    raise ConfigurationError("the key is protected by a password: a node starts unattended, so give it a plain key")
