// fuzz_ocsp_response.cpp: parse_response against OpenSSL's d2i_OCSP_RESPONSE; and ResponseWriter,
// whose answers, made of the input's bytes, must parse back to what went in.
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <string>

#include "fuzz_support.hpp"
#include "libpki/ocsp_response.hpp"
#include "libpki/oid.hpp"
#include "libpki/serial.hpp"

namespace {

using pki::Bytes;
using pki::CertStatus;
using pki::OcspResponse;
using pki::Reason;
using pki::Time;
using pki::der::Writer;
using Octets = std::vector<std::uint8_t>;
using BasicPointer = std::unique_ptr<OCSP_BASICRESP, fuzz::Deleter<OCSP_BASICRESP_free>>;
using ResponsePointer = std::unique_ptr<OCSP_RESPONSE, fuzz::Deleter<OCSP_RESPONSE_free>>;

// --- reading, compared with OpenSSL ---

int openssl_status(CertStatus status) {
  switch (status) {
    case CertStatus::good: return V_OCSP_CERTSTATUS_GOOD;
    case CertStatus::revoked: return V_OCSP_CERTSTATUS_REVOKED;
    case CertStatus::unknown: return V_OCSP_CERTSTATUS_UNKNOWN;
  }
  std::abort();
}

void check_single(const OcspResponse::Single& ours, OCSP_SINGLERESP* theirs) {
  int reason = 0;
  ASN1_GENERALIZEDTIME* revoked_at = nullptr;
  ASN1_GENERALIZEDTIME* this_update = nullptr;
  ASN1_GENERALIZEDTIME* next_update = nullptr;
  const int status =
      OCSP_single_get0_status(theirs, &reason, &revoked_at, &this_update, &next_update);
  FUZZ_CHECK(status == openssl_status(ours.status));
  FUZZ_CHECK(fuzz::same_time(ours.this_update, this_update));
  FUZZ_CHECK(ours.next_update.has_value() == (next_update != nullptr));
  if (ours.next_update) FUZZ_CHECK(fuzz::same_time(*ours.next_update, next_update));
  if (ours.status == CertStatus::revoked) {
    FUZZ_CHECK(fuzz::same_time(ours.revocation.date, revoked_at));
    FUZZ_CHECK(reason == (ours.revocation.reason == Reason::absent
                              ? OCSP_REVOKED_STATUS_NOSTATUS
                              : static_cast<int>(ours.revocation.reason)));
  }
  ASN1_INTEGER* serial = nullptr;
  auto* id = const_cast<OCSP_CERTID*>(OCSP_SINGLERESP_get0_id(theirs));
  FUZZ_CHECK(OCSP_id_get0_info(nullptr, nullptr, nullptr, &serial, id) == 1);
  FUZZ_CHECK(fuzz::same_integer(ours.serial, serial));
}

void check_responder(const OcspResponse& ours, const OCSP_BASICRESP* theirs) {
  const ASN1_OCTET_STRING* key_hash = nullptr;
  const X509_NAME* name = nullptr;
  FUZZ_CHECK(OCSP_resp_get0_id(theirs, &key_hash, &name) == 1);
  if (key_hash != nullptr) {
    FUZZ_CHECK(pki::equal(ours.responder_key_hash, fuzz::octets_of(key_hash)));
    FUZZ_CHECK(ours.responder_name.empty());
  } else {
    FUZZ_CHECK(pki::equal(ours.responder_name, fuzz::encode(i2d_X509_NAME, name)));
    FUZZ_CHECK(ours.responder_key_hash.empty());
  }
}

void check_basic(const OcspResponse& ours, OCSP_BASICRESP* theirs) {
  const int count = OCSP_resp_count(theirs);
  FUZZ_CHECK(static_cast<std::size_t>(count) == ours.singles.size());
  for (int i = 0; i < count; ++i) {
    check_single(ours.singles[static_cast<std::size_t>(i)], OCSP_resp_get0(theirs, i));
  }
  check_responder(ours, theirs);
  FUZZ_CHECK(fuzz::same_time(ours.produced_at, OCSP_resp_get0_produced_at(theirs)));
  FUZZ_CHECK(pki::equal(ours.signature, fuzz::octets_of(OCSP_resp_get0_signature(theirs))));
  const STACK_OF(X509)* const certificates = OCSP_resp_get0_certs(theirs);
  const int certificate_count = certificates == nullptr ? 0 : sk_X509_num(certificates);
  FUZZ_CHECK(static_cast<std::size_t>(certificate_count) == ours.certificates.size());

  const int nonce_at = OCSP_BASICRESP_get_ext_by_NID(theirs, NID_id_pkix_OCSP_Nonce, -1);
  FUZZ_CHECK(ours.nonce.has_value() == (nonce_at >= 0));
  if (ours.nonce) {
    const ASN1_OCTET_STRING* value =
        X509_EXTENSION_get_data(OCSP_BASICRESP_get_ext(theirs, nonce_at));
    FUZZ_CHECK(pki::equal(*ours.nonce, fuzz::octets_of(value)));
  }
}

// Reads `input`; what OpenSSL accepts too, it must read in the same way.
pki::Result<OcspResponse> parse(Bytes input) {
  auto ours = pki::parse_response(input);
  fuzz::check_refusal(ours, input.size());
  if (!ours) return ours;
  FUZZ_CHECK(!pki::to_string(ours->status).empty());
  const auto theirs = fuzz::decode<ResponsePointer>(d2i_OCSP_RESPONSE, input);
  if (!theirs) return ours;
  FUZZ_CHECK(OCSP_response_status(theirs.get()) == static_cast<int>(ours->status));
  if (ours->status != pki::ResponseStatus::successful) return ours;
  const BasicPointer basic(OCSP_response_get1_basic(theirs.get()));
  if (basic) check_basic(*ours, basic.get());
  return ours;
}

// --- writing, and back ---

// Hands out the input piece by piece; zeros when it is used up.
class Source {
 public:
  explicit Source(Bytes input) : rest_(input) {}

  std::uint8_t octet() {
    if (rest_.empty()) return 0;
    const std::uint8_t value = rest_[0];
    rest_ = rest_.subspan(1);
    return value;
  }
  std::uint64_t number(std::size_t octets) {
    std::uint64_t value = 0;
    while (octets-- > 0) value = value << 8 | octet();
    return value;
  }
  Octets octets(std::size_t count) {
    Octets out(count);
    for (std::uint8_t& one : out) one = octet();
    return out;
  }
  // From the year 0 to 9999, which is what GeneralizedTime holds.
  Time time() {
    using std::chrono::year;
    constexpr Time kFirst = std::chrono::sys_days{year{0} / 1 / 1};
    constexpr Time kEnd = std::chrono::sys_days{year{10000} / 1 / 1};
    const auto span = static_cast<std::uint64_t>((kEnd - kFirst).count());
    return kFirst + std::chrono::seconds{number(5) % span};
  }

 private:
  Bytes rest_;
};

// A CertID as a client might send it.
Octets make_cert_id(Source& source, Octets& out_serial) {
  constexpr std::array<Bytes, 4> kDigests = {pki::oid::sha1, pki::oid::sha256, pki::oid::sha384,
                                             pki::oid::sha512};
  constexpr std::array<std::size_t, 4> kSizes = {20, 32, 48, 64};
  const std::size_t digest = source.octet() % 4;
  const bool has_null = source.octet() % 2 == 0;
  const std::size_t serial_size = 1 + source.octet() % pki::kSerialOctetsMax;
  Writer writer;
  writer.sequence([&] {
    writer.sequence([&] {
      writer.oid(kDigests[digest]);
      if (has_null) writer.null();
    });
    writer.octet_string(source.octets(kSizes[digest]));
    writer.octet_string(source.octets(kSizes[digest]));
    const std::size_t before = writer.bytes().size();
    writer.unsigned_integer(source.octets(serial_size));
    pki::der::Reader reader(writer.bytes().subspan(before));
    const auto serial = pki::read_serial(reader, "serial");
    FUZZ_CHECK(serial.has_value());
    out_serial = pki::to_vector(*serial);
  });
  return writer.take();
}

struct Answer {
  Octets cert_id;
  Octets serial;
  pki::SingleResponse response;
};

Answer make_answer(Source& source) {
  constexpr std::array kReasons = {Reason::unspecified,         Reason::key_compromise,
                                   Reason::ca_compromise,       Reason::superseded,
                                   Reason::affiliation_changed, Reason::cessation_of_operation,
                                   Reason::certificate_hold,    Reason::privilege_withdrawn,
                                   Reason::aa_compromise,       Reason::absent};
  Answer answer;
  answer.cert_id = make_cert_id(source, answer.serial);
  answer.response.cert_id = answer.cert_id;
  answer.response.status = static_cast<CertStatus>(source.octet() % 3);
  answer.response.revocation = {source.time(), kReasons[source.octet() % kReasons.size()]};
  answer.response.this_update = source.time();
  answer.response.next_update = source.time();
  return answer;
}

// A signer with a key of its own: Ed25519 signs the same in the same way each time.
pki::Signer make_signer(EVP_PKEY* key) {
  const std::unique_ptr<BIO, fuzz::Deleter<BIO_free_all>> bio(BIO_new(BIO_s_mem()));
  FUZZ_CHECK(PEM_write_bio_PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) == 1);
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  auto signer = pki::Signer::from_pem({text, static_cast<std::size_t>(size)});
  FUZZ_CHECK(signer.has_value());
  return *std::move(signer);
}

struct Keys {
  Keys() {
    constexpr std::array<std::uint8_t, 32> kSeed = {1, 2, 3};
    const std::unique_ptr<EVP_PKEY, fuzz::Deleter<EVP_PKEY_free>> key(
        EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, kSeed.data(), kSeed.size()));
    FUZZ_CHECK(key != nullptr);
    signer.emplace(make_signer(key.get()));
    auto parsed = pki::PublicKey::parse(fuzz::encode(i2d_PUBKEY, key.get()));
    FUZZ_CHECK(parsed.has_value());
    public_key.emplace(*std::move(parsed));
  }
  std::optional<pki::Signer> signer;
  std::optional<pki::PublicKey> public_key;
};

void check_answer(const OcspResponse::Single& read, const Answer& written) {
  FUZZ_CHECK(pki::equal(read.cert_id, written.cert_id));
  FUZZ_CHECK(pki::equal(read.serial, written.serial));
  FUZZ_CHECK(read.status == written.response.status);
  if (read.status == CertStatus::revoked) {
    FUZZ_CHECK(read.revocation == written.response.revocation);
  }
  FUZZ_CHECK(read.this_update == written.response.this_update);
  FUZZ_CHECK(read.next_update == written.response.next_update);
}

// The ResponderID, and what a reader must find in it.
struct Responder {
  Octets id;
  Octets key_hash;
  Octets name;
};

Responder make_responder(Source& source) {
  Responder out;
  Writer writer;
  if (source.octet() % 2 == 0) {
    out.key_hash = source.octets(20);
    writer.constructed(pki::der::context_constructed(2),
                       [&] { writer.octet_string(out.key_hash); });
  } else {
    Writer name;
    name.sequence([] {});  // the empty Name
    out.name = name.take();
    writer.constructed(pki::der::context_constructed(1), [&] { writer.raw(out.name); });
  }
  out.id = writer.take();
  return out;
}

void check_round_trip(Bytes input) {
  static Keys keys;
  static pki::ResponseWriter response_writer;  // kept from run to run, as a server's worker does
  Source source(input);
  const Responder responder = make_responder(source);
  std::vector<Answer> answers(1 + source.octet() % 4);
  for (Answer& answer : answers) answer = make_answer(source);
  std::vector<pki::SingleResponse> responses;
  for (const Answer& answer : answers) {
    responses.push_back(answer.response);
    responses.back().cert_id = answer.cert_id;
  }
  pki::ResponseContent content{};
  content.responder_id = responder.id;
  content.produced_at = source.time();
  content.responses = responses;
  const bool is_extended = source.octet() % 2 == 1;
  content.extended_revoke = is_extended ? pki::ExtendedRevoke::include : pki::ExtendedRevoke::omit;
  const Octets nonce = source.octets(source.octet() % 132);
  if (!nonce.empty()) content.nonce = Bytes(nonce);

  const auto written = response_writer.write(content, *keys.signer);
  FUZZ_CHECK(written.has_value());
  const auto read = parse(*written);
  FUZZ_CHECK(read.has_value() && read->status == pki::ResponseStatus::successful);
  FUZZ_CHECK(read->produced_at == content.produced_at);
  FUZZ_CHECK(pki::equal(read->responder_key_hash, responder.key_hash));
  FUZZ_CHECK(pki::equal(read->responder_name, responder.name));
  FUZZ_CHECK(read->extended_revoke == is_extended);
  FUZZ_CHECK(read->nonce.has_value() == content.nonce.has_value());
  if (read->nonce) FUZZ_CHECK(pki::equal(*read->nonce, nonce));
  FUZZ_CHECK(read->singles.size() == answers.size());
  for (std::size_t i = 0; i < answers.size(); ++i) check_answer(read->singles[i], answers[i]);
  FUZZ_CHECK(pki::verify_signature(*read->algorithm, *keys.public_key, read->response_data,
                                   read->signature)
                 .has_value());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::Run run;
  const Bytes input(data, size);
  static_cast<void>(parse(input));
  check_round_trip(input);
  return 0;
}
