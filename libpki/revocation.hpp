// revocation.hpp: what a list says of a serial, and which of two such words counts.
#pragma once

#include "libpki/crl.hpp"

namespace pki {

// What a list says of a revoked or held serial.
struct Revocation {
  Time date;
  Reason reason = Reason::absent;

  friend bool operator==(const Revocation&, const Revocation&) = default;
};

// How grave a reason is, for serials that are listed twice. A hold can be lifted; nothing else can.
[[nodiscard]] int gravity(Reason reason);

// What counts where a serial is listed twice: the earliest of the dates, the gravest of the
// reasons.
[[nodiscard]] Revocation join(const Revocation& a, const Revocation& b);

}  // namespace pki
