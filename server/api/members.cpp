#include "server/api/members.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <set>

#include "libpki/bytes.hpp"
#include "server/api/strict_json.hpp"
#include "server/platform/problem.hpp"

namespace server {

using nlohmann::json;

// One body while it is read.
struct Members::Reading {
  struct Object {
    const json* value;  // null: it is missing or no object, which was said already
    std::string pointer;
    std::set<std::string, std::less<>> asked;
  };
  static constexpr std::size_t kFaultsMax = 50;  // more than anybody reads

  std::deque<Object> objects;
  std::vector<FieldFault> faults;

  void add(FieldFault fault) {
    if (faults.size() < kFaultsMax) faults.push_back(std::move(fault));
  }
};

Members::Members(const json& value, std::string pointer)
    : Members(std::make_shared<Reading>(), value.is_object() ? &value : nullptr,
              std::move(pointer)) {
  if (!value.is_object()) {
    reading_->add({reading_->objects[0].pointer, "wrong_type", "must be an object"});
  }
}

Members::Members(std::shared_ptr<Reading> reading, const json* value, std::string pointer)
    : reading_(std::move(reading)), place_(reading_->objects.size()) {
  reading_->objects.push_back({value, std::move(pointer), {}});
}

const json* Members::find(std::string_view name) {
  Reading::Object& object = reading_->objects[place_];
  object.asked.emplace(name);
  if (object.value == nullptr) return nullptr;
  const auto found = object.value->find(std::string(name));
  return found == object.value->end() ? nullptr : &*found;
}

const json* Members::require(std::string_view name) {
  const json* value = find(name);
  if (value == nullptr && reading_->objects[place_].value != nullptr) {
    fault(name, "missing", "is required");
  }
  return value;
}

bool Members::has(std::string_view name) {
  return find(name) != nullptr;
}

const json* Members::any(std::string_view name) {
  return find(name);
}

std::string Members::pointer(std::string_view name) const {
  return json_pointer(reading_->objects[place_].pointer, name);
}

void Members::fault(std::string_view name, std::string code, std::string detail) {
  reading_->add({pointer(name), std::move(code), std::move(detail)});
}

void Members::wrong_type(std::string_view name, std::string_view wanted) {
  fault(name, "wrong_type", fmt::format("must be {}", wanted));
}

std::string Members::read_text(const json& value, std::string_view name, TextLimits limits) {
  if (!value.is_string()) {
    wrong_type(name, "a string");
    return {};
  }
  const auto& text = value.get_ref<const std::string&>();
  const std::size_t length = pki::count_code_points(text).value_or(0);
  if (length < limits.min) {
    fault(name, "too_short", fmt::format("must have at least {} characters", limits.min));
  } else if (length > limits.max) {
    fault(name, "too_long", fmt::format("must have at most {} characters", limits.max));
  } else {
    return text;
  }
  return {};
}

std::string Members::text(std::string_view name, TextLimits limits) {
  const json* value = require(name);
  return value == nullptr ? std::string() : read_text(*value, name, limits);
}

std::optional<std::string> Members::optional_text(std::string_view name, TextLimits limits) {
  const json* value = find(name);
  if (value == nullptr) return std::nullopt;
  return read_text(*value, name, limits);
}

std::string Members::read_choice(const json& value, std::string_view name,
                                 std::initializer_list<std::string_view> allowed) {
  if (!value.is_string()) {
    wrong_type(name, "a string");
    return {};
  }
  const auto& text = value.get_ref<const std::string&>();
  if (std::ranges::find(allowed, text) != allowed.end()) return text;
  fault(name, "not_allowed", fmt::format("must be one of: {}", fmt::join(allowed, ", ")));
  return {};
}

std::string Members::choice(std::string_view name,
                            std::initializer_list<std::string_view> allowed) {
  const json* value = require(name);
  return value == nullptr ? std::string() : read_choice(*value, name, allowed);
}

std::optional<std::string> Members::optional_choice(
    std::string_view name, std::initializer_list<std::string_view> allowed) {
  const json* value = find(name);
  if (value == nullptr) return std::nullopt;
  return read_choice(*value, name, allowed);
}

std::int64_t Members::read_integer(const json& value, std::string_view name, std::int64_t min,
                                   std::int64_t max) {
  if (!value.is_number_integer()) {
    wrong_type(name, "an integer");
    return 0;
  }
  const auto number = value.get<std::int64_t>();
  if (number >= min && number <= max) return number;
  fault(name, "out_of_range", fmt::format("must be from {} to {}", min, max));
  return 0;
}

std::int64_t Members::integer(std::string_view name, std::int64_t min, std::int64_t max) {
  const json* value = require(name);
  return value == nullptr ? 0 : read_integer(*value, name, min, max);
}

std::optional<std::int64_t> Members::optional_integer(std::string_view name, std::int64_t min,
                                                      std::int64_t max) {
  const json* value = find(name);
  if (value == nullptr) return std::nullopt;
  return read_integer(*value, name, min, max);
}

bool Members::flag(std::string_view name) {
  const json* value = find(name);
  if (value == nullptr) return false;
  if (!value->is_boolean()) {
    wrong_type(name, "true or false");
    return false;
  }
  return value->get<bool>();
}

const json* Members::array(std::string_view name, std::size_t min, std::size_t max) {
  const json* value = find(name);
  if (value == nullptr) return nullptr;
  if (!value->is_array()) {
    wrong_type(name, "an array");
  } else if (value->size() < min) {
    fault(name, "too_few", fmt::format("must have at least {} items", min));
  } else if (value->size() > max) {
    fault(name, "too_many", fmt::format("must have at most {} items", max));
  } else {
    return value;
  }
  return nullptr;
}

std::vector<std::string> Members::read_texts(std::string_view name, ListLimits limits) {
  const json* value = array(name, limits.min_items, limits.max_items);
  if (value == nullptr) return {};
  std::vector<std::string> out;
  std::set<std::string_view> seen;
  Members items(reading_, nullptr, pointer(name));
  for (const json& item : *value) {
    const std::string place = std::to_string(out.size());
    out.push_back(items.read_text(item, place, {.max = limits.max}));
    if (item.is_string() && !seen.insert(item.get_ref<const std::string&>()).second) {
      items.fault(place, "duplicate", "is there twice");
    }
  }
  return out;
}

std::vector<std::string> Members::texts(std::string_view name, ListLimits limits) {
  return require(name) == nullptr ? std::vector<std::string>() : read_texts(name, limits);
}

std::vector<std::string> Members::optional_texts(std::string_view name, ListLimits limits) {
  return read_texts(name, limits);
}

std::vector<std::uint8_t> Members::base64(std::string_view name, std::size_t octets_max) {
  const json* value = require(name);
  if (value == nullptr) return {};
  std::vector<std::uint8_t> out;
  if (!value->is_string()) {
    wrong_type(name, "a string of base64");
  } else if (value->get_ref<const std::string&>().size() > octets_max / 3 * 4 + 4) {
    fault(name, "too_long", fmt::format("must be at most {} octets", octets_max));
  } else if (!pki::decode_base64(value->get_ref<const std::string&>(), out)) {
    fault(name, "bad_base64", "must be base64 (RFC 4648), without white space");
    out.clear();
  } else if (out.empty()) {
    fault(name, "too_short", "must not be empty");
  } else if (out.size() > octets_max) {
    fault(name, "too_long", fmt::format("must be at most {} octets", octets_max));
    out.clear();
  }
  return out;
}

std::vector<std::uint8_t> Members::hex(std::string_view name, std::size_t octets) {
  const json* value = require(name);
  if (value == nullptr) return {};
  if (!value->is_string()) {
    wrong_type(name, "a string of hexadecimal digits");
    return {};
  }
  const auto& text = value->get_ref<const std::string&>();
  if (text.size() != 2 * octets ||
      text.find_first_not_of("0123456789abcdef") != std::string::npos) {
    fault(name, "bad_hex", fmt::format("must be {} lower-case hexadecimal digits", 2 * octets));
    return {};
  }
  return pki::from_hex(text);
}

pki::Time Members::read_time(const json& value, std::string_view name) {
  constexpr std::size_t kSeconds = std::string_view("2026-11-22T00:00:00").size();
  constexpr std::size_t kFractionMax = 10;  // the point, and nine digits
  if (!value.is_string()) {
    wrong_type(name, "a string");
    return {};
  }
  std::string text = value.get<std::string>();
  if (text.ends_with('Z') && text.size() > kSeconds + 2 &&
      text.size() <= kSeconds + kFractionMax + 1 && text[kSeconds] == '.' &&
      text.find_first_not_of("0123456789", kSeconds + 1) == text.size() - 1) {
    text = text.substr(0, kSeconds) + 'Z';
  }
  if (text.size() == kSeconds + 1) {
    if (const auto time = pki::time_from_string(text)) return *time;
  }
  fault(name, "bad_time", "must be a moment in UTC, like 2026-11-22T00:00:00Z");
  return {};
}

pki::Time Members::time(std::string_view name) {
  const json* value = require(name);
  return value == nullptr ? pki::Time{} : read_time(*value, name);
}

std::optional<pki::Time> Members::optional_time(std::string_view name) {
  const json* value = find(name);
  if (value == nullptr) return std::nullopt;
  return read_time(*value, name);
}

Members Members::object(std::string_view name) {
  const json* value = require(name);
  if (value != nullptr && !value->is_object()) {
    wrong_type(name, "an object");
    value = nullptr;
  }
  return {reading_, value, pointer(name)};
}

std::optional<Members> Members::optional_object(std::string_view name) {
  if (find(name) == nullptr) return std::nullopt;
  return object(name);
}

std::vector<Members> Members::objects(std::string_view name, std::size_t max_items) {
  std::vector<Members> out;
  if (require(name) == nullptr) return out;
  const json* value = array(name, 1, max_items);
  if (value == nullptr) return out;
  const std::string parent = pointer(name);
  for (const json& item : *value) {
    const std::string place = json_pointer(parent, std::to_string(out.size()));
    if (!item.is_object()) reading_->add({place, "wrong_type", "must be an object"});
    out.push_back(Members(reading_, item.is_object() ? &item : nullptr, place));
  }
  return out;
}

void Members::finish() const {
  std::vector<FieldFault> faults = reading_->faults;
  for (const Reading::Object& object : reading_->objects) {
    if (object.value == nullptr) continue;
    for (const auto& [name, value] : object.value->items()) {
      if (object.asked.contains(name) || faults.size() >= Reading::kFaultsMax) continue;
      faults.push_back({json_pointer(object.pointer, name), "unknown_member", "is not known here"});
    }
  }
  if (faults.empty()) return;
  throw Problem(ProblemKind::invalid_request, "Something is wrong with the body; see `errors`.",
                std::move(faults));
}

}  // namespace server
