#include "server/crl_file.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace server {

namespace {

constexpr std::int64_t kCopiedBytesMax = 32 << 20;

pki::PublicKey key_of(const std::filesystem::path& file, const LoadedCertificate& loaded) {
  const auto key = pki::PublicKey::parse(loaded.certificate.spki);
  if (!key) {
    throw Refused(std::string(pki::name(key.error().code)),
                  fmt::format("{}: {}", file.string(), pki::to_string(key.error())));
  }
  return *key;
}

}  // namespace

void refuse(const ListFile& file, const pki::Error& error) {
  throw Refused(std::string(pki::name(error.code)),
                fmt::format("{}: {}", file.source, pki::to_string(error)), file.source);
}

CrlIssuer::CrlIssuer(const std::filesystem::path& certificate, pki::Time at,
                     std::chrono::seconds skew)
    : file(certificate),
      loaded(load_certificate(certificate)),
      key(key_of(certificate, *loaded)),
      now(at),
      clock_skew(skew) {}

std::array<std::uint8_t, 32> CrlIssuer::key_hash() const {
  const pki::Digest hash = pki::digest(pki::DigestAlgorithm::sha256, loaded->certificate.spki);
  std::array<std::uint8_t, 32> out{};
  std::ranges::copy(hash.bytes(), out.begin());
  return out;
}

CrlFile::CrlFile(const ListFile& file, const CrlIssuer& issuer, pki::CrlKind kind, Need need)
    : file_(file), issuer_(issuer) {
  pki::Bytes bytes;
  if (need == Need::head) {
    mapped_ = MappedFile(file.path);
    bytes = mapped_.bytes();
  } else if (file.stamp.bytes <= kCopiedBytesMax) {
    read_whole(file.path, copy_);
    bytes = copy_;
  } else {
    steady_ = std::make_unique<SteadyFile>(file.path);
    bytes = steady_->bytes();
  }
  const auto crl = pki::parse_crl(bytes);
  if (!crl) refuse(file_, crl.error());
  crl_ = *crl;
  check(kind, need);
  if (steady_) check_shape();
}

// What surrounds the entries of a large list must lie in the parts of the file that stay; and be
// signed so that the rest can be hashed piece by piece.
void CrlFile::check_shape() const {
  const auto before = static_cast<std::size_t>(crl_.entries.data() - crl_.der.data());
  const std::size_t after = crl_.der.size() - before - crl_.entries.size();
  const bool by_pieces = crl_.algorithm.scheme != pki::SignatureScheme::ed25519;
  if (before < SteadyFile::kWindow && after < SteadyFile::kWindow && by_pieces) return;
  throw Refused("list_shape",
                fmt::format("{}: lists of more than {} MiB are read if they are signed with RSA or "
                            "ECDSA and have less than {} MiB beside their entries",
                            file_.source, kCopiedBytesMax >> 20, SteadyFile::kWindow >> 20),
                file_.source);
}

void CrlFile::check(pki::CrlKind kind, Need need) const {
  if (crl_.kind() != kind) {
    throw kind == pki::CrlKind::complete
        ? Refused("delta_crl", fmt::format("{}: this is a delta CRL, to base {}; name it under "
                                           "`delta_crl`, and a complete one under `crl`",
                                           file_.source, crl_.base->to_string()))
        : Refused("complete_crl",
                  fmt::format("{}: this is a complete CRL; name it under `crl`, not `delta_crl`",
                              file_.source));
  }
  const auto fits =
      pki::check_crl(crl_, issuer_.loaded->certificate, issuer_.now, issuer_.clock_skew);
  if (fits) return;
  // What an overdue delta says is newer than its complete list all the same.
  const bool may_have_ended = need == Need::head || kind == pki::CrlKind::delta;
  if (may_have_ended && fits.error().code == pki::Errc::expired) return;
  const std::string now = pki::to_string(issuer_.now);
  switch (fits.error().code) {
    case pki::Errc::expired:
      throw Refused("expired", fmt::format("{}: the list ended: nextUpdate is {}, and it is {} now",
                                           file_.source, pki::to_string(crl_.next_update), now));
    case pki::Errc::not_yet_valid:
      throw Refused("not_yet_valid",
                    fmt::format("{}: thisUpdate is {}, and it is {} now; is a clock wrong?",
                                file_.source, pki::to_string(crl_.this_update), now));
    case pki::Errc::key_usage:
      throw Refused(
          "key_usage",
          fmt::format("{}: the key usage of the issuer's certificate {} does not allow cRLSign",
                      file_.source, issuer_.file.string()));
    default: refuse(file_, fits.error());
  }
}

void CrlFile::start_hashing() {
  if (steady_ == nullptr) {
    verification_ = std::async(std::launch::async, [this] {
      return pki::verify_signature(crl_.algorithm, issuer_.key, crl_.tbs, crl_.signature);
    });
    return;
  }
  const auto begin = static_cast<std::size_t>(crl_.tbs.data() - crl_.der.data());
  hash_ =
      std::make_unique<SteadyHash>(*steady_, crl_.algorithm.digest, begin, begin + crl_.tbs.size());
}

// Tells where the walk is; returns from where on it must tell again.
const std::uint8_t* CrlFile::announce(const std::uint8_t* position) {
  hash_->read_to(static_cast<std::size_t>(position - crl_.der.data()));
  return position + SteadyFile::kWindow;
}

pki::Result<pki::Digest> CrlFile::verify() {
  if (hash_) {
    const pki::Digest digest = hash_->finish();
    PKI_TRY(pki::verify_signed_digest(crl_.algorithm, issuer_.key, digest, crl_.signature));
    return digest;
  }
  if (verification_.valid()) return verification_.get();
  return pki::verify_signature(crl_.algorithm, issuer_.key, crl_.tbs, crl_.signature);
}

pki::IndexedList CrlFile::verified(std::uint64_t entries) {
  const pki::Result<pki::Digest> digest = verify();
  if (!digest) {
    throw Refused(std::string(pki::name(digest.error().code)),
                  fmt::format("{}: the signature is not that of the key in {}: {}", file_.source,
                              issuer_.file.string(), pki::explain(digest.error().code)),
                  file_.source);
  }
  pki::IndexedList out;
  out.number = crl_.number;
  out.this_update = crl_.this_update;
  out.next_update = crl_.next_update;
  out.entry_count = entries;
  out.scope = crl_.scope.id();
  out.base = crl_.base;
  out.expired_certificates_since = crl_.expired_certificates_since;
  const pki::Digest identity = pki::digest(pki::DigestAlgorithm::sha256, digest->bytes());
  std::ranges::copy(identity.bytes(), out.identity.begin());
  return out;
}

}  // namespace server
