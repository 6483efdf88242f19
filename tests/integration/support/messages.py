"""OCSP requests written by hand, and answers taken apart: by python-cryptography, and byte by byte where that matters."""
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.x509 import ocsp

from . import der

HASHES = {"sha1": "1.3.14.3.2.26", "sha256": "2.16.840.1.101.3.4.2.1",
          "sha384": "2.16.840.1.101.3.4.2.2", "sha512": "2.16.840.1.101.3.4.2.3"}
NONCE = "1.3.6.1.5.5.7.48.1.2"
REASONS = {1: "key_compromise", 2: "ca_compromise", 3: "affiliation_changed", 4: "superseded",
           5: "cessation_of_operation", 6: "certificate_hold", 8: "remove_from_crl", 9: "privilege_withdrawn",
           10: "aa_compromise"}


def cert_id(authority, serial, algorithm="sha1", null=True, name_hash=None, key_hash=None):
    """CertID ::= SEQUENCE { hashAlgorithm, issuerNameHash, issuerKeyHash, serialNumber } (RFC 6960 §4.1.1)."""
    return der.sequence(
        der.sequence(der.oid(HASHES[algorithm]), der.NULL if null else b""),
        der.octets(name_hash or authority.name_hash(algorithm)),
        der.octets(key_hash or authority.key_hash(algorithm)),
        der.integer(serial))


def nonce_extension(nonce):
    return der.extension(NONCE, der.octets(nonce))


def request(*cert_ids, nonce=None, extensions=b"", single_extensions=b"", before_list=b""):
    """OCSPRequest (RFC 6960 §4.1.1). `before_list` holds version and requestorName when a test wants them."""
    if nonce is not None:
        extensions += nonce_extension(nonce)
    single = der.explicit(0, der.sequence(single_extensions)) if single_extensions else b""
    return der.sequence(der.sequence(
        before_list,
        der.sequence(*(der.sequence(one, single) for one in cert_ids)),
        der.explicit(2, der.sequence(extensions)) if extensions else b""))


class Answer:
    """One OCSPResponse. Attributes that are not here are python-cryptography's (certificate_status, this_update, ...)."""

    def __init__(self, body):
        self.body = body
        self.parsed = ocsp.load_der_ocsp_response(body)

    def __getattr__(self, name):
        return getattr(self.parsed, name)

    @property
    def outcome(self):
        """ "good", "revoked" or "unknown"; for an error answer its name, as in RFC 6960 §4.2.1."""
        status = self.parsed.response_status
        if status != ocsp.OCSPResponseStatus.SUCCESSFUL:
            return {"MALFORMED_REQUEST": "malformedRequest", "INTERNAL_ERROR": "internalError", "TRY_LATER": "tryLater",
                    "SIG_REQUIRED": "sigRequired", "UNAUTHORIZED": "unauthorized"}[status.name]
        return self.outcomes[0]

    @property
    def outcomes(self):
        return [single.certificate_status.name.lower() for single in self.parsed.responses]

    def _response_data(self):
        """The elements of tbsResponseData from responderID on."""
        elements = der.children(der.read(self.parsed.tbs_response_bytes)[1])
        return elements[1:] if elements[0][0] == 0xA0 else elements

    @property
    def cert_ids(self):
        return [der.read(single)[2] for _, single, _ in der.children(self._response_data()[2][1])]

    @property
    def extensions_by_oid(self):
        """{encoded OID: (critical, content of extnValue)} of the response extensions."""
        found = {}
        for tag, content, _ in self._response_data()[3:]:
            assert tag == 0xA1
            for _, one, _ in der.children(der.read(content)[1]):
                parts = der.children(one)
                found[parts[0][2]] = (len(parts) == 3, parts[-1][1])
        return found

    @property
    def nonce(self):
        found = self.extensions_by_oid.get(der.oid(NONCE))
        if found is None:
            return None
        critical, value = found
        assert not critical, "the nonce must not be critical"
        tag, content, _, rest = der.read(value)
        assert (tag, rest) == (0x04, b"")
        return content

    def verify(self, certificate):
        """Raises unless `certificate`'s key made the signature."""
        key, signed, signature = certificate.public_key(), self.parsed.tbs_response_bytes, self.parsed.signature
        algorithm = self.parsed.signature_hash_algorithm
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, signed, ec.ECDSA(algorithm))
        else:
            key.verify(signature, signed, padding.PKCS1v15(), algorithm)
        return self
