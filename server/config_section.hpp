// config_section.hpp: one table of the configuration file, read key by key; whatever is wrong is
// collected with its line. Only config.cpp needs to know it.
#pragma once

#include <fmt/format.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>
#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

#include "server/config.hpp"

namespace server {

namespace fs = std::filesystem;

// How many single-character edits lie between two words (Levenshtein).
[[nodiscard]] std::size_t edit_distance(std::string_view a, std::string_view b);

// A number with an optional unit, "8192" or "16MiB"; nothing if it is none.
struct Unit {
  std::string_view name;
  std::uint64_t factor;
};
[[nodiscard]] std::optional<std::uint64_t> number_with_unit(std::string_view text,
                                                            std::span<const Unit> units);

inline constexpr Unit kDurations[] = {
    {"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}};
inline constexpr Unit kSizes[] = {{"", 1}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}};

// Collects faults with their lines.
class Faults {
 public:
  explicit Faults(std::string file) : file_(std::move(file)) {}
  void add(const toml::source_region& where, std::string text) {
    const auto line = where.begin.line;
    lines_.emplace_back(line, fmt::format("{}:{}: {}", file_, line, text));
  }
  // In the order of the file.
  [[nodiscard]] std::vector<std::string> sorted() const {
    auto lines = lines_;
    std::stable_sort(lines.begin(), lines.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    std::vector<std::string> texts;
    for (auto& [line, text] : lines) texts.push_back(std::move(text));
    return texts;
  }

 private:
  std::string file_;
  std::vector<std::pair<toml::source_index, std::string>> lines_;
};

// One table of the file. Every key that is read is remembered; finish() complains of the others.
class Section {
 public:
  Section(const toml::table& table, std::string name, const fs::path& base, Faults& faults)
      : table_(table), name_(std::move(name)), base_(base), faults_(faults) {}

  [[nodiscard]] const toml::node* get(std::string_view key) {
    known_.emplace(key);
    return table_.get(key);
  }
  void fault(const toml::node& node, std::string text) {
    faults_.add(node.source(), std::move(text));
  }
  void missing(std::string_view key) {
    faults_.add(table_.source(), fmt::format("{} needs the key `{}`", name_, key));
  }

  std::string text(std::string_view key, std::string fallback = {}) {
    const toml::node* node = get(key);
    if (node == nullptr) return fallback;
    if (const auto* value = node->as_string()) return value->get();
    fault(*node, fmt::format("`{}` must be a string", key));
    return fallback;
  }
  std::string required_text(std::string_view key) {
    if (get(key) == nullptr) missing(key);
    return text(key);
  }
  fs::path path(std::string_view key, const fs::path& fallback = {}) {
    const std::string value = text(key);
    return value.empty() ? (fallback.empty() ? fallback : base_ / fallback) : base_ / value;
  }
  fs::path required_path(std::string_view key) {
    if (get(key) == nullptr) missing(key);
    return path(key);
  }

  // A string or an array of strings, as they are.
  std::vector<std::string> texts(std::string_view key);

  // A string or an array of strings; paths become absolute, URLs stay.
  std::vector<std::string> sources(std::string_view key) {
    std::vector<std::string> out;
    const toml::node* node = get(key);
    if (node == nullptr) return out;
    const auto add = [&](const toml::node& item) {
      const auto* value = item.as_string();
      if (value == nullptr) return fault(item, fmt::format("`{}` must hold strings", key));
      const std::string& source = value->get();
      if (source.empty()) return;  // the same as not given
      out.push_back(source.find("://") == std::string::npos ? (base_ / source).string() : source);
    };
    if (const auto* array = node->as_array()) {
      for (const toml::node& item : *array) add(item);
    } else {
      add(*node);
    }
    return out;
  }

  // One of them; empty if it is not given.
  std::string source(std::string_view key) {
    const auto all = sources(key);
    if (all.empty()) return {};
    if (all.size() > 1) fault(*get(key), fmt::format("`{}` must be one path or URL", key));
    return all.front();
  }

  // A share like "20%" or 0.2, above 0; nothing if it is not given.
  std::optional<double> share(std::string_view key) {
    const toml::node* node = get(key);
    if (node == nullptr) return std::nullopt;
    std::optional<double> value = node->value<double>();
    if (const auto* text = node->as_string()) {
      constexpr Unit kPercent[] = {{"%", 1}};
      const auto percent = number_with_unit(text->get(), kPercent);
      value = percent ? std::optional(static_cast<double>(*percent) / 100) : std::nullopt;
    }
    if (!value || !(*value > 0)) {
      fault(*node, fmt::format("`{}` must be a share like \"20%\" or 0.2", key));
    }
    return value;
  }

  template <class T>
  void integer(std::string_view key, T& out, std::int64_t min, std::int64_t max) {
    const toml::node* node = get(key);
    if (node == nullptr) return;
    const auto* value = node->as_integer();
    if (value == nullptr || value->get() < min || value->get() > max) {
      return fault(*node, fmt::format("`{}` must be a whole number from {} to {}", key, min, max));
    }
    out = static_cast<T>(value->get());
  }
  template <class Duration>
  void duration(std::string_view key, Duration& out, Duration at_least = Duration::zero()) {
    const toml::node* node = get(key);
    if (node == nullptr) return;
    const auto* value = node->as_string();
    const auto ms = value == nullptr ? std::nullopt : number_with_unit(value->get(), kDurations);
    constexpr std::uint64_t kTenYears = 3650ULL * 86'400'000;
    if (!ms || *ms == 0 || *ms > kTenYears) {
      return fault(*node, fmt::format("`{}` must be a duration like \"250ms\", \"10s\", \"15m\", "
                                      "\"1h\" or \"2d\"",
                                      key));
    }
    const std::chrono::milliseconds exact{*ms};
    const auto value_in_units = std::chrono::duration_cast<Duration>(exact);
    if (value_in_units != exact) {
      return fault(*node,
                   fmt::format("`{}` must be a whole number of {}", key,
                               std::is_same_v<Duration, std::chrono::hours> ? "hours" : "seconds"));
    }
    if (value_in_units < at_least) {
      return fault(*node, fmt::format("`{}` must be at least {} days", key,
                                      at_least / std::chrono::hours{24}));
    }
    out = value_in_units;
  }
  void size(std::string_view key, std::uint64_t& out) {
    const toml::node* node = get(key);
    if (node == nullptr) return;
    std::optional<std::uint64_t> bytes;
    if (const auto* text = node->as_string()) bytes = number_with_unit(text->get(), kSizes);
    if (const auto* number = node->as_integer(); number != nullptr && number->get() >= 0) {
      bytes = static_cast<std::uint64_t>(number->get());
    }
    if (!bytes) {
      return fault(*node, fmt::format("`{}` must be a size like 65536 or \"16MiB\"", key));
    }
    out = *bytes;
  }
  template <class Enum>
  void choice(std::string_view key, Enum& out,
              std::initializer_list<std::pair<std::string_view, Enum>> choices) {
    const toml::node* node = get(key);
    if (node == nullptr) return;
    std::string allowed;
    for (const auto& [name, value] : choices) {
      const auto* text = node->as_string();
      if (text != nullptr && text->get() == name) {
        out = value;
        return;
      }
      allowed += fmt::format("{}\"{}\"", allowed.empty() ? "" : " or ", name);
    }
    fault(*node, fmt::format("`{}` must be {}", key, allowed));
  }
  bool flag(std::string_view key) {
    const toml::node* node = get(key);
    if (node == nullptr) return false;
    if (const auto* value = node->as_boolean()) return value->get();
    fault(*node, fmt::format("`{}` must be true or false", key));
    return false;
  }

  // "127.0.0.1:8080" or "[::1]:8080".
  ListenConfig listen(std::string_view key);

  const toml::table* table(std::string_view key) {
    const toml::node* node = get(key);
    if (node == nullptr) return nullptr;
    if (const auto* value = node->as_table()) return value;
    fault(*node, fmt::format("`{}` must be a table", key));
    return nullptr;
  }

  // Complains of every key that nobody asked for.
  void finish();

  [[nodiscard]] Section child(const toml::table& table, std::string name) {
    return {table, std::move(name), base_, faults_};
  }

 private:
  const toml::table& table_;
  std::string name_;
  const fs::path& base_;
  Faults& faults_;
  std::set<std::string, std::less<>> known_;
};

// platform_config.cpp: `certificate`, `key` and `client_ca` of a listener; [api], [database],
// [authority] and [consent] of the file.
[[nodiscard]] TlsConfig read_tls(Section& section);
void read_platform(Section& root, Config& out);

}  // namespace server
