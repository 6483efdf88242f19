// token_tool: libpki's consent tokens on the command line, for tests that hold them against JOSE
// implementations of others.
//
//   token_tool keygen                    a new P-256 key: PEM
//   token_tool jwk KEY.pem KID           its public JWK
//   token_tool sign KEY.pem KID          a token with fixed claims
//   token_tool verify KEY.pem KID NOW    reads a token from standard input; is it that platform's,
//                                        at second NOW? "accepted", or the code of the refusal
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>

#include "libpki/consent_token.hpp"

namespace {

std::string read_all(std::istream& input) {
  return {std::istreambuf_iterator<char>(input), {}};
}

pki::Signer load(const char* path) {
  std::ifstream file(path, std::ios::binary);
  auto signer = pki::Signer::from_pem(read_all(file));
  if (!signer) {
    std::fprintf(stderr, "token_tool: no private key in %s\n", path);
    std::exit(2);
  }
  return *std::move(signer);
}

pki::ConsentTokenClaims claims() {
  pki::ConsentTokenClaims claims;
  claims.issuer = "https://api.example.jp";
  claims.audience = "https://api.example.jp/v1/attributes";
  claims.subject = "sub_x";
  claims.client_id = "inst_x";
  claims.token_id = "tok_x";
  claims.issued_at = claims.not_before = pki::Time{std::chrono::seconds{1795230767}};
  claims.expires_at = pki::Time{std::chrono::seconds{1822348800}};
  claims.consent_id = "cns_x";
  claims.consent_version = 1;
  claims.scope = "attr:name attr:address";
  claims.certificate_thumbprint = pki::thumbprint_of(pki::as_bytes("certificate"));
  return claims;
}

template <class T>
int print(const pki::Result<T>& text) {
  if (!text) {
    std::puts(std::string(pki::name(text.error().code)).c_str());
    return 1;
  }
  std::puts(text->c_str());
  return 0;
}

int verify(const char* key_path, std::string_view key_id, const char* now) {
  const pki::PublicKey key = load(key_path).public_key();
  const pki::ConsentTokenClaims expected = claims();
  const auto find = [&](std::string_view id) { return id == key_id ? &key : nullptr; };
  const pki::ConsentTokenExpectation expectation{
      expected.issuer, expected.audience, expected.client_id, expected.certificate_thumbprint,
      pki::Time{std::chrono::seconds{std::strtoll(now, nullptr, 10)}}};
  const auto verified = pki::verify_consent_token(read_all(std::cin), find, expectation);
  return print(verified ? pki::Result<std::string>("accepted") : verified.error());
}

}  // namespace

int main(int argc, char** argv) {
  const std::string command = argc > 1 ? argv[1] : "";
  if (command == "keygen" && argc == 2) {
    std::fputs(pki::Signer::generate_p256().to_pem().c_str(), stdout);
    return 0;
  }
  if (command == "jwk" && argc == 4) {
    return print(pki::public_jwk(load(argv[2]).public_key(), argv[3]));
  }
  if (command == "sign" && argc == 4) {
    pki::Signer signer = load(argv[2]);
    return print(pki::encode_consent_token(claims(), argv[3], signer));
  }
  if (command == "verify" && argc == 5) return verify(argv[2], argv[3], argv[4]);
  std::fputs("usage: token_tool keygen | jwk KEY KID | sign KEY KID | verify KEY KID NOW\n",
             stderr);
  return 2;
}
