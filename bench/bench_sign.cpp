// bench_sign: what a signed answer costs on one core, besides HTTP.
//
//   bench_sign KEY CERTIFICATE [ROUNDS [SIGNATURES]]        (PEM files of an OCSP responder)
//
// In turns, in processor time: the signature alone, made by OpenSSL's EVP interface over a ready
// digest with a context made once, which is the limit; pki::Signer::sign over 200 octets; and
// pki::ResponseWriter::write with one answer, a nonce and the certificate. Prints one JSON object
// of medians in microseconds.
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include "libpki/ocsp_response.hpp"

namespace bench {
namespace {

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "bench_sign: %s\n", what);
  std::exit(1);
}

std::string read(const char* path) {
  std::ifstream file(path, std::ios::binary);
  std::string content{std::istreambuf_iterator<char>(file), {}};
  if (content.empty()) fail(path);
  return content;
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
  for (int i = 0; i < count; ++i) work(i);
  return (processor_seconds() - start) * 1e6 / count;
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

// OpenSSL alone.
class EvpSigner {
 public:
  explicit EvpSigner(const std::string& pem) {
    const std::unique_ptr<BIO, decltype(&BIO_free)> bio(
        BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), &BIO_free);
    key_.reset(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
    context_.reset(key_ ? EVP_PKEY_CTX_new(key_.get(), nullptr) : nullptr);
    if (!context_ || EVP_PKEY_sign_init(context_.get()) <= 0 ||
        EVP_PKEY_CTX_set_signature_md(context_.get(), EVP_sha256()) <= 0) {
      fail("OpenSSL does not sign a SHA-256 digest with this key");
    }
  }
  void sign(int number) {
    digest_[0] = static_cast<unsigned char>(number);
    std::size_t size = signature_.size();
    if (EVP_PKEY_sign(context_.get(), signature_.data(), &size, digest_.data(), digest_.size()) <=
        0) {
      fail("OpenSSL failed to sign");
    }
  }

 private:
  std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key_{nullptr, &EVP_PKEY_free};
  std::unique_ptr<EVP_PKEY_CTX, decltype(&EVP_PKEY_CTX_free)> context_{nullptr, &EVP_PKEY_CTX_free};
  std::array<unsigned char, 32> digest_{};
  std::array<unsigned char, 1024> signature_{};
};

// The CertID of a SHA-1 request for serial 0132C4AB; the hashes do not matter here.
std::vector<std::uint8_t> cert_id() {
  return pki::from_hex(
      "303D300906052B0E03021A0500"
      "0414000102030405060708090A0B0C0D0E0F10111213"
      "0414101112131415161718191A1B1C1D1E1F20212223"
      "02040132C4AB");
}

int run(const char* key_path, const char* certificate_path, int rounds, int count) {
  const std::string pem = read(key_path);
  EvpSigner evp(pem);
  auto signer = pki::Signer::from_pem(pem);
  if (!signer) fail("libpki does not sign with this key");
  const auto der = pki::decode_pem(read(certificate_path), "CERTIFICATE");
  const auto certificate =
      der ? pki::parse_certificate(*der) : pki::Error{pki::Errc::bad_hash_length};
  if (!certificate) fail("the certificate is not to be read");

  const std::vector<std::uint8_t> id = cert_id();
  const pki::ResponderId responder = pki::ResponderId::by_key(*certificate);
  std::array<std::uint8_t, 18> nonce = {0x04, 0x10};  // an OCTET STRING of 16
  pki::SingleResponse single;
  single.cert_id = id;
  single.status = pki::CertStatus::good;
  single.this_update = certificate->not_before;
  single.next_update = certificate->not_after;
  const pki::Bytes certificate_bytes = *der;
  pki::ResponseContent content;
  content.responder_id = responder.der;
  content.produced_at = certificate->not_before;
  content.responses = {&single, 1};
  content.nonce = nonce;
  content.certificates = {&certificate_bytes, 1};
  pki::ResponseWriter writer;
  std::array<std::uint8_t, 200> data{};

  std::array<std::vector<double>, 3> took;
  for (int round = 0; round < rounds; ++round) {
    took[0].push_back(microseconds(count, [&](int i) { evp.sign(i); }));
    took[1].push_back(microseconds(count, [&](int i) {
      data[0] = static_cast<std::uint8_t>(i);
      if (!signer->sign(data)) fail("libpki failed to sign");
    }));
    took[2].push_back(microseconds(count, [&](int i) {
      nonce[2] = static_cast<std::uint8_t>(i);
      if (!writer.write(content, *signer)) fail("libpki failed to write a response");
    }));
  }
  std::printf("{\"evp_us\": %.3f, \"signer_us\": %.3f, \"response_us\": %.3f}\n", median(took[0]),
              median(took[1]), median(took[2]));
  return 0;
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  const int rounds = argc > 3 ? static_cast<int>(std::strtol(argv[3], nullptr, 10)) : 7;
  const int count = argc > 4 ? static_cast<int>(std::strtol(argv[4], nullptr, 10)) : 5000;
  if (argc < 3 || rounds < 1 || count < 1) {
    std::fputs("usage: bench_sign KEY CERTIFICATE [ROUNDS [SIGNATURES]]\n", stderr);
    return 2;
  }
  return bench::run(argv[1], argv[2], rounds, count);
}
