"""Mutual TLS from the client's side: certificates to do right and wrong with, and raw HTTP inside of TLS."""
import ipaddress
import socket
import ssl
from types import SimpleNamespace

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from .pki import DAY, HOUR, NOW, Authority
from .program import seconds
from .wire import Connection

CLIENT = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False)
SERVER = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
HERE = (x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)


def make_world(directory):
    """A server and its CA; the CA of institutions, and holders that present themselves rightly and wrongly."""
    directory.mkdir(parents=True, exist_ok=True)
    server_ca, institutions, strangers = (Authority(directory, name) for name in ("servers", "institutions", "strangers"))
    return SimpleNamespace(
        directory=directory, server_ca=server_ca, institutions=institutions, strangers=strangers,
        server=server_ca.issue("server", extensions=[SERVER, HERE]),
        bank=institutions.issue("bank", extensions=[CLIENT]),
        rsa_bank=institutions.issue("rsa-bank", key="rsa", extensions=[CLIENT]),
        stranger=strangers.issue("stranger", extensions=[CLIENT]),
        expired=institutions.issue("expired", extensions=[CLIENT], valid_for=-HOUR, starts=NOW - 2 * DAY),
        early=institutions.issue("early", extensions=[CLIENT], starts=NOW + DAY),
        not_a_client=institutions.issue("not-a-client", extensions=[SERVER]))


def client_context(world, holder=None, server_ca=None):
    context = ssl.create_default_context(cafile=str((server_ca or world.server_ca).certificate_path))
    if holder:
        context.load_cert_chain(holder.certificate_path, holder.key_path)
    return context


class TlsConnection(Connection):
    """Raw HTTP inside of TLS; every octet of TLS passes through our hands, too."""

    def __init__(self, port, context, timeout=10, piece=1 << 20):
        super().__init__(port, timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.incoming, self.outgoing, self.piece = ssl.MemoryBIO(), ssl.MemoryBIO(), piece
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")
        self.was_notified = False  # the server said close_notify
        self._until_done(self.tls.do_handshake)

    def _flush(self):
        data = self.outgoing.read()
        for place in range(0, len(data), self.piece):
            self.socket.sendall(data[place:place + self.piece])

    def _until_done(self, step):
        while True:
            try:
                result = step()
                self._flush()
                return result
            except ssl.SSLWantReadError:
                self._flush()
                data = self.socket.recv(65536)
                self.incoming.write(data) if data else self.incoming.write_eof()

    def send(self, data):
        self.tls.write(data)
        self._flush()

    def seal(self, data):
        """What send() would put on the wire."""
        self.tls.write(data)
        return self.outgoing.read()

    def finish_sending(self):
        """close_notify: no more will come from us; nothing is said of the other direction."""
        try:
            self.tls.unwrap()
        except ssl.SSLWantReadError:
            pass
        self._flush()

    def _more(self):
        try:
            chunk = self._until_done(lambda: self.tls.read(65536))
        except ssl.SSLZeroReturnError:
            chunk = b""
        except ssl.SSLEOFError:
            return False
        self.buffer += chunk
        self.was_notified = self.was_notified or not chunk
        return bool(chunk)

    def pending_alert(self):
        """Why the server ends the connection, by its alert: "TLSV13_ALERT_CERTIFICATE_REQUIRED"."""
        try:
            self.socket.settimeout(seconds(10))
            while self._more():
                pass
        except ssl.SSLError as error:
            return error.reason
        return None

    @property
    def server_serial(self):
        return x509.load_der_x509_certificate(self.tls.getpeercert(binary_form=True)).serial_number
