// fuzz_support.hpp: what the fuzz targets share: a check that aborts, and OpenSSL as the second
// opinion. Rule of all comparisons: where both accept an input, both must say the same of it;
// libpki may refuse what OpenSSL takes.
#pragma once

#include <openssl/asn1.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <optional>
#include <vector>

#include "libpki/asn1_time.hpp"
#include "libpki/bytes.hpp"

// Aborts, in every build, if a claim does not hold.
#define FUZZ_CHECK(claim)                                                               \
  do {                                                                                  \
    if (!(claim)) {                                                                     \
      std::fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, (#claim)); \
      std::abort();                                                                     \
    }                                                                                   \
  } while (false)

namespace fuzz {

template <auto Free>
struct Deleter {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};

using BitStringPointer = std::unique_ptr<ASN1_BIT_STRING, Deleter<ASN1_BIT_STRING_free>>;
using EnumeratedPointer = std::unique_ptr<ASN1_ENUMERATED, Deleter<ASN1_ENUMERATED_free>>;
using GeneralizedTimePointer =
    std::unique_ptr<ASN1_GENERALIZEDTIME, Deleter<ASN1_GENERALIZEDTIME_free>>;
using IntegerPointer = std::unique_ptr<ASN1_INTEGER, Deleter<ASN1_INTEGER_free>>;
using KeyIdPointer = std::unique_ptr<AUTHORITY_KEYID, Deleter<AUTHORITY_KEYID_free>>;
using ObjectPointer = std::unique_ptr<ASN1_OBJECT, Deleter<ASN1_OBJECT_free>>;
using OctetStringPointer = std::unique_ptr<ASN1_OCTET_STRING, Deleter<ASN1_OCTET_STRING_free>>;
using TimePointer = std::unique_ptr<ASN1_TIME, Deleter<ASN1_TIME_free>>;

// What goes around one input: OpenSSL's error queue does not grow from run to run.
struct Run {
  Run() = default;
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;
  ~Run() { ERR_clear_error(); }
};

// d2i over all of `der`; nullptr if OpenSSL refuses it or leaves bytes over.
template <class Pointer, class D2i>
Pointer decode(D2i d2i, pki::Bytes der) {
  const unsigned char* at = der.data();
  Pointer object(d2i(nullptr, &at, static_cast<long>(der.size())));
  if (object && at != der.data() + der.size()) object.reset();
  return object;
}

// The DER of an object, as OpenSSL writes it.
template <class Object, class I2d>
std::vector<std::uint8_t> encode(I2d i2d, const Object* object) {
  unsigned char* octets = nullptr;
  const int size = i2d(object, &octets);
  std::vector<std::uint8_t> out;
  if (size > 0) out.assign(octets, octets + size);
  OPENSSL_free(octets);
  return out;
}

inline pki::Bytes octets_of(const ASN1_STRING* string) {
  return {ASN1_STRING_get0_data(string), static_cast<std::size_t>(ASN1_STRING_length(string))};
}

// Is `content`, the octets of a DER INTEGER, the number that OpenSSL read?
inline bool same_integer(pki::Bytes content, const ASN1_INTEGER* integer) {
  pki::der::Writer ours;
  ours.primitive(pki::der::Tag::integer, content);
  return pki::equal(ours.bytes(), encode(i2d_ASN1_INTEGER, integer));
}

// The moment of a time as OpenSSL understands it; nothing if it does not.
inline std::optional<pki::Time> time_of(const ASN1_TIME* time) {
  std::tm broken_down{};
  if (time == nullptr || ASN1_TIME_to_tm(time, &broken_down) != 1) return std::nullopt;
  return pki::Time{std::chrono::seconds{timegm(&broken_down)}};
}

// OpenSSL's reading of a time may be wider than ours, but never another one.
inline bool same_time(pki::Time ours, const ASN1_TIME* theirs) {
  const auto time = time_of(theirs);
  return !time || *time == ours;
}

// Every refusal can be printed and points into the input, or right behind it.
template <class T>
void check_refusal(const pki::Result<T>& result, std::size_t input_bytes) {
  if (result) return;
  FUZZ_CHECK(!pki::to_string(result.error()).empty());
  FUZZ_CHECK(result.error().offset <= input_bytes);
}

}  // namespace fuzz
