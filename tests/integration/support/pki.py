"""A small public key infrastructure: authorities, responders and end-entity certificates (python-cryptography)."""
import hashlib
from datetime import datetime, timedelta, timezone

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from . import der

NOW = datetime.now(timezone.utc).replace(microsecond=0)
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
KEYS = {
    "rsa": lambda: rsa.generate_private_key(65537, 2048),
    "p256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
}


class Holder:
    """A key and its certificate, both also as PEM files."""

    def __init__(self, directory, file_name, key, certificate):
        self.key, self.certificate = key, certificate
        self.certificate_path = directory / f"{file_name}.pem"
        self.key_path = directory / f"{file_name}.key"
        self.certificate_path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        self.key_path.write_bytes(key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))

    @property
    def serial(self):
        return self.certificate.serial_number

    def public_key_bits(self):
        """The value of the BIT STRING subjectPublicKey: what key hashes are made of (RFC 6960 §4.1.1)."""
        spki = self.certificate.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        return der.children(der.read(spki)[1])[1][1][1:]

    def key_hash(self, algorithm="sha1"):
        return hashlib.new(algorithm, self.public_key_bits()).digest()

    def name_hash(self, algorithm="sha1"):
        return hashlib.new(algorithm, self.certificate.subject.public_bytes()).digest()

    def as_responder(self, **options):
        return {"certificate": str(self.certificate_path), "key": str(self.key_path), **options}


class Authority(Holder):
    """A self-signed CA. Two of them may share a distinguished name: pass the same `common_name`."""

    def __init__(self, directory, name, key="p256", common_name=None, signs_lists=True):
        self.name, self.directory = name, directory
        self.key = KEYS[key]()
        subject = x509.Name([
            x509.NameAttribute(NameOID.COUNTRY_NAME, "JP"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Integration tests"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name or f"CA {name}"),
        ])
        certificate = self._sign(self._builder(subject, subject, self.key.public_key(), 1, 365 * DAY, [
            (x509.BasicConstraints(ca=True, path_length=None), True),
            (_key_usage(key_cert_sign=True, crl_sign=signs_lists, digital_signature=True), True),
        ]))
        super().__init__(directory, f"ca-{name}", self.key, certificate)

    def issue(self, file_name, key="p256", serial=None, extensions=(), valid_for=90 * DAY, starts=NOW - DAY):
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{file_name} {self.name}")])
        holder_key = KEYS[key]()
        certificate = self._sign(self._builder(
            subject, self.certificate.subject, holder_key.public_key(), serial or x509.random_serial_number(), valid_for,
            [(x509.BasicConstraints(ca=False, path_length=None), True),
             (_key_usage(digital_signature=True), True), *extensions], starts))
        return Holder(self.directory, f"{file_name}-{self.name}", holder_key, certificate)

    def delegate(self, file_name="responder", key="p256", usage=True, no_check=True, **options):
        extensions = []
        if usage:
            extensions.append((x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), False))
        if no_check:
            extensions.append((x509.OCSPNoCheck(), False))
        return self.issue(file_name, key, extensions=extensions, **options)

    def _builder(self, subject, issuer, public_key, serial, valid_for, extensions, starts=NOW - DAY):
        builder = (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(public_key)
                   .serial_number(serial).not_valid_before(starts).not_valid_after(NOW + valid_for))
        extensions = [*extensions, (x509.SubjectKeyIdentifier.from_public_key(public_key), False),
                      (x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), False)]
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder

    def _sign(self, builder):
        return builder.sign(self.key, None if isinstance(self.key, ed25519.Ed25519PrivateKey) else hashes.SHA256())


def _key_usage(**allowed):
    names = ["digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
             "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"]
    return x509.KeyUsage(**{name: allowed.get(name, False) for name in names})
