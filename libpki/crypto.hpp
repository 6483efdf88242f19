// crypto.hpp: digests, signatures and keys. Of libpki, crypto.cpp alone knows OpenSSL, besides
// cms.cpp.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libpki/algorithm.hpp"
#include "libpki/bytes.hpp"

struct evp_md_ctx_st;    // OpenSSL's EVP_MD_CTX
struct evp_pkey_st;      // OpenSSL's EVP_PKEY
struct evp_pkey_ctx_st;  // OpenSSL's EVP_PKEY_CTX

namespace pki {

// A digest value of up to 64 octets, without allocation.
struct Digest {
  std::array<std::uint8_t, 64> octets{};
  std::size_t size = 0;

  [[nodiscard]] Bytes bytes() const { return Bytes(octets).first(size); }
  friend bool operator==(const Digest& a, const Digest& b) { return equal(a.bytes(), b.bytes()); }
};

// Cost: 0.3 us plus about 1.3 GB/s (SHA-256 with SHA extensions). Any thread.
[[nodiscard]] Digest digest(DigestAlgorithm algorithm, Bytes data);

// The same for data that comes in pieces.
class DigestStream {
 public:
  explicit DigestStream(DigestAlgorithm algorithm);
  ~DigestStream();
  DigestStream(const DigestStream&) = delete;
  DigestStream& operator=(const DigestStream&) = delete;

  void update(Bytes data);
  [[nodiscard]] Digest finish();  // once

 private:
  evp_md_ctx_st* context_;
};

enum class KeyKind : std::uint8_t { rsa, ec_p256, ec_p384, ec_p521, ed25519 };

// A public key that may verify: RSA of 2048 to 8192 bits, EC P-256/384/521, Ed25519.
// Immutable and shareable between threads.
class PublicKey {
 public:
  // Reads a SubjectPublicKeyInfo. Error: unsupported_key, offset 0.
  [[nodiscard]] static Result<PublicKey> parse(Bytes spki);

  [[nodiscard]] KeyKind kind() const { return kind_; }

  // "RSA 2048", "EC P-256", "Ed25519".
  [[nodiscard]] std::string description() const;

  // Of an EC key: the uncompressed point, 04 x y (SEC 1, 2.3.3). Empty for other kinds.
  [[nodiscard]] std::vector<std::uint8_t> ec_point() const;

  [[nodiscard]] evp_pkey_st* native() const { return key_.get(); }

 private:
  friend class Signer;  // makes the public half of its key
  PublicKey(std::shared_ptr<evp_pkey_st> key, KeyKind kind) : key_(std::move(key)), kind_(kind) {}

  std::shared_ptr<evp_pkey_st> key_;
  KeyKind kind_;
};

// Verifies `signature` over `data` and returns the digest of the data (the one that was signed; for
// Ed25519, which signs the data themselves, their SHA-512), so that nobody hashes gigabytes twice.
// Errors: bad_signature; unsupported_key if the key is none of that algorithm. Offset 0.
// For short data and a key that comes again, OpenSSL's context is kept from call to call, a few a
// thread.
// Cost: the digest over data.size() plus one public-key operation. No allocation per byte.
[[nodiscard]] Result<Digest> verify_signature(const SignatureAlgorithm& algorithm,
                                              const PublicKey& key, Bytes data, Bytes signature);

// The same for a digest that was made already. Not for Ed25519, which signs the data themselves:
// unsupported_key.
[[nodiscard]] Result<void> verify_signed_digest(const SignatureAlgorithm& algorithm,
                                                const PublicKey& key, const Digest& digest,
                                                Bytes signature);

// A private key that signs. Not for two threads at once: give each its own by clone().
class Signer {
 public:
  // Reads an unencrypted PEM private key (PKCS#8 or the traditional forms).
  // Error: unsupported_key if it is none, is encrypted, or is of a kind we do not sign with.
  [[nodiscard]] static Result<Signer> from_pem(std::string_view pem);

  Signer(Signer&&) noexcept;
  Signer& operator=(Signer&&) noexcept;
  ~Signer();

  // A new key on the curve P-256. Throws std::runtime_error if the library has no randomness.
  [[nodiscard]] static Signer generate_p256();

  // The private key as unencrypted PKCS#8 PEM, as from_pem reads it. A secret: the caller sees to
  // it that it reaches nothing but a file of mode 0600 or a sealed column.
  [[nodiscard]] std::string to_pem() const;

  // The public half. Shares the key object; its kind and point can be asked for at any time.
  [[nodiscard]] PublicKey public_key() const;

  // A second signer of the same key, for another thread.
  [[nodiscard]] Signer clone() const;

  // The algorithm goes with the key: RSA and P-256 SHA-256, P-384 SHA-384, P-521 SHA-512, Ed25519.
  [[nodiscard]] const SignatureAlgorithm& algorithm() const { return algorithm_; }

  // Does this private key belong to that public key?
  [[nodiscard]] bool matches(const PublicKey& key) const;

  // Signs `data`; the returned view is good until the next call. nullopt if the library refuses,
  // which a caller reports as an internal error.
  // Cost: P-256 about 20 us, RSA-2048 280 us, P-384 750 us.
  [[nodiscard]] std::optional<Bytes> sign(Bytes data);

 private:
  Signer(std::shared_ptr<evp_pkey_st> key, SignatureAlgorithm algorithm);

  std::shared_ptr<evp_pkey_st> key_;
  SignatureAlgorithm algorithm_;
  std::unique_ptr<evp_pkey_ctx_st, void (*)(evp_pkey_ctx_st*)> context_;  // ready to sign a digest
  std::vector<std::uint8_t> signature_;
};

// The first PEM block with that label ("CERTIFICATE"), decoded; nullopt if there is none. Text
// before and after it is skipped, as openssl does.
[[nodiscard]] std::optional<std::vector<std::uint8_t>> decode_pem(std::string_view text,
                                                                  std::string_view label);

// A DER Name as "CN=…,O=…,C=JP" (RFC 2253 order, UTF-8), for people; "(unreadable name)" if none.
[[nodiscard]] std::string name_to_string(Bytes name);

// "OpenSSL 3.0.19 27 Jan 2026", for --version.
[[nodiscard]] std::string crypto_library_version();

}  // namespace pki
