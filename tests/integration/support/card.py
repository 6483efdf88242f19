"""A person's card by hand: certificates of the JPKI profile, right and wrong, and evidence of both formats (python-cryptography)."""
import base64
import json
import secrets

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs7

from . import der
from .pki import DAY, KEYS, NOW, _key_usage

ARC = "1.2.392.200149.8.5."
ITEMS = ("確野　太郎", "00000", "1", "319800229", "東京都千代田区霞が関一丁目", "0000000000000")


class Card:
    """What signs consents: or does not, if it is `for_signing` no more than an authentication certificate is."""

    def __init__(self, authority, serial=None, starts=NOW - 30 * DAY, ends=30 * DAY, for_signing=True):
        self.key = KEYS["p256"]()
        names = [x509.OtherName(x509.ObjectIdentifier(f"{ARC}5.{number}"), der.tlv(0x0C, text.encode()))
                 for number, text in enumerate(ITEMS, 1)]
        extensions = [(x509.BasicConstraints(ca=False, path_length=None), True),
                      (_key_usage(digital_signature=True, content_commitment=for_signing), True),
                      (x509.SubjectAlternativeName(names), False),
                      (x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier(f"{ARC}1.0.20"), None)]), False)]
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a card made by hand")])
        self.certificate = authority._sign(authority._builder(
            subject, authority.certificate.subject, self.key.public_key(), serial or x509.random_serial_number(), ends,
            extensions, starts))

    def sign(self, form, octets):
        """The members of the evidence beside format and document."""
        if form == "raw":
            certificate = self.certificate.public_bytes(serialization.Encoding.DER)
            signed = {"certificate": certificate, "signature": self.key.sign(octets, ec.ECDSA(hashes.SHA256()))}
        else:
            builder = pkcs7.PKCS7SignatureBuilder().set_data(octets).add_signer(self.certificate, self.key, hashes.SHA256())
            signed = {"cms": builder.sign(serialization.Encoding.DER, [pkcs7.PKCS7Options.DetachedSignature,
                                                                       pkcs7.PKCS7Options.Binary])}
        return {name: base64.b64encode(value).decode() for name, value in signed.items()}


def document(bank, service, purpose, notice, consented_at, **changes):
    return {"institution": bank.id, "service": service, "scopes": ["attr:name"], "purpose": purpose, "notice": notice,
            "consented_at": consented_at, "nonce": secrets.token_hex(16), **changes}


def evidence(form, octets, signed):
    return {"format": form, "document": base64.b64encode(octets).decode(), **signed}


def encoded(made):
    return json.dumps(made).encode()
