#include "authority/keys.hpp"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/obj_mac.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/sha.h>

#include <array>
#include <string>
#include <vector>

#include "authority/failure.hpp"
#include "authority/output_file.hpp"
#include "authority/rsa_fixtures.hpp"

namespace authority {
namespace {

using GroupPointer = std::unique_ptr<EC_GROUP, Deleter<EC_GROUP_free>>;
using PointPointer = std::unique_ptr<EC_POINT, Deleter<EC_POINT_free>>;
using ParameterBuilderPointer = std::unique_ptr<OSSL_PARAM_BLD, Deleter<OSSL_PARAM_BLD_free>>;
using ParametersPointer = std::unique_ptr<OSSL_PARAM, Deleter<OSSL_PARAM_free>>;

// SHA-512(domain, curve, seed, role) mod (order - 1) + 1: 128 bits longer than the largest order,
// so the bias is nil.
BignumPointer derive_scalar(const EC_GROUP* group, const char* curve, std::uint64_t seed,
                            std::string_view role) {
  const std::string text = std::string("tashika stand-in authority key v1|") + curve + "|" +
                           std::to_string(seed) + "|" + std::string(role);
  std::array<unsigned char, SHA512_DIGEST_LENGTH> hash{};
  SHA512(reinterpret_cast<const unsigned char*>(text.data()), text.size(), hash.data());
  BignumPointer wide(BN_bin2bn(hash.data(), static_cast<int>(hash.size()), nullptr));
  BignumPointer bound(BN_dup(EC_GROUP_get0_order(group)));
  BignumPointer scalar(BN_new());
  const std::unique_ptr<BN_CTX, Deleter<BN_CTX_free>> context(BN_CTX_new());
  require(wide && bound && scalar && context && BN_sub_word(bound.get(), 1) == 1 &&
              BN_mod(scalar.get(), wide.get(), bound.get(), context.get()) == 1 &&
              BN_add_word(scalar.get(), 1) == 1,
          "deriving a private scalar");
  return scalar;
}

std::vector<unsigned char> public_point(const EC_GROUP* group, const BIGNUM* scalar) {
  const PointPointer point(EC_POINT_new(group));
  require(point && EC_POINT_mul(group, point.get(), scalar, nullptr, nullptr, nullptr) == 1,
          "computing a public point");
  constexpr auto kForm = POINT_CONVERSION_UNCOMPRESSED;
  std::vector<unsigned char> octets(
      EC_POINT_point2oct(group, point.get(), kForm, nullptr, 0, nullptr));
  require(!octets.empty() && EC_POINT_point2oct(group, point.get(), kForm, octets.data(),
                                                octets.size(), nullptr) == octets.size(),
          "encoding a public point");
  return octets;
}

KeyPointer derive_ec_key(int curve_nid, std::uint64_t seed, std::string_view role) {
  const char* const curve = OBJ_nid2sn(curve_nid);
  const GroupPointer group(EC_GROUP_new_by_curve_name(curve_nid));
  require(group != nullptr, "looking up an elliptic curve");
  const BignumPointer scalar = derive_scalar(group.get(), curve, seed, role);
  const std::vector<unsigned char> point = public_point(group.get(), scalar.get());

  const ParameterBuilderPointer builder(OSSL_PARAM_BLD_new());
  require(builder &&
              OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, curve,
                                              0) == 1 &&
              OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_PRIV_KEY, scalar.get()) == 1 &&
              OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                               point.size()) == 1,
          "describing an elliptic-curve key");
  const ParametersPointer parameters(OSSL_PARAM_BLD_to_param(builder.get()));
  const KeyContextPointer context(EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr));
  EVP_PKEY* key = nullptr;
  require(parameters && context && EVP_PKEY_fromdata_init(context.get()) == 1 &&
              EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_KEYPAIR, parameters.get()) == 1,
          "building an elliptic-curve key");
  return KeyPointer(key);
}

KeyPointer embedded_key(const char* pem) {
  const BioPointer input(BIO_new_mem_buf(pem, -1));
  KeyPointer key(PEM_read_bio_PrivateKey(input.get(), nullptr, nullptr, nullptr));
  require(key != nullptr, "reading an embedded RSA test key");
  return key;
}

}  // namespace

KeyPointer make_key(Algorithm algorithm, std::uint64_t seed, std::string_view role,
                    std::uint64_t rsa_slot) {
  switch (algorithm) {
    case Algorithm::rsa2048:
      return embedded_key(
          kRsaFixturePems.at((seed % kRsaFixturePems.size() + rsa_slot) % kRsaFixturePems.size()));
    case Algorithm::p256: return derive_ec_key(NID_X9_62_prime256v1, seed, role);
    case Algorithm::p384: return derive_ec_key(NID_secp384r1, seed, role);
  }
  throw Failure("unknown key algorithm");
}

KeyPointer make_authority_rsa_key(std::uint64_t seed, std::size_t slot) {
  constexpr std::size_t kKeys = kAuthorityKeyPems.size();
  if (slot >= kKeys) throw Failure("more RSA authorities than test keys; make more in keys/");
  return embedded_key(kAuthorityKeyPems.at((seed % kKeys + slot) % kKeys));
}

KeyPointer load_key(const std::filesystem::path& path) {
  const BioPointer input(BIO_new_file(path.c_str(), "r"));
  if (!input) fail_openssl("the private key " + path.string() + " cannot be opened; check --key");
  KeyPointer key(PEM_read_bio_PrivateKey(input.get(), nullptr, nullptr, nullptr));
  if (!key) fail_openssl(path.string() + " holds no PEM private key; check --key");
  return key;
}

void write_key(const std::filesystem::path& path, EVP_PKEY* key) {
  const BioPointer output(BIO_new(BIO_s_mem()));
  require(output && PEM_write_bio_PrivateKey(output.get(), key, nullptr, nullptr, 0, nullptr,
                                             nullptr) == 1,
          "encoding a private key");
  char* text = nullptr;
  const long size = BIO_get_mem_data(output.get(), &text);
  write_text(path, {text, static_cast<std::size_t>(size)}, Access::owner);
}

}  // namespace authority
