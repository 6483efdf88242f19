// crl_builder.hpp: CRLs put together by hand, right ones and wrong ones, signed by OpenSSL if
// asked.
#pragma once

#include "tests/support/der_builder.hpp"
#include "tests/support/openssl.hpp"

namespace test {

inline constexpr std::string_view kEcdsaSha256 = "1.2.840.10045.4.3.2";

// TBSCertList and what surrounds it; each field is complete DER, and empty means left out.
struct CrlParts {
  Octets version = integer(1);
  Octets inner_algorithm = algorithm(kEcdsaSha256);
  Octets issuer = name("Test CA");
  Octets this_update = utc_time("260201000000Z");
  Octets next_update = utc_time("260208000000Z");
  Octets revoked;                                                           // revokedCertificates
  Octets extensions = extensions_of({extension("2.5.29.20", integer(5))});  // crlExtensions [0]
  Octets outer_algorithm = algorithm(kEcdsaSha256);
  Octets signature = bit_string(Octets{0x30, 0x00});

  static Octets extensions_of(std::initializer_list<Octets> list) {
    return tlv(0xA0, {sequence(list)});
  }
  // The list with these entries.
  [[nodiscard]] CrlParts with_entries(std::initializer_list<Octets> entries) const {
    CrlParts copy = *this;
    copy.revoked = sequence(entries);
    return copy;
  }

  [[nodiscard]] Octets tbs() const {
    return sequence(
        {version, inner_algorithm, issuer, this_update, next_update, revoked, extensions});
  }
  [[nodiscard]] Octets build() const { return sequence({tbs(), outer_algorithm, signature}); }
  [[nodiscard]] Octets build_signed(EVP_PKEY* key) const {
    return sequence({tbs(), outer_algorithm, bit_string(sign(key, tbs()))});
  }
};

// One entry: serial content octets, date, and crlEntryExtensions if there are any.
inline Octets crl_entry(const Octets& serial, const Octets& date) {
  return sequence({integer_of(serial), date});
}
inline Octets crl_entry(const Octets& serial, const Octets& date,
                        std::initializer_list<Octets> extensions) {
  return sequence({integer_of(serial), date, sequence(extensions)});
}

inline Octets reason_code(unsigned code) {
  return extension("2.5.29.21", enumerated(code));
}

}  // namespace test
