#include "server/store/sealing.hpp"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <memory>

namespace server {
namespace {

constexpr std::size_t kNonce = 12;
constexpr std::size_t kTag = 16;

using Context = std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)>;

int length(std::size_t octets) {
  return static_cast<int>(octets);
}

void check(int result, const char* step) {
  if (result != 1) throw std::runtime_error(fmt::format("AES-256-GCM failed at {}", step));
}

const std::uint8_t* octets_of(std::string_view text) {
  return reinterpret_cast<const std::uint8_t*>(text.data());
}

}  // namespace

SecretKey::SecretKey(pki::Bytes octets) {
  if (octets.size() != kOctets) throw std::invalid_argument("a key has 32 octets");
  std::copy(octets.begin(), octets.end(), octets_.begin());
}

SecretKey::~SecretKey() {
  OPENSSL_cleanse(octets_.data(), octets_.size());
}

void wipe(std::span<std::uint8_t> octets) {
  OPENSSL_cleanse(octets.data(), octets.size());
}

SecretKey SecretKey::random() {
  SecretKey key;
  fill_random(key.octets_);
  return key;
}

void fill_random(std::span<std::uint8_t> out) {
  if (RAND_bytes(out.data(), length(out.size())) != 1) {
    throw std::runtime_error("the system's randomness is not available");
  }
}

std::vector<std::uint8_t> seal(const SecretKey& key, std::string_view place, pki::Bytes plain) {
  std::vector<std::uint8_t> out(kNonce + plain.size() + kTag);
  fill_random(std::span(out).first(kNonce));
  const Context context(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
  int written = 0;
  check(
      EVP_EncryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, key.bytes().data(), out.data()),
      "its key");
  check(EVP_EncryptUpdate(context.get(), nullptr, &written, octets_of(place), length(place.size())),
        "the place");
  check(EVP_EncryptUpdate(context.get(), out.data() + kNonce, &written, plain.data(),
                          length(plain.size())),
        "the text");
  check(EVP_EncryptFinal_ex(context.get(), out.data() + kNonce + plain.size(), &written),
        "the end");
  check(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, length(kTag),
                            out.data() + kNonce + plain.size()),
        "the tag");
  return out;
}

std::vector<std::uint8_t> open_sealed(const SecretKey& key, std::string_view place,
                                      pki::Bytes sealed) {
  const auto broken = [&] {
    return SealBroken(
        fmt::format("{}: it was sealed under another key, for another place, or "
                    "changed since",
                    place));
  };
  if (sealed.size() < kNonce + kTag) throw broken();
  const std::size_t size = sealed.size() - kNonce - kTag;
  std::vector<std::uint8_t> out(size);
  std::array<std::uint8_t, kTag> tag{};
  std::copy(sealed.end() - kTag, sealed.end(), tag.begin());
  const Context context(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
  int written = 0;
  check(EVP_DecryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, key.bytes().data(),
                           sealed.data()),
        "its key");
  check(EVP_DecryptUpdate(context.get(), nullptr, &written, octets_of(place), length(place.size())),
        "the place");
  check(
      EVP_DecryptUpdate(context.get(), out.data(), &written, sealed.data() + kNonce, length(size)),
      "the text");
  check(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, length(kTag), tag.data()),
        "the tag");
  if (EVP_DecryptFinal_ex(context.get(), out.data() + size, &written) != 1) throw broken();
  return out;
}

std::vector<std::uint8_t> mac(const SecretKey& key, pki::Bytes data, std::size_t octets) {
  std::vector<std::uint8_t> out(32);
  unsigned size = 0;
  if (HMAC(EVP_sha256(), key.bytes().data(), length(SecretKey::kOctets), data.data(), data.size(),
           out.data(), &size) == nullptr) {
    throw std::runtime_error("HMAC-SHA-256 failed");
  }
  out.resize(octets);
  return out;
}

bool equal_in_constant_time(pki::Bytes a, pki::Bytes b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace server
