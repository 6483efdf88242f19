#include "authority/signatures.hpp"

#include <openssl/rsa.h>

#include <array>
#include <string_view>

#include "authority/failure.hpp"

namespace authority {
namespace {

// sha256WithRSAEncryption (1.2.840.113549.1.1.11), parameters NULL: RFC 4055 5.
constexpr std::uint8_t kSha256WithRsa[] = {0x30, 0x0D, 0x06, 0x09, 0x2A, 0x86, 0x48, 0x86,
                                           0xF7, 0x0D, 0x01, 0x01, 0x0B, 0x05, 0x00};
// ecdsa-with-SHA256 and -SHA384 (1.2.840.10045.4.3.2 and .3), no parameters: RFC 5758 3.2.
constexpr std::uint8_t kEcdsaWithSha256[] = {0x30, 0x0A, 0x06, 0x08, 0x2A, 0x86,
                                             0x48, 0xCE, 0x3D, 0x04, 0x03, 0x02};
constexpr std::uint8_t kEcdsaWithSha384[] = {0x30, 0x0A, 0x06, 0x08, 0x2A, 0x86,
                                             0x48, 0xCE, 0x3D, 0x04, 0x03, 0x03};

constexpr int kSignAttemptsMax = 1000;  // each succeeds with probability 1/4

KeyContextPointer signing_context(EVP_PKEY* key, const EVP_MD* digest) {
  KeyContextPointer context(EVP_PKEY_CTX_new(key, nullptr));
  require(context && EVP_PKEY_sign_init(context.get()) == 1 &&
              EVP_PKEY_CTX_set_signature_md(context.get(), digest) == 1,
          "preparing a signature");
  if (EVP_PKEY_is_a(key, "RSA") == 1) {
    require(EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PADDING) == 1,
            "choosing PKCS#1 v1.5");
  }
  return context;
}

}  // namespace

SignatureScheme scheme_of(EVP_PKEY* key) {
  const auto size = static_cast<std::size_t>(EVP_PKEY_get_size(key));
  if (EVP_PKEY_is_a(key, "RSA") == 1) return {EVP_sha256(), kSha256WithRsa, size};
  std::array<char, 80> group{};
  if (EVP_PKEY_is_a(key, "EC") == 1 &&
      EVP_PKEY_get_group_name(key, group.data(), group.size(), nullptr) == 1) {
    const std::string_view name = group.data();
    if (name == "prime256v1") return {EVP_sha256(), kEcdsaWithSha256, size};
    if (name == "secp384r1") return {EVP_sha384(), kEcdsaWithSha384, size};
  }
  throw Failure("the authority signs with RSA, P-256 or P-384 only; give it a key of one of these");
}

std::vector<std::uint8_t> sign_digest(EVP_PKEY* key, const SignatureScheme& scheme,
                                      std::span<const std::uint8_t> digest) {
  const KeyContextPointer context = signing_context(key, scheme.digest);
  std::vector<std::uint8_t> signature(scheme.signature_bytes);
  for (int attempt = 0; attempt < kSignAttemptsMax; ++attempt) {
    std::size_t size = signature.size();
    require(
        EVP_PKEY_sign(context.get(), signature.data(), &size, digest.data(), digest.size()) == 1,
        "signing");
    if (size == signature.size()) return signature;
  }
  throw Failure("no signature of full length in 1000 attempts; OpenSSL's randomness looks broken");
}

}  // namespace authority
