#include "authority/repeatable_signature.hpp"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/obj_mac.h>
#include <openssl/sha.h>

#include <array>

#include "authority/signatures.hpp"

namespace authority {
namespace {

using BignumContext = std::unique_ptr<BN_CTX, Deleter<BN_CTX_free>>;
using GroupPointer = std::unique_ptr<EC_GROUP, Deleter<EC_GROUP_free>>;
using PointPointer = std::unique_ptr<EC_POINT, Deleter<EC_POINT_free>>;

Octets digest_of(const EVP_MD* digest, OctetView message) {
  Octets octets(static_cast<std::size_t>(EVP_MD_get_size(digest)));
  require(EVP_Digest(message.data(), message.size(), octets.data(), nullptr, digest, nullptr) == 1,
          "hashing what is to be signed");
  return octets;
}

Octets big_endian(const BIGNUM* number) {
  Octets octets(static_cast<std::size_t>(BN_num_bytes(number)));
  BN_bn2bin(number, octets.data());
  return octets;
}

// SHA-512(domain, private key, digest) mod (order - 1) + 1.
BignumPointer derive_nonce(const BIGNUM* secret, const BIGNUM* order, OctetView digest,
                           BN_CTX* context) {
  constexpr std::array<std::uint8_t, 8> kDomain{'n', 'o', 'n', 'c', 'e', ' ', 'v', '1'};
  Octets text(kDomain.begin(), kDomain.end());
  const Octets key = big_endian(secret);
  text.insert(text.end(), key.begin(), key.end());
  text.insert(text.end(), digest.begin(), digest.end());
  std::array<unsigned char, SHA512_DIGEST_LENGTH> hash{};
  SHA512(text.data(), text.size(), hash.data());
  BignumPointer nonce(BN_bin2bn(hash.data(), static_cast<int>(hash.size()), nullptr));
  const BignumPointer bound(BN_dup(order));
  require(nonce && bound && BN_sub_word(bound.get(), 1) == 1 &&
              BN_mod(nonce.get(), nonce.get(), bound.get(), context) == 1 &&
              BN_add_word(nonce.get(), 1) == 1,
          "deriving a nonce");
  return nonce;
}

// SEC 1, 4.1.3: r = x(kG) mod n, s = (e + r d) / k mod n. A digest is no longer than the order
// here, so e is the whole of it.
Octets sign_elliptic(EVP_PKEY* key, int curve, OctetView digest) {
  const GroupPointer group(EC_GROUP_new_by_curve_name(curve));
  const BignumContext context(BN_CTX_new());
  BIGNUM* raw = nullptr;
  require(group && context && EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_PRIV_KEY, &raw) == 1,
          "taking a private scalar out of a key");
  const BignumPointer secret(raw);
  const BIGNUM* const order = EC_GROUP_get0_order(group.get());
  const BignumPointer nonce = derive_nonce(secret.get(), order, digest, context.get());

  const PointPointer point(EC_POINT_new(group.get()));
  const BignumPointer r(BN_new());
  const BignumPointer s(BN_new());
  const BignumPointer e(BN_bin2bn(digest.data(), static_cast<int>(digest.size()), nullptr));
  const BignumPointer inverse(BN_mod_inverse(nullptr, nonce.get(), order, context.get()));
  BN_CTX* const ctx = context.get();
  require(
      point && r && s && e && inverse &&
          EC_POINT_mul(group.get(), point.get(), nonce.get(), nullptr, nullptr, ctx) == 1 &&
          EC_POINT_get_affine_coordinates(group.get(), point.get(), r.get(), nullptr, ctx) == 1 &&
          BN_nnmod(r.get(), r.get(), order, ctx) == 1 &&
          BN_mod_mul(s.get(), r.get(), secret.get(), order, ctx) == 1 &&
          BN_mod_add(s.get(), s.get(), e.get(), order, ctx) == 1 &&
          BN_mod_mul(s.get(), s.get(), inverse.get(), order, ctx) == 1,
      "computing a signature");
  const Octets r_octets = integer_element(big_endian(r.get()));
  const Octets s_octets = integer_element(big_endian(s.get()));
  return element(kSequence, {r_octets, s_octets});
}

Octets sign_rsa(EVP_PKEY* key, const EVP_MD* digest, OctetView message) {
  const DigestContextPointer context(EVP_MD_CTX_new());
  std::size_t size = 0;
  require(context && EVP_DigestSignInit(context.get(), nullptr, digest, nullptr, key) == 1 &&
              EVP_DigestSign(context.get(), nullptr, &size, message.data(), message.size()) == 1,
          "preparing a signature");
  Octets signature(size);
  require(
      EVP_DigestSign(context.get(), signature.data(), &size, message.data(), message.size()) == 1,
      "signing");
  signature.resize(size);
  return signature;
}

}  // namespace

Octets sign_repeatably(EVP_PKEY* key, OctetView message) {
  const EVP_MD* const digest = scheme_of(key).digest;
  if (EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA) return sign_rsa(key, digest, message);
  const int curve = EVP_PKEY_get_bits(key) == 384 ? NID_secp384r1 : NID_X9_62_prime256v1;
  return sign_elliptic(key, curve, digest_of(digest, message));
}

}  // namespace authority
