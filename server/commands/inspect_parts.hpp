// inspect_parts.hpp: what the inspect commands share: how an object is printed, and what more there
// is to say of certificates and tokens.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "libpki/x509.hpp"

namespace server {

enum class PrintAs { text, json };

// Prints an object as JSON, or a line a member, indented by depth.
void print_object(const nlohmann::ordered_json& value, PrintAs form);

// Policies as dotted OIDs, and which of the four items there are: how long each is, never what it
// says, since a terminal's history is no place for personal data.
void describe_jpki(const pki::Certificate& certificate, nlohmann::ordered_json& out);

// `tashika inspect token`: header, claims and times of a consent token. With a JWK set, whether
// the key of that kid made the signature; without, it says that nothing was checked.
// Throws std::runtime_error if the token or the set can't be read. Exit code 1 if the signature is
// wrong.
int inspect_token(const std::filesystem::path& path,
                  const std::optional<std::filesystem::path>& jwks_path, PrintAs form);

}  // namespace server
