// fuzz_time.cpp: parse_utc_time and parse_generalized_time against OpenSSL's strict reading.
//
// ASN1_TIME_set_string_X509 knows only the forms that RFC 5280 allows, as we do: the two must
// accept the same texts and mean the same moment.
#include <string>

#include "fuzz_support.hpp"

namespace {

using pki::Bytes;
using pki::Time;

// The moment that OpenSSL reads in `text`, strictly.
std::optional<Time> strict_time(Bytes text) {
  const std::string terminated(text.begin(), text.end());
  if (terminated.find('\0') != std::string::npos) return std::nullopt;
  const fuzz::TimePointer time(ASN1_TIME_new());
  FUZZ_CHECK(time != nullptr);
  if (ASN1_TIME_set_string_X509(time.get(), terminated.c_str()) != 1) return std::nullopt;
  return fuzz::time_of(time.get());
}

// The moment that OpenSSL reads in an element, with all the forms that it knows.
std::optional<Time> loose_time(pki::der::Tag tag, Bytes text) {
  pki::der::Writer writer;
  writer.primitive(tag, text);
  const auto time = fuzz::decode<fuzz::TimePointer>(d2i_ASN1_TIME, writer.bytes());
  return fuzz::time_of(time.get());
}

void check_round_trip(Time time) {
  pki::der::Writer writer;
  pki::write_generalized_time(writer, time);
  pki::der::Reader reader(writer.bytes());
  const auto again = pki::read_generalized_time(reader, "time");
  FUZZ_CHECK(again && *again == time && reader.empty());
  FUZZ_CHECK(pki::to_string(time).size() == 20);
}

void check_element(pki::der::Tag tag, Bytes text, std::optional<Time> expected) {
  pki::der::Writer writer;
  writer.primitive(tag, text);
  pki::der::Reader any_year(writer.bytes());
  const auto time = pki::read_time(any_year, "time");
  FUZZ_CHECK(time.has_value() == expected.has_value());
  if (time) FUZZ_CHECK(*time == *expected);

  pki::der::Reader pkix(writer.bytes());
  const auto pkix_time = pki::read_pkix_time(pkix, "time");
  if (!pkix_time) return;
  FUZZ_CHECK(expected && *pkix_time == *expected);
  const bool from_2050 = *pkix_time >= std::chrono::sys_days{std::chrono::year{2050} / 1 / 1};
  FUZZ_CHECK(from_2050 == (tag == pki::der::Tag::generalized_time));
}

void check(pki::der::Tag tag, Bytes text) {
  const bool is_utc = tag == pki::der::Tag::utc_time;
  Time time;
  const bool ours = text.size() == (is_utc ? 13U : 15U) &&
                    (is_utc ? pki::parse_utc_time(text.data(), time)
                            : pki::parse_generalized_time(text.data(), time));
  check_element(tag, text, ours ? std::optional{time} : std::nullopt);
  if (ours) {
    FUZZ_CHECK(loose_time(tag, text) == time);
    check_round_trip(time);
  }
  if (text.size() == (is_utc ? 13U : 15U)) {
    const auto theirs = strict_time(text);
    FUZZ_CHECK(theirs.has_value() == ours);
    if (ours) FUZZ_CHECK(*theirs == time);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::Run run;
  const Bytes text(data, size);
  check(pki::der::Tag::utc_time, text);
  check(pki::der::Tag::generalized_time, text);
  if (size > 13) check(pki::der::Tag::utc_time, text.first(13));
  if (size > 15) check(pki::der::Tag::generalized_time, text.first(15));
  return 0;
}
