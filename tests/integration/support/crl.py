"""Revocation lists, well made and badly made. The signed part is written here, the signature is python-cryptography's."""
import subprocess
from dataclasses import dataclass
from datetime import datetime

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding

from . import der
from .pki import DAY, HOUR, NOW

AUTHORITY_KEY, NUMBER, DELTA, PARTITION = "2.5.29.35", "2.5.29.20", "2.5.29.27", "2.5.29.28"
REASON, CERTIFICATE_ISSUER, UNHEARD_OF = "2.5.29.21", "2.5.29.29", "1.3.6.1.4.1.99999.1"
ALGORITHMS = {
    ("rsa", "sha256"): der.sequence(der.oid("1.2.840.113549.1.1.11"), der.NULL),
    ("rsa", "sha1"): der.sequence(der.oid("1.2.840.113549.1.1.5"), der.NULL),
    ("ec", "sha256"): der.sequence(der.oid("1.2.840.10045.4.3.2")),
    ("ec", "sha1"): der.sequence(der.oid("1.2.840.10045.4.1")),
    ("ed25519", "sha256"): der.sequence(der.oid("1.3.101.112")),
}


@dataclass(frozen=True)
class Entry:
    serial: int
    reason: int | None = None
    when: datetime = NOW - 2 * DAY
    extensions: bytes = b""

    def encode(self):
        extensions = self.extensions
        if self.reason is not None:
            extensions = der.extension(REASON, der.enumerated(self.reason)) + extensions
        return der.sequence(der.integer(self.serial), der.time(self.when),
                            der.sequence(extensions) if extensions else b"")


def make(authority, entries=(), number=1, this_update=None, next_update=NOW + 7 * DAY, extensions=b"",
         signer=None, digest="sha256"):
    """A v2 list as DER. `number=None` and `next_update=None` leave those out; `signer` signs in the authority's stead."""
    key = (signer or authority).key
    kind = ("ec" if isinstance(key, ec.EllipticCurvePrivateKey)
            else "ed25519" if isinstance(key, ed25519.Ed25519PrivateKey) else "rsa")
    algorithm = ALGORITHMS[kind, digest]
    own = der.extension(AUTHORITY_KEY, der.sequence(der.tlv(0x80, authority.key_hash())))
    if number is not None:
        own += der.extension(NUMBER, der.integer(number))
    signed = der.sequence(
        der.integer(1), algorithm, authority.certificate.subject.public_bytes(),
        der.time(this_update or NOW - HOUR), der.time(next_update) if next_update else b"",
        der.sequence(*(entry.encode() for entry in entries)) if entries else b"",
        der.explicit(0, der.sequence(own, extensions)))
    return der.sequence(signed, algorithm, der.bits(_sign(key, kind, signed, digest)))


def _sign(key, kind, signed, digest):
    algorithm = hashes.SHA1() if digest == "sha1" else hashes.SHA256()
    if kind == "ec":
        return key.sign(signed, ec.ECDSA(algorithm))
    if kind == "rsa":
        return key.sign(signed, padding.PKCS1v15(), algorithm)
    return key.sign(signed)


def by_openssl(directory, key_options, digest, options=()):
    """A CA with a list that revokes serial 0x1234, both made by the openssl command line alone: (certificate, list)."""
    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True)

    (directory / "ca.cnf").write_text(
        "[ca]\ndefault_ca=x\n[x]\ndatabase=index.txt\ncrlnumber=number\ncrl_extensions=e\ndefault_crl_days=7\n"
        "[e]\nauthorityKeyIdentifier=keyid\n[req]\ndistinguished_name=d\nx509_extensions=c\n[d]\n"
        "[c]\nbasicConstraints=critical,CA:true\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n")
    revoked = (NOW - DAY).strftime("%y%m%d%H%M%SZ")
    (directory / "index.txt").write_text(f"R\t400101000000Z\t{revoked},keyCompromise\t1234\tunknown\t/CN=x\n")
    (directory / "number").write_text("01\n")
    openssl("genpkey", *key_options, "-out", "ca.key")
    openssl("req", "-x509", "-new", "-key", "ca.key", "-subj", "/CN=made by openssl", "-days", "30", "-config", "ca.cnf",
            "-out", "ca.pem")
    openssl("ca", "-gencrl", "-config", "ca.cnf", "-cert", "ca.pem", "-keyfile", "ca.key", "-md", digest, *options,
            "-out", "list.pem")
    openssl("crl", "-in", "list.pem", "-outform", "DER", "-out", "list.der")
    return directory / "ca.pem", directory / "list.der"
