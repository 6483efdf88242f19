// bench_token: what a consent token costs on one core.
//
//   bench_token [ROUNDS [COUNT]]
//
// In turns, in processor time: the verification of a signature over a ready digest by OpenSSL's EVP
// interface with a context made once, which is the limit (what `openssl speed ecdsap256` measures);
// pki::verify_consent_token over a whole token; pki::encode_consent_token. Prints one JSON object
// of medians in microseconds.
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <string>
#include <vector>

#include "libpki/consent_token.hpp"

namespace bench {
namespace {

using KeyContext = std::unique_ptr<EVP_PKEY_CTX, decltype(&EVP_PKEY_CTX_free)>;

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "bench_token: %s\n", what);
  std::exit(1);
}

// Of this thread: what other programs do on the core does not count.
double processor_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

template <class Work>
double microseconds(int count, Work&& work) {
  const double start = processor_seconds();
  for (int i = 0; i < count; ++i) work();
  return (processor_seconds() - start) * 1e6 / count;
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

pki::ConsentTokenClaims claims() {
  pki::ConsentTokenClaims claims;
  claims.issuer = "https://api.example.jp";
  claims.audience = "https://api.example.jp/v1/attributes";
  claims.subject = "sub_abcdefghijklmnopqrstuvwxyz";
  claims.client_id = "inst_abcdefghijklmnopqrstuvwxyz";
  claims.token_id = "tok_abcdefghijklmnopqrstuvwxyz";
  claims.issued_at = claims.not_before = pki::Time{std::chrono::seconds{1795230767}};
  claims.expires_at = pki::Time{std::chrono::seconds{1822348800}};
  claims.consent_id = "cns_abcdefghijklmnopqrstuvwxyz";
  claims.consent_version = 1;
  claims.scope = "attr:name attr:address attr:birthdate";
  return claims;
}

int run(int rounds, int count) {
  pki::Signer signer = pki::Signer::generate_p256();
  const pki::PublicKey key = signer.public_key();
  const pki::ConsentTokenClaims content = claims();
  const auto token = pki::encode_consent_token(content, "2026-11-a", signer);
  if (!token) fail("libpki makes no token");
  const pki::ConsentTokenExpectation expectation{content.issuer, content.audience,
                                                 content.client_id, content.certificate_thumbprint,
                                                 content.issued_at};
  const pki::FindKey find = [&key](std::string_view) { return &key; };

  const std::array<std::uint8_t, 32> data{};
  const std::vector<std::uint8_t> signature = pki::to_vector(signer.sign(data).value());
  const pki::Digest digest = pki::digest(pki::DigestAlgorithm::sha256, data);
  const KeyContext context(EVP_PKEY_CTX_new(key.native(), nullptr), &EVP_PKEY_CTX_free);
  if (!context || EVP_PKEY_verify_init(context.get()) <= 0) fail("OpenSSL has no context");

  std::array<std::vector<double>, 3> took;
  for (int round = 0; round < rounds; ++round) {
    took[0].push_back(microseconds(count, [&] {
      if (EVP_PKEY_verify(context.get(), signature.data(), signature.size(), digest.octets.data(),
                          digest.size) != 1) {
        fail("OpenSSL does not verify");
      }
    }));
    took[1].push_back(microseconds(count, [&] {
      if (!pki::verify_consent_token(*token, find, expectation)) fail("libpki does not verify");
    }));
    took[2].push_back(microseconds(count, [&] {
      if (!pki::encode_consent_token(content, "2026-11-a", signer)) fail("libpki does not sign");
    }));
  }
  std::printf("{\"evp_verify_us\": %.3f, \"token_verify_us\": %.3f, \"token_encode_us\": %.3f}\n",
              median(took[0]), median(took[1]), median(took[2]));
  return 0;
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? static_cast<int>(std::strtol(argv[1], nullptr, 10)) : 7;
  const int count = argc > 2 ? static_cast<int>(std::strtol(argv[2], nullptr, 10)) : 5000;
  if (rounds < 1 || count < 1) {
    std::fputs("usage: bench_token [ROUNDS [COUNT]]\n", stderr);
    return 2;
  }
  return bench::run(rounds, count);
}
