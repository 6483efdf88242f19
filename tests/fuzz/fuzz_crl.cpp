// fuzz_crl.cpp: parse_crl and every entry to the last, against OpenSSL's d2i_X509_CRL; then an
// index of those entries against a linear scan.
#include "fuzz_index_support.hpp"
#include "libpki/crl.hpp"

namespace {

using pki::Bytes;
using pki::Crl;
using pki::CrlEntry;
using pki::Reason;
using CrlPointer = std::unique_ptr<X509_CRL, fuzz::Deleter<X509_CRL_free>>;

bool same(const CrlEntry& a, const CrlEntry& b) {
  return pki::equal(a.serial, b.serial) && a.revocation_date == b.revocation_date &&
         a.reason == b.reason && a.invalidity_date == b.invalidity_date;
}

// The fast way takes nothing that the general way would not read in the same way.
void check_fast_path(const std::uint8_t* start, Bytes rest, pki::CrlKind kind) {
  CrlEntry fast;
  const std::size_t taken = pki::read_usual_entry(rest, fast);
  if (taken == 0) return;
  pki::der::Reader reader(start, rest);
  const auto general = pki::read_entry(reader, kind);
  FUZZ_CHECK(general.has_value() && same(*general, fast));
  FUZZ_CHECK(rest.size() - reader.rest().size() == taken);
}

// All entries; nothing if one of them is refused.
std::optional<std::vector<CrlEntry>> read_entries(const Crl& crl) {
  std::vector<CrlEntry> entries;
  const auto count = pki::for_each_entry(crl, [&](const CrlEntry& entry) {
    const std::size_t at = static_cast<std::size_t>(entry.serial.data() - crl.entries.data());
    FUZZ_CHECK(at < crl.entries.size());
    entries.push_back(entry);
  });
  fuzz::check_refusal(count, crl.der.size());
  for (pki::der::Reader reader(crl.entries); !reader.empty();) {
    check_fast_path(crl.entries.data(), reader.rest(), crl.kind());
    if (!reader.any("entry")) break;
  }
  if (!count) return std::nullopt;
  FUZZ_CHECK(*count == entries.size());
  return entries;
}

void check_entry(const CrlEntry& ours, X509_REVOKED* theirs) {
  FUZZ_CHECK(fuzz::same_integer(ours.serial, X509_REVOKED_get0_serialNumber(theirs)));
  FUZZ_CHECK(fuzz::same_time(ours.revocation_date, X509_REVOKED_get0_revocationDate(theirs)));

  int found = 0;
  const fuzz::EnumeratedPointer reason(static_cast<ASN1_ENUMERATED*>(
      X509_REVOKED_get_ext_d2i(theirs, NID_crl_reason, &found, nullptr)));
  FUZZ_CHECK((found == -1) == (ours.reason == Reason::absent));
  if (reason) FUZZ_CHECK(ASN1_ENUMERATED_get(reason.get()) == static_cast<long>(ours.reason));

  const fuzz::GeneralizedTimePointer invalid_from(static_cast<ASN1_GENERALIZEDTIME*>(
      X509_REVOKED_get_ext_d2i(theirs, NID_invalidity_date, &found, nullptr)));
  FUZZ_CHECK((found == -1) == !ours.invalidity_date);
  if (invalid_from) FUZZ_CHECK(fuzz::same_time(*ours.invalidity_date, invalid_from.get()));
}

void check_entries(const std::vector<CrlEntry>& ours, X509_CRL* theirs) {
  const STACK_OF(X509_REVOKED)* const revoked = X509_CRL_get_REVOKED(theirs);
  const int count = revoked == nullptr ? 0 : sk_X509_REVOKED_num(revoked);
  FUZZ_CHECK(static_cast<std::size_t>(count) == ours.size());
  for (int i = 0; i < count; ++i) {
    check_entry(ours[static_cast<std::size_t>(i)], sk_X509_REVOKED_value(revoked, i));
  }
}

// The 160 bits of a CRL number, against OpenSSL's.
void check_number(const pki::CrlNumber& ours, const ASN1_INTEGER* theirs) {
  const std::unique_ptr<BIGNUM, fuzz::Deleter<BN_free>> value(ASN1_INTEGER_to_BN(theirs, nullptr));
  std::array<std::uint8_t, 20> octets{};
  FUZZ_CHECK(BN_is_negative(value.get()) == 0);
  FUZZ_CHECK(BN_bn2binpad(value.get(), octets.data(), octets.size()) == octets.size());
  FUZZ_CHECK(pki::equal(ours.octets(), octets));
  char* const decimal = BN_bn2dec(value.get());
  FUZZ_CHECK(ours.to_string() == decimal);
  OPENSSL_free(decimal);
}

void check_scope(const pki::CrlScope& ours, const X509_CRL* theirs) {
  FUZZ_CHECK(!to_string(ours).empty());
  int found = 0;
  const std::unique_ptr<ISSUING_DIST_POINT, fuzz::Deleter<ISSUING_DIST_POINT_free>> point(
      static_cast<ISSUING_DIST_POINT*>(
          X509_CRL_get_ext_d2i(theirs, NID_issuing_distribution_point, &found, nullptr)));
  FUZZ_CHECK((found == -1) == ours.der.empty());
  FUZZ_CHECK((ours.id() == pki::ScopeId{}) == ours.der.empty());
  if (!point) return;
  FUZZ_CHECK((point->distpoint != nullptr) == !ours.distribution_point.empty());
  FUZZ_CHECK((point->onlyuser > 0) == ours.only_user_certificates);
  FUZZ_CHECK((point->onlyCA > 0) == ours.only_ca_certificates);
  FUZZ_CHECK(point->onlyattr <= 0 && point->indirectCRL <= 0 && point->onlysomereasons == nullptr);
}

void check_list(const Crl& ours, const X509_CRL* theirs) {
  FUZZ_CHECK(X509_CRL_get_version(theirs) == X509_CRL_VERSION_2);
  FUZZ_CHECK(pki::equal(ours.issuer, fuzz::encode(i2d_X509_NAME, X509_CRL_get_issuer(theirs))));
  FUZZ_CHECK(fuzz::same_time(ours.this_update, X509_CRL_get0_lastUpdate(theirs)));
  FUZZ_CHECK(fuzz::same_time(ours.next_update, X509_CRL_get0_nextUpdate(theirs)));

  const ASN1_BIT_STRING* signature = nullptr;
  const X509_ALGOR* algorithm = nullptr;
  X509_CRL_get0_signature(theirs, &signature, &algorithm);
  FUZZ_CHECK(pki::equal(ours.signature, fuzz::octets_of(signature)));

  const fuzz::IntegerPointer number(
      static_cast<ASN1_INTEGER*>(X509_CRL_get_ext_d2i(theirs, NID_crl_number, nullptr, nullptr)));
  FUZZ_CHECK(number != nullptr);
  check_number(ours.number, number.get());

  int found = 0;
  const fuzz::IntegerPointer base(
      static_cast<ASN1_INTEGER*>(X509_CRL_get_ext_d2i(theirs, NID_delta_crl, &found, nullptr)));
  FUZZ_CHECK((found == -1) == !ours.base);
  if (base) check_number(*ours.base, base.get());
  FUZZ_CHECK(!ours.base || *ours.base < ours.number);
  check_scope(ours.scope, theirs);

  const fuzz::KeyIdPointer key(static_cast<AUTHORITY_KEYID*>(
      X509_CRL_get_ext_d2i(theirs, NID_authority_key_identifier, &found, nullptr)));
  if (found == -1) FUZZ_CHECK(ours.authority_key_id.empty());
  if (key) {
    const Bytes key_id = key->keyid == nullptr ? Bytes{} : fuzz::octets_of(key->keyid);
    FUZZ_CHECK(pki::equal(ours.authority_key_id, key_id));
  }
}

void check_index(const Crl& crl, const std::vector<CrlEntry>& entries) {
  pki::IndexDescription description;
  description.generation = 1;
  description.lists.push_back({crl.number,
                               crl.this_update,
                               crl.next_update,
                               entries.size(),
                               {},
                               crl.scope.id(),
                               crl.base,
                               crl.expired_certificates_since});
  if (crl.base) description.base = pki::BaseReference{};  // removals are for overlays
  const fuzz::WrittenIndex written(description, [&](pki::IndexWriter& writer) {
    for (const CrlEntry& entry : entries) writer.add(entry);
  });
  std::vector<fuzz::Added> added;
  for (const CrlEntry& entry : entries) added.push_back({entry});
  const fuzz::Table table = fuzz::scan(added).table;
  fuzz::check_lookups(*written.index, table);
  FUZZ_CHECK(written.outcome.duplicate_count == entries.size() - table.size());
  FUZZ_CHECK(written.index->this_update() == crl.this_update);
  FUZZ_CHECK(written.index->next_update() == crl.next_update);
  FUZZ_CHECK(written.index->lists() == description.lists);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::Run run;
  const Bytes input(data, size);
  check_fast_path(data, input, pki::CrlKind::complete);
  const auto crl = pki::parse_crl(input);
  fuzz::check_refusal(crl, size);
  if (!crl) return 0;
  FUZZ_CHECK(pki::equal(crl->der, input) && crl->this_update < crl->next_update);
  const auto theirs = fuzz::decode<CrlPointer>(d2i_X509_CRL, input);
  if (theirs) check_list(*crl, theirs.get());
  const auto entries = read_entries(*crl);
  if (!entries) return 0;
  if (theirs) check_entries(*entries, theirs.get());
  check_index(*crl, *entries);
  return 0;
}
