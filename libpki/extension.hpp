// extension.hpp: the Extensions of certificates, CRLs, CRL entries and OCSP messages: one reader.
#pragma once

#include <cstdint>

#include "libpki/der.hpp"

namespace pki {

// Extension ::= SEQUENCE { extnID OBJECT IDENTIFIER, critical BOOLEAN DEFAULT FALSE,
//                          extnValue OCTET STRING }                          (RFC 5280 4.1)
struct Extension {
  Bytes id;  // content of the OID
  bool critical;
  der::Reader value;  // what is inside the OCTET STRING
  std::uint64_t offset;

  [[nodiscard]] bool is(Bytes oid) const { return equal(id, oid); }
  [[nodiscard]] Error error(Errc code, const char* field) const { return {code, offset, field}; }
};

// The next of a list of extensions. An explicit "critical FALSE" is default_encoded.
// Errors: those of Reader::read, bad_oid, bad_boolean, default_encoded, trailing_data.
[[nodiscard]] Result<Extension> read_extension(der::Reader& list, const char* field);

// Seen remembers which of up to 32 known extensions occurred. Unknown ones are not counted: they
// are ignored if they are not critical, and refused once if they are.
class Seen {
 public:
  // Error: duplicate_extension, if `number` was marked before.
  [[nodiscard]] Result<void> mark(unsigned number, const Extension& extension, const char* field) {
    const std::uint32_t bit = 1U << number;
    if ((bits_ & bit) != 0) return extension.error(Errc::duplicate_extension, field);
    bits_ |= bit;
    return {};
  }

 private:
  std::uint32_t bits_ = 0;
};

}  // namespace pki
