#include "libpki/extension.hpp"

namespace pki {

using der::Element;
using der::Reader;
using der::Tag;

Result<Extension> read_extension(Reader& list, const char* field) {
  const std::uint64_t at = list.offset();
  PKI_TRY_ASSIGN(Reader extension, list.enter(Tag::sequence, field));
  PKI_TRY_ASSIGN(const Element id_element, extension.read(Tag::oid, field));
  PKI_TRY_ASSIGN(const Bytes id, der::oid(extension, id_element, field));
  PKI_TRY_ASSIGN(const auto critical, extension.read_optional(Tag::boolean, field));
  if (critical) {
    PKI_TRY_ASSIGN(const bool value, der::boolean(extension, *critical, field));
    if (!value) return extension.error_at(*critical, Errc::default_encoded, field);
  }
  PKI_TRY_ASSIGN(const Reader value, extension.enter(Tag::octet_string, field));
  PKI_TRY(extension.finish(field));
  return Extension{id, critical.has_value(), value, at};
}

}  // namespace pki
