// ids.hpp: names of things that leave this program: a prefix, and 128 random bits that can't be
// guessed and tell nothing (no time, no count).
#pragma once

#include <string>
#include <string_view>

namespace server {

// Their prefixes; openapi.json has those that clients see.
inline constexpr std::string_view kInstitutionId = "inst_";
inline constexpr std::string_view kSubjectId = "sub_";
inline constexpr std::string_view kConsentId = "cns_";
inline constexpr std::string_view kTokenId = "tok_";
inline constexpr std::string_view kChangeId = "chg_";
inline constexpr std::string_view kDisclosureId = "dsc_";
inline constexpr std::string_view kCertificateId = "crt_";

// "cns_" and 26 characters of lower-case base32 (RFC 4648 section 6, without padding). Cost: one
// system call. Throws std::system_error if the system has no randomness.
[[nodiscard]] std::string make_id(std::string_view prefix);

// Has `text` the form of such a name? Says nothing of whether it exists.
[[nodiscard]] bool is_id(std::string_view text, std::string_view prefix);

}  // namespace server
