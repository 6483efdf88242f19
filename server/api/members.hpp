// members.hpp: reads the members of a JSON object by name, and says everything that is wrong with
// them at once. It must not know any resource, and never tells a value.
//
//   Members body(request.body);
//   const std::string service = body.text("service_id", {.max = 64});
//   Members notice = body.object("notice");
//   const std::string version = notice.text("version", {.max = 32});
//   body.finish();  // throws Problem(invalid_request) if anything was wrong, anywhere
//
// What is wrong reads as empty or zero until finish(). Members that nobody asked for are faults.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libpki/asn1_time.hpp"

namespace server {

struct TextLimits {
  std::size_t max = 256;  // in Unicode code points, as maxLength of JSON Schema
  std::size_t min = 1;
};

struct ListLimits {
  std::size_t max = 256;  // of one text, in code points
  std::size_t max_items = 100;
  std::size_t min_items = 1;
};

class Members {
 public:
  // A body. If `json` is no object, that is the one fault.
  explicit Members(const nlohmann::json& json, std::string pointer = {});

  [[nodiscard]] bool has(std::string_view name);

  [[nodiscard]] std::string text(std::string_view name, TextLimits limits = {});
  [[nodiscard]] std::optional<std::string> optional_text(std::string_view name,
                                                         TextLimits limits = {});
  // One of these texts.
  [[nodiscard]] std::string choice(std::string_view name,
                                   std::initializer_list<std::string_view> allowed);
  [[nodiscard]] std::optional<std::string> optional_choice(
      std::string_view name, std::initializer_list<std::string_view> allowed);

  [[nodiscard]] std::int64_t integer(std::string_view name, std::int64_t min, std::int64_t max);
  [[nodiscard]] std::optional<std::int64_t> optional_integer(std::string_view name,
                                                             std::int64_t min, std::int64_t max);
  // False if it is not there.
  [[nodiscard]] bool flag(std::string_view name);

  // An array of texts, none of them twice.
  [[nodiscard]] std::vector<std::string> texts(std::string_view name, ListLimits limits = {});
  [[nodiscard]] std::vector<std::string> optional_texts(std::string_view name,
                                                        ListLimits limits = {});

  // Base64 (RFC 4648; either alphabet, with or without padding) of 1 to `octets_max` octets.
  [[nodiscard]] std::vector<std::uint8_t> base64(std::string_view name, std::size_t octets_max);
  // Lower-case hexadecimal of so many octets.
  [[nodiscard]] std::vector<std::uint8_t> hex(std::string_view name, std::size_t octets);
  // RFC 3339 in UTC with Z; a fraction of a second is dropped.
  [[nodiscard]] pki::Time time(std::string_view name);
  [[nodiscard]] std::optional<pki::Time> optional_time(std::string_view name);

  // Faults of what is inside belong to this one's finish().
  [[nodiscard]] Members object(std::string_view name);
  [[nodiscard]] std::optional<Members> optional_object(std::string_view name);
  [[nodiscard]] std::vector<Members> objects(std::string_view name, std::size_t max_items);
  // Any value, for what has members of any name: marks it as read.
  [[nodiscard]] const nlohmann::json* any(std::string_view name);

  // What the caller finds wrong with a member. `detail` must not tell the value.
  void fault(std::string_view name, std::string code, std::string detail);
  [[nodiscard]] std::string pointer(std::string_view name) const;

  // Throws Problem(invalid_request) with all faults, of the objects inside, too.
  void finish() const;

 private:
  struct Reading;
  Members(std::shared_ptr<Reading> reading, const nlohmann::json* json, std::string pointer);
  [[nodiscard]] const nlohmann::json* find(std::string_view name);
  [[nodiscard]] const nlohmann::json* require(std::string_view name);
  [[nodiscard]] const nlohmann::json* array(std::string_view name, std::size_t min,
                                            std::size_t max);
  void wrong_type(std::string_view name, std::string_view wanted);

  [[nodiscard]] std::string read_text(const nlohmann::json& value, std::string_view name,
                                      TextLimits limits);
  [[nodiscard]] std::string read_choice(const nlohmann::json& value, std::string_view name,
                                        std::initializer_list<std::string_view> allowed);
  [[nodiscard]] std::int64_t read_integer(const nlohmann::json& value, std::string_view name,
                                          std::int64_t min, std::int64_t max);
  [[nodiscard]] std::vector<std::string> read_texts(std::string_view name, ListLimits limits);
  [[nodiscard]] pki::Time read_time(const nlohmann::json& value, std::string_view name);

  std::shared_ptr<Reading> reading_;  // shared by all objects of one body
  std::size_t place_ = 0;             // of this object in it
};

}  // namespace server
