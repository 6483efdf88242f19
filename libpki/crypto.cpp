#include "libpki/crypto.hpp"

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <cstdlib>
#include <new>
#include <stdexcept>
#include <utility>

#include "libpki/openssl_free.hpp"

namespace pki {
namespace {

using MdContext = std::unique_ptr<EVP_MD_CTX, Deleter<EVP_MD_CTX_free>>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, Deleter<EVP_PKEY_CTX_free>>;
using Bio = std::unique_ptr<BIO, Deleter<BIO_free>>;

// OpenSSL 3 looks an algorithm up by name unless it was fetched; that costs more than a short hash.
const EVP_MD* fetched(DigestAlgorithm algorithm) {
  static const std::array<EVP_MD*, 4> digests = {
      EVP_MD_fetch(nullptr, "SHA1", nullptr), EVP_MD_fetch(nullptr, "SHA2-256", nullptr),
      EVP_MD_fetch(nullptr, "SHA2-384", nullptr), EVP_MD_fetch(nullptr, "SHA2-512", nullptr)};
  return digests[static_cast<std::size_t>(algorithm)];
}

std::optional<KeyKind> kind_of(EVP_PKEY* key) {
  switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA:
    case EVP_PKEY_RSA_PSS: {
      const int bits = EVP_PKEY_get_bits(key);
      if (bits < 2048 || bits > 8192) return std::nullopt;
      return KeyKind::rsa;
    }
    case EVP_PKEY_EC: {
      std::array<char, 32> name{};
      std::size_t length = 0;
      if (EVP_PKEY_get_group_name(key, name.data(), name.size(), &length) != 1) return std::nullopt;
      const std::string_view curve(name.data(), length);
      if (curve == "prime256v1") return KeyKind::ec_p256;
      if (curve == "secp384r1") return KeyKind::ec_p384;
      if (curve == "secp521r1") return KeyKind::ec_p521;
      return std::nullopt;
    }
    case EVP_PKEY_ED25519: return KeyKind::ed25519;
    default: return std::nullopt;
  }
}

bool fits(SignatureScheme scheme, KeyKind kind) {
  switch (scheme) {
    case SignatureScheme::rsa_pkcs1:
    case SignatureScheme::rsa_pss: return kind == KeyKind::rsa;
    case SignatureScheme::ecdsa:
      return kind == KeyKind::ec_p256 || kind == KeyKind::ec_p384 || kind == KeyKind::ec_p521;
    case SignatureScheme::ed25519: return kind == KeyKind::ed25519;
  }
  std::abort();
}

SignatureAlgorithm algorithm_for(KeyKind kind) {
  switch (kind) {
    case KeyKind::rsa: return {SignatureScheme::rsa_pkcs1, DigestAlgorithm::sha256};
    case KeyKind::ec_p256: return {SignatureScheme::ecdsa, DigestAlgorithm::sha256};
    case KeyKind::ec_p384: return {SignatureScheme::ecdsa, DigestAlgorithm::sha384};
    case KeyKind::ec_p521: return {SignatureScheme::ecdsa, DigestAlgorithm::sha512};
    case KeyKind::ed25519: return {SignatureScheme::ed25519, DigestAlgorithm::sha512};
  }
  std::abort();
}

// Padding and digest of a context that signs or verifies digests.
bool set_parameters(EVP_PKEY_CTX* context, const SignatureAlgorithm& algorithm) {
  const EVP_MD* md = fetched(algorithm.digest);
  if (EVP_PKEY_CTX_set_signature_md(context, md) != 1) return false;
  if (algorithm.scheme == SignatureScheme::rsa_pkcs1) {
    return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) == 1;
  }
  if (algorithm.scheme == SignatureScheme::rsa_pss) {
    return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) == 1 &&
           EVP_PKEY_CTX_set_rsa_mgf1_md(context, md) == 1 &&
           EVP_PKEY_CTX_set_rsa_pss_saltlen(context, static_cast<int>(algorithm.salt_bytes)) == 1;
  }
  return true;
}

// Contexts that are ready to verify, of the keys that this thread used last: making one anew costs
// a tenth of a P-256 verification. A context holds its key, so the address of a key that is here
// can't come to belong to another one.
class VerifyContexts {
 public:
  // nullptr if the library refuses the key or the algorithm.
  EVP_PKEY_CTX* ready(const SignatureAlgorithm& algorithm, EVP_PKEY* key) {
    for (const Entry& entry : entries_) {
      if (entry.key == key && entry.algorithm == algorithm) return entry.context.get();
    }
    KeyContext context(EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
    if (!context || EVP_PKEY_verify_init(context.get()) != 1 ||
        !set_parameters(context.get(), algorithm)) {
      return nullptr;
    }
    Entry& oldest = entries_[next_++ % entries_.size()];
    oldest = {key, algorithm, std::move(context)};
    return oldest.context.get();
  }

 private:
  struct Entry {
    EVP_PKEY* key = nullptr;
    SignatureAlgorithm algorithm{};
    KeyContext context;
  };
  std::array<Entry, 4> entries_;
  std::size_t next_ = 0;
};

bool verify_digest(const SignatureAlgorithm& algorithm, EVP_PKEY* key, Bytes hash,
                   Bytes signature) {
  thread_local VerifyContexts contexts;
  EVP_PKEY_CTX* const context = contexts.ready(algorithm, key);
  return context != nullptr && EVP_PKEY_verify(context, signature.data(), signature.size(),
                                               hash.data(), hash.size()) == 1;
}

bool verify_ed25519(EVP_PKEY* key, Bytes data, Bytes signature) {
  const MdContext context(EVP_MD_CTX_new());
  return context && EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key) == 1 &&
         EVP_DigestVerify(context.get(), signature.data(), signature.size(), data.data(),
                          data.size()) == 1;
}

// An encrypted key asks for a password; nobody is there to answer.
int no_password(char*, int, int, void*) {
  return -1;
}

}  // namespace

Digest digest(DigestAlgorithm algorithm, Bytes data) {
  thread_local const MdContext context(EVP_MD_CTX_new());
  Digest result;
  unsigned size = 0;
  if (EVP_DigestInit_ex2(context.get(), fetched(algorithm), nullptr) != 1 ||
      EVP_DigestUpdate(context.get(), data.data(), data.size()) != 1 ||
      EVP_DigestFinal_ex(context.get(), result.octets.data(), &size) != 1) {
    std::abort();  // these can't fail for the digests above
  }
  result.size = size;
  return result;
}

DigestStream::DigestStream(DigestAlgorithm algorithm) : context_(EVP_MD_CTX_new()) {
  if (context_ == nullptr) throw std::bad_alloc();
  if (EVP_DigestInit_ex2(context_, fetched(algorithm), nullptr) != 1) std::abort();
}

DigestStream::~DigestStream() {
  EVP_MD_CTX_free(context_);
}

void DigestStream::update(Bytes data) {
  if (EVP_DigestUpdate(context_, data.data(), data.size()) != 1) std::abort();
}

Digest DigestStream::finish() {
  Digest result;
  unsigned size = 0;
  if (EVP_DigestFinal_ex(context_, result.octets.data(), &size) != 1) std::abort();
  result.size = size;
  return result;
}

Result<PublicKey> PublicKey::parse(Bytes spki) {
  const Error unsupported{Errc::unsupported_key, 0, "subjectPublicKeyInfo"};
  const unsigned char* at = spki.data();
  std::shared_ptr<EVP_PKEY> key(d2i_PUBKEY(nullptr, &at, static_cast<long>(spki.size())),
                                EVP_PKEY_free);
  ERR_clear_error();
  if (!key || at != spki.data() + spki.size()) return unsupported;
  const auto kind = kind_of(key.get());
  if (!kind) return unsupported;
  return PublicKey(std::move(key), *kind);
}

std::vector<std::uint8_t> PublicKey::ec_point() const {
  std::vector<std::uint8_t> point;
  if (kind_ == KeyKind::rsa || kind_ == KeyKind::ed25519) return point;
  const std::size_t number_bytes =
      (static_cast<std::size_t>(EVP_PKEY_get_bits(key_.get())) + 7) / 8;
  point.assign(1 + 2 * number_bytes, 0x04);
  std::uint8_t* at = point.data() + 1;
  // By coordinate, since the key may have been read, and would be given back, in compressed form.
  for (const char* const name : {OSSL_PKEY_PARAM_EC_PUB_X, OSSL_PKEY_PARAM_EC_PUB_Y}) {
    BIGNUM* number = nullptr;
    if (EVP_PKEY_get_bn_param(key_.get(), name, &number) != 1) std::abort();
    if (BN_bn2binpad(number, at, static_cast<int>(number_bytes)) < 0) std::abort();
    BN_free(number);
    at += number_bytes;
  }
  return point;
}

std::string PublicKey::description() const {
  switch (kind_) {
    case KeyKind::rsa: return "RSA " + std::to_string(EVP_PKEY_get_bits(key_.get()));
    case KeyKind::ec_p256: return "EC P-256";
    case KeyKind::ec_p384: return "EC P-384";
    case KeyKind::ec_p521: return "EC P-521";
    case KeyKind::ed25519: return "Ed25519";
  }
  std::abort();
}

Result<Digest> verify_signature(const SignatureAlgorithm& algorithm, const PublicKey& key,
                                Bytes data, Bytes signature) {
  if (!fits(algorithm.scheme, key.kind())) return Error{Errc::unsupported_key, 0, "signature"};
  const Digest hash = digest(algorithm.digest, data);
  const bool good = algorithm.scheme == SignatureScheme::ed25519
                        ? verify_ed25519(key.native(), data, signature)
                        : verify_digest(algorithm, key.native(), hash.bytes(), signature);
  ERR_clear_error();
  if (!good) return Error{Errc::bad_signature, 0, "signature"};
  return hash;
}

Result<void> verify_signed_digest(const SignatureAlgorithm& algorithm, const PublicKey& key,
                                  const Digest& digest, Bytes signature) {
  const Error unsupported{Errc::unsupported_key, 0, "signature"};
  if (algorithm.scheme == SignatureScheme::ed25519) return unsupported;
  if (!fits(algorithm.scheme, key.kind())) return unsupported;
  const bool good = verify_digest(algorithm, key.native(), digest.bytes(), signature);
  ERR_clear_error();
  if (!good) return Error{Errc::bad_signature, 0, "signature"};
  return {};
}

Signer::Signer(std::shared_ptr<evp_pkey_st> key, SignatureAlgorithm algorithm)
    : key_(std::move(key)),
      algorithm_(algorithm),
      context_(nullptr, EVP_PKEY_CTX_free),
      signature_(static_cast<std::size_t>(EVP_PKEY_get_size(key_.get()))) {
  if (algorithm_.scheme == SignatureScheme::ed25519) return;
  context_.reset(EVP_PKEY_CTX_new_from_pkey(nullptr, key_.get(), nullptr));
  if (!context_ || EVP_PKEY_sign_init(context_.get()) != 1 ||
      !set_parameters(context_.get(), algorithm_)) {
    context_.reset();  // sign() will say no
  }
}

Signer::Signer(Signer&&) noexcept = default;
Signer& Signer::operator=(Signer&&) noexcept = default;
Signer::~Signer() = default;

Signer Signer::clone() const {
  return Signer(key_, algorithm_);
}

Result<Signer> Signer::from_pem(std::string_view pem) {
  const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  std::shared_ptr<EVP_PKEY> key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_password, nullptr),
                                EVP_PKEY_free);
  ERR_clear_error();
  const auto kind = key ? kind_of(key.get()) : std::nullopt;
  // A key for PSS alone verifies lists, but we sign with PKCS#1 v1.5.
  if (!kind || EVP_PKEY_get_base_id(key.get()) == EVP_PKEY_RSA_PSS) {
    return Error{Errc::unsupported_key, 0, "private key"};
  }
  return Signer(std::move(key), algorithm_for(*kind));
}

Signer Signer::generate_p256() {
  std::shared_ptr<EVP_PKEY> key(EVP_EC_gen("P-256"), EVP_PKEY_free);
  ERR_clear_error();
  if (!key) throw std::runtime_error("cannot generate a P-256 key: OpenSSL has no randomness");
  return Signer(std::move(key), algorithm_for(KeyKind::ec_p256));
}

std::string Signer::to_pem() const {
  const Bio bio(BIO_new(BIO_s_secmem()));
  char* text = nullptr;
  if (!bio || PEM_write_bio_PKCS8PrivateKey(bio.get(), key_.get(), nullptr, nullptr, 0, nullptr,
                                            nullptr) != 1) {
    throw std::bad_alloc();  // nothing else can fail when a key is written as it is
  }
  const long size = BIO_get_mem_data(bio.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

PublicKey Signer::public_key() const {
  const auto kind = kind_of(key_.get());
  if (!kind) std::abort();  // from_pem and generate_p256 take no other
  return PublicKey(key_, *kind);
}

bool Signer::matches(const PublicKey& key) const {
  return EVP_PKEY_eq(key_.get(), key.native()) == 1;
}

std::optional<Bytes> Signer::sign(Bytes data) {
  std::size_t size = signature_.size();
  bool signed_ = false;
  if (algorithm_.scheme == SignatureScheme::ed25519) {
    const MdContext context(EVP_MD_CTX_new());
    signed_ =
        context && EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key_.get()) == 1 &&
        EVP_DigestSign(context.get(), signature_.data(), &size, data.data(), data.size()) == 1;
  } else if (context_) {
    const Digest hash = digest(algorithm_.digest, data);
    signed_ =
        EVP_PKEY_sign(context_.get(), signature_.data(), &size, hash.octets.data(), hash.size) == 1;
  }
  ERR_clear_error();
  if (!signed_) return std::nullopt;
  return Bytes(signature_).first(size);
}

std::optional<std::vector<std::uint8_t>> decode_pem(std::string_view text, std::string_view label) {
  const Bio bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  std::optional<std::vector<std::uint8_t>> found;
  char* name = nullptr;
  char* header = nullptr;
  unsigned char* data = nullptr;
  long size = 0;
  while (!found && PEM_read_bio(bio.get(), &name, &header, &data, &size) == 1) {
    if (label == name) found.emplace(data, data + size);
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_free(data);
  }
  ERR_clear_error();
  return found;
}

std::string name_to_string(Bytes name) {
  const unsigned char* at = name.data();
  const std::unique_ptr<X509_NAME, Deleter<X509_NAME_free>> parsed(
      d2i_X509_NAME(nullptr, &at, static_cast<long>(name.size())));
  const Bio bio(BIO_new(BIO_s_mem()));
  ERR_clear_error();
  constexpr unsigned long kStyle = XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB;
  if (!parsed || X509_NAME_print_ex(bio.get(), parsed.get(), 0, kStyle) < 0) {
    return "(unreadable name)";
  }
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

std::string crypto_library_version() {
  return OpenSSL_version(OPENSSL_VERSION);
}

}  // namespace pki
