#include "libpki/revocation.hpp"

#include <algorithm>
#include <cstdlib>

namespace pki {

int gravity(Reason reason) {
  switch (reason) {
    case Reason::key_compromise: return 9;
    case Reason::ca_compromise: return 8;
    case Reason::aa_compromise: return 7;
    case Reason::privilege_withdrawn: return 6;
    case Reason::cessation_of_operation: return 5;
    case Reason::superseded: return 4;
    case Reason::affiliation_changed: return 3;
    case Reason::unspecified: return 2;
    case Reason::absent: return 1;
    case Reason::certificate_hold: return 0;
    case Reason::remove_from_crl: return -1;  // in an overlay: another list may still have it
  }
  std::abort();
}

Revocation join(const Revocation& a, const Revocation& b) {
  return {std::min(a.date, b.date), gravity(b.reason) > gravity(a.reason) ? b.reason : a.reason};
}

}  // namespace pki
