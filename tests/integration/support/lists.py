"""Lists of parts of an authority's certificates, and deltas: made by python-cryptography."""
from datetime import timezone

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from .messages import REASONS
from .pki import DAY, HOUR, NOW

USERS, AUTHORITIES = "certificates of users", "certificates of authorities"


def directory_name(part):
    return x509.Name([x509.NameAttribute(NameOID.COUNTRY_NAME, "JP"), x509.NameAttribute(NameOID.ORGANIZATION_NAME, "JPKI"),
                      x509.NameAttribute(NameOID.COMMON_NAME, f"{part} CRLDP")])


def distribution_point(part=None, **flags):
    """The extension that says which part of the certificates a list covers: a place's, USERS, or AUTHORITIES."""
    flags = {"only_contains_user_certs": part == USERS, "only_contains_ca_certs": part == AUTHORITIES,
             "only_some_reasons": None, "indirect_crl": False, "only_contains_attribute_certs": False, **flags}
    is_place = part is not None and part not in (USERS, AUTHORITIES)
    name = [x509.DirectoryName(directory_name(part))] if is_place else None
    return x509.IssuingDistributionPoint(full_name=name, relative_name=None, **flags)


def naive(moment):
    """The way in which python-cryptography wants its times."""
    return moment.astimezone(timezone.utc).replace(tzinfo=None)


def complete(authority, entries=(), number=1, part=None, published=NOW - HOUR, ends=NOW + 7 * DAY, signer=None, flags=None,
             base=None):
    """A list as DER: of all certificates, or of `part` of them; `flags` are those of the IssuingDistributionPoint."""
    builder = (x509.CertificateRevocationListBuilder().issuer_name(authority.certificate.subject)
               .last_update(naive(published)).next_update(naive(ends))
               .add_extension(x509.CRLNumber(number), False)
               .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), False))
    if part is not None or flags:
        builder = builder.add_extension(distribution_point(part, **(flags or {})), True)
    if base is not None:
        builder = builder.add_extension(x509.DeltaCRLIndicator(base), True)
    for entry in entries:
        one = x509.RevokedCertificateBuilder().serial_number(entry.serial).revocation_date(naive(entry.when))
        if entry.reason is not None:
            one = one.add_extension(x509.CRLReason(x509.ReasonFlags[REASONS[entry.reason]]), False)
        builder = builder.add_revoked_certificate(one.build())
    made = builder.sign((signer or authority).key, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.DER)


def delta(authority, entries, number, base, **options):
    """What changed since list number `base` (RFC 5280 5.2.4). Reason 8, removeFromCRL, takes a serial off."""
    return complete(authority, entries, number, base=base, **options)
