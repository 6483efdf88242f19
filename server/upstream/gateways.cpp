#include "server/upstream/gateways.hpp"

namespace server {

std::string_view to_string(AuthorityRefusal refusal) {
  switch (refusal) {
    case AuthorityRefusal::certificate_not_valid: return "certificate_not_valid";
    case AuthorityRefusal::not_found: return "not_found";
    case AuthorityRefusal::consent_missing: return "consent_missing";
    case AuthorityRefusal::consent_withdrawn: return "consent_withdrawn";
    case AuthorityRefusal::consent_expired: return "consent_expired";
    case AuthorityRefusal::item_not_consented: return "item_not_consented";
  }
  return "";
}

std::string_view to_string(AuthorityTrouble trouble) {
  switch (trouble) {
    case AuthorityTrouble::unreachable: return "unreachable";
    case AuthorityTrouble::untrusted: return "untrusted";
    case AuthorityTrouble::timeout: return "timeout";
    case AuthorityTrouble::closed: return "closed";
    case AuthorityTrouble::bad_status: return "bad_status";
    case AuthorityTrouble::bad_answer: return "bad_answer";
    case AuthorityTrouble::rejected: return "rejected";
    case AuthorityTrouble::circuit_open: return "circuit_open";
    case AuthorityTrouble::overloaded: return "overloaded";
    case AuthorityTrouble::shutting_down: return "shutting_down";
  }
  return "";
}

}  // namespace server
