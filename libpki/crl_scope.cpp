#include "libpki/crl_scope.hpp"

#include <algorithm>

#include "libpki/crypto.hpp"
#include "libpki/x509.hpp"

namespace pki {
namespace {

using der::Element;
using der::Reader;
using der::Tag;

constexpr const char* kField = "issuingDistributionPoint";

// A flag [number] BOOLEAN DEFAULT FALSE: there is only one way to say false, to say nothing.
Result<bool> read_flag(Reader& point, std::uint8_t number) {
  PKI_TRY_ASSIGN(const auto flag, point.read_optional(der::context(number), kField));
  if (!flag) return false;
  PKI_TRY_ASSIGN(const bool value, der::boolean(point, *flag, kField));
  if (!value) return point.error_at(*flag, Errc::default_encoded, kField);
  return true;
}

}  // namespace

Result<CrlScope> read_scope(const Extension& extension) {
  CrlScope out;
  Reader value = extension.value;
  PKI_TRY_ASSIGN(const Element whole, value.read(Tag::sequence, kField));
  PKI_TRY(value.finish(kField));
  out.der = whole.whole;
  Reader point(value, whole);
  if (point.empty()) return point.error(Errc::empty_sequence, kField);
  PKI_TRY_ASSIGN(const auto name, point.read_optional(der::context_constructed(0), kField));
  if (name) {
    if (name->content.empty()) return point.error_at(*name, Errc::empty_sequence, kField);
    out.distribution_point = name->content;
  }
  PKI_TRY_ASSIGN(out.only_user_certificates, read_flag(point, 1));
  PKI_TRY_ASSIGN(out.only_ca_certificates, read_flag(point, 2));
  PKI_TRY_ASSIGN(const auto reasons, point.read_optional(der::context(3), kField));
  PKI_TRY_ASSIGN(const bool indirect, read_flag(point, 4));
  PKI_TRY_ASSIGN(const bool only_attributes, read_flag(point, 5));
  PKI_TRY(point.finish(kField));
  if (indirect) return extension.error(Errc::indirect_crl, kField);
  const bool nothing = out.only_user_certificates && out.only_ca_certificates;
  if (reasons || only_attributes || nothing)
    return extension.error(Errc::unsupported_scope, kField);
  return out;
}

ScopeId CrlScope::id() const {
  ScopeId out{};
  if (!der.empty()) std::ranges::copy(digest(DigestAlgorithm::sha256, der).bytes(), out.begin());
  return out;
}

// DistributionPointName ::= CHOICE { fullName [0] GeneralNames, nameRelativeToCRLIssuer [1] … }
std::string to_string(const CrlScope& scope) {
  if (scope.distribution_point.empty()) {
    if (scope.only_user_certificates) return "user certificates";
    if (scope.only_ca_certificates) return "CA certificates";
    return scope.der.empty() ? "all certificates" : "an unnamed part";
  }
  Reader name(scope.distribution_point);
  const auto full_name = name.read_optional(der::context_constructed(0), kField);
  if (full_name && *full_name) {
    Reader names(name, **full_name);
    const auto first = names.any(kField);
    if (first && first->tag == der::context_constructed(4)) {  // directoryName
      return name_to_string(first->content);
    }
    const auto is_printable = [](std::uint8_t octet) { return octet > 0x20 && octet < 0x7F; };
    if (first && first->tag == der::context(6) &&  // uniformResourceIdentifier
        std::ranges::all_of(first->content, is_printable)) {
      return {first->content.begin(), first->content.end()};
    }
  }
  return to_hex(scope.distribution_point);
}

}  // namespace pki
