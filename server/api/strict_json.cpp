#include "server/api/strict_json.hpp"

#include <fmt/format.h>

#include <optional>
#include <vector>

#include "libpki/bytes.hpp"
#include "server/platform/problem.hpp"

namespace server {
namespace {

using nlohmann::json;

constexpr std::int64_t kIntegerMax = (std::int64_t{1} << 53) - 1;

struct Refusal {
  const char* code;
  const char* detail;
};
constexpr Refusal kNul{"bad_json", "U+0000 is not taken"};
constexpr Refusal kDuplicate{"duplicate_member", "this member is there twice"};
constexpr Refusal kTooDeep{"too_deep", "at most 16 levels of objects and arrays"};
constexpr Refusal kTooMany{"too_many_values", "at most 50,000 values"};
constexpr Refusal kNoInteger{
    "not_an_integer", "numbers are integers of at most 2^53 - 1, without fraction or exponent"};

[[noreturn]] void refuse(FieldFault fault) {
  std::vector<FieldFault> faults;
  faults.push_back(std::move(fault));
  throw Problem(ProblemKind::invalid_request, "The body is not JSON that this API takes.",
                std::move(faults));
}

// Builds the tree from the events of nlohmann's reader, which keeps its own stack on the heap.
// Returning false ends the reading.
class Builder final : public nlohmann::json_sax<json> {
 public:
  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  // Only what has a minus sign comes here.
  bool number_integer(number_integer_t value) override {
    return value < 0 && value >= -kIntegerMax ? add(value) : stop_at_value(kNoInteger);
  }
  bool number_unsigned(number_unsigned_t value) override {
    // Signed, so that a reader needs to know one type alone.
    return value <= static_cast<number_unsigned_t>(kIntegerMax)
               ? add(static_cast<std::int64_t>(value))
               : stop_at_value(kNoInteger);
  }
  bool number_float(number_float_t /*value*/, const string_t& /*text*/) override {
    return stop_at_value(kNoInteger);
  }
  bool string(string_t& value) override {
    return value.find('\0') == string_t::npos ? add(std::move(value)) : stop_at_value(kNul);
  }
  bool binary(binary_t& /*value*/) override { return stop_at_value(kNul); }

  bool start_object(std::size_t /*elements*/) override { return open(json::object()); }
  bool start_array(std::size_t /*elements*/) override { return open(json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(string_t& name) override {
    if (name.find('\0') != string_t::npos) return stop(kNul, pointer());
    key_ = std::move(name);
    if (open_.back()->contains(key_)) {
      return stop(kDuplicate, json_pointer(pointer(), key_));
    }
    return true;
  }

  bool parse_error(std::size_t offset, const std::string& /*token*/,
                   const nlohmann::detail::exception& /*error*/) override {
    fault_ = FieldFault{pointer(), "bad_json", fmt::format("not JSON at octet {}", offset)};
    return false;
  }

  json take() { return std::move(root_); }
  [[nodiscard]] const std::optional<FieldFault>& fault() const { return fault_; }

 private:
  bool stop(const Refusal& refusal, std::string where) {
    fault_ = FieldFault{std::move(where), refusal.code, refusal.detail};
    return false;
  }

  bool stop_at_value(const Refusal& refusal) {
    if (open_.empty()) return stop(refusal, "");
    return stop(refusal, json_pointer(pointer(), open_.back()->is_array()
                                                     ? std::to_string(open_.back()->size())
                                                     : key_));
  }

  json* place(json value) {
    if (open_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    json& parent = *open_.back();
    if (parent.is_array()) {
      parent.push_back(std::move(value));
      return &parent.back();
    }
    return &(parent[key_] = std::move(value));
  }

  bool add(json value) {
    if (++values_ > kJsonValuesMax) return stop_at_value(kTooMany);
    place(std::move(value));
    return true;
  }

  bool open(json container) {
    if (open_.size() == kJsonDepthMax) return stop_at_value(kTooDeep);
    if (++values_ > kJsonValuesMax) return stop_at_value(kTooMany);
    names_.push_back(open_.empty()              ? std::string()
                     : open_.back()->is_array() ? std::to_string(open_.back()->size())
                                                : key_);
    // Parents of what is open do not change, so the pointer stays good.
    open_.push_back(place(std::move(container)));
    return true;
  }

  bool close() {
    open_.pop_back();
    names_.pop_back();
    return true;
  }

  [[nodiscard]] std::string pointer() const {
    std::string out;
    for (std::size_t i = 1; i < names_.size(); ++i) out = json_pointer(out, names_[i]);
    return out;
  }

  json root_;
  std::vector<json*> open_;         // from the root to where values are added
  std::vector<std::string> names_;  // of what is open; the root's is empty
  std::string key_;                 // of the next value
  std::size_t values_ = 0;
  std::optional<FieldFault> fault_;
};

}  // namespace

std::string json_pointer(std::string_view parent, std::string_view name) {
  constexpr std::size_t kClip = 64;
  std::string out(parent);
  out += '/';
  if (name.size() > kClip) {
    // Not in the middle of a character.
    std::size_t end = kClip;
    while (end > 0 && (static_cast<unsigned char>(name[end]) & 0xC0) == 0x80) --end;
    name = name.substr(0, end);
  }
  for (const char c : name) {
    if (c == '~') {
      out += "~0";
    } else if (c == '/') {
      out += "~1";
    } else {
      out += c;
    }
  }
  return out;
}

json parse_strict_json(std::string_view text) {
  // nlohmann's reader skips a byte order mark, and takes an octet 0 for the end.
  if (text.starts_with("\xEF\xBB\xBF")) refuse({"", "bad_json", "a byte order mark is not taken"});
  if (text.find('\0') != std::string_view::npos) refuse({"", "bad_json", "U+0000 is not taken"});
  if (!pki::count_code_points(text)) refuse({"", "bad_json", "the body is not UTF-8"});
  Builder builder;
  if (!json::sax_parse(text.begin(), text.end(), &builder)) {
    refuse(builder.fault().value_or(FieldFault{"", "bad_json", "not JSON"}));
  }
  return builder.take();
}

}  // namespace server
