#include "server/config.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <numeric>
#include <set>
#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

#include "server/files.hpp"

namespace server {
namespace {

namespace fs = std::filesystem;

// How many single-character edits lie between two words (Levenshtein).
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({row[j + 1] + 1, row[j] + 1, replaced});
    }
  }
  return row.back();
}

// A number with an optional unit, "8192" or "16MiB"; nothing if it is none.
struct Unit {
  std::string_view name;
  std::uint64_t factor;
};
std::optional<std::uint64_t> number_with_unit(std::string_view text, std::span<const Unit> units) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{}) return std::nullopt;
  const std::string_view suffix(end, static_cast<std::size_t>(text.data() + text.size() - end));
  for (const Unit& unit : units) {
    if (suffix != unit.name) continue;
    std::uint64_t product = 0;
    if (__builtin_mul_overflow(number, unit.factor, &product)) return std::nullopt;
    return product;
  }
  return std::nullopt;
}

constexpr Unit kDurations[] = {
    {"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}};
constexpr Unit kSizes[] = {{"", 1}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}};

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

  // A string or an array of strings; paths become absolute, URLs stay.
  std::vector<std::string> sources(std::string_view key) {
    std::vector<std::string> out;
    const toml::node* node = get(key);
    if (node == nullptr) return out;
    const auto add = [&](const toml::node& item) {
      const auto* value = item.as_string();
      if (value == nullptr) return fault(item, fmt::format("`{}` must hold strings", key));
      const std::string& source = value->get();
      out.push_back(source.find("://") == std::string::npos ? (base_ / source).string() : source);
    };
    if (const auto* array = node->as_array()) {
      for (const toml::node& item : *array) add(item);
    } else {
      add(*node);
    }
    return out;
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
  void duration(std::string_view key, Duration& out) {
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
  ListenConfig listen(std::string_view key) {
    ListenConfig out;
    const toml::node* node = get(key);
    if (node == nullptr) return missing(key), out;
    const std::string value = text(key);
    const std::size_t colon = value.rfind(':');
    std::uint32_t port = 0;
    if (colon != std::string::npos) {
      const char* const end = value.data() + value.size();
      const auto parsed = std::from_chars(value.data() + colon + 1, end, port);
      if (parsed.ec != std::errc{} || parsed.ptr != end) port = 0;
    }
    if (port == 0 || port > 65535 || colon == 0) {
      fault(*node, fmt::format("`{}` must be an address and a port, like \"127.0.0.1:8080\" or "
                               "\"[::1]:8080\"",
                               key));
      return out;
    }
    out.address = value.substr(0, colon);
    if (out.address.front() == '[' && out.address.back() == ']') {
      out.address = out.address.substr(1, out.address.size() - 2);
    }
    out.port = static_cast<std::uint16_t>(port);
    std::array<std::uint8_t, sizeof(in6_addr)> address{};
    if (::inet_pton(AF_INET, out.address.c_str(), address.data()) != 1 &&
        ::inet_pton(AF_INET6, out.address.c_str(), address.data()) != 1) {
      fault(*node, fmt::format("`{}` must begin with a numeric address; \"{}\" is none", key,
                               out.address));
    }
    return out;
  }

  const toml::table* table(std::string_view key) {
    const toml::node* node = get(key);
    if (node == nullptr) return nullptr;
    if (const auto* value = node->as_table()) return value;
    fault(*node, fmt::format("`{}` must be a table", key));
    return nullptr;
  }

  // Marks keys as known that are read elsewhere or by another version.
  void accept(std::initializer_list<std::string_view> keys) {
    for (const std::string_view key : keys) known_.emplace(key);
  }

  void finish() {
    for (const auto& [key, node] : table_) {
      if (known_.contains(key.str())) continue;
      const auto nearest = std::min_element(
          known_.begin(), known_.end(), [&](const std::string& a, const std::string& b) {
            return edit_distance(a, key.str()) < edit_distance(b, key.str());
          });
      faults_.add(key.source(), fmt::format("unknown key `{}` in {}; the nearest known one is `{}`",
                                            key.str(), name_, *nearest));
    }
  }

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

IndexConfig read_index(Section section) {
  IndexConfig out;
  out.directory = section.path("directory", out.directory);
  section.integer("keep_generations", out.keep_generations, 1, 10'000);
  section.duration("keep", out.keep);
  section.size("ingest_memory", out.ingest_memory_bytes);
  section.duration("clock_skew", out.clock_skew);
  section.finish();
  return out;
}

ResponderConfig read_responder(Section section) {
  ResponderConfig out;
  out.certificate = section.required_path("certificate");
  const std::string key = section.required_text("key");
  if (key.starts_with("pkcs11:")) {
    section.fault(*section.get("key"),
                  "keys behind PKCS#11 are not served by this version; give a PEM file");
  }
  out.key = section.path("key");
  if (section.flag("trusted")) out.trusted = pki::TrustedResponder::yes;
  section.choice("id", out.id,
                 {{"key", ResponderIdForm::by_key}, {"name", ResponderIdForm::by_name}});
  section.finish();
  return out;
}

IssuerConfig read_issuer(Section section) {
  IssuerConfig out;
  out.name = section.required_text("name");
  constexpr std::string_view kAllowed =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
  if (const toml::node* node = section.get("name");
      node != nullptr && (out.name.empty() || out.name.front() == '.' || out.name.size() > 64 ||
                          out.name.find_first_not_of(kAllowed) != std::string::npos)) {
    section.fault(*node,
                  "`name` goes into paths and URLs: 1 to 64 letters, digits, '-', '_' or '.', "
                  "and no dot in front");
  }
  out.certificate = section.required_path("certificate");
  if (section.get("crl") == nullptr) section.missing("crl");
  out.crl = section.sources("crl");
  out.delta_crl = section.sources("delta_crl");
  section.choice("unlisted", out.unlisted,
                 {{"good", Unlisted::good}, {"unknown", Unlisted::unknown}});
  section.choice("stale", out.stale,
                 {{"try_later", Stale::try_later}, {"unauthorized", Stale::unauthorized}});
  out.issued = section.text("issued");
  if (!out.issued.empty()) {
    section.fault(*section.get("issued"), "lists of issued serials are not read by this version");
  }
  if (const toml::table* table = section.table("responder")) {
    out.responder = read_responder(section.child(*table, "[issuers.responder]"));
  }
  section.finish();
  return out;
}

OcspConfig read_ocsp(Section section) {
  OcspConfig out;
  out.listen = section.listen("listen");
  enum class Access { open, mtls };
  Access access = Access::open;
  section.choice("access", access, {{"open", Access::open}, {"mtls", Access::mtls}});
  if (access == Access::mtls) {
    section.fault(*section.get("access"),
                  "\"mtls\" is not served by this version; put a TLS proxy in front");
  }
  section.integer("threads", out.threads, 0, 1024);
  section.integer("connections_max", out.connections_max, 1, 1'000'000);
  section.integer("request_bytes_max", out.request_bytes_max, 128, 1 << 20);
  section.duration("request_timeout", out.request_timeout);
  section.duration("idle_timeout", out.idle_timeout);
  section.duration("drain_timeout", out.drain_timeout);
  section.duration("max_age", out.max_age);
  section.size("cache", out.cache_bytes);
  section.integer("signing_queue_max", out.signing_queue_max, 1, 1'000'000);
  section.choice("nonce", out.nonce,
                 {{"echo", NoncePolicy::echo}, {"ignore", NoncePolicy::ignore}});
  section.finish();
  return out;
}

void check_names(const std::vector<IssuerConfig>& issuers, const toml::table& root,
                 Faults& faults) {
  std::set<std::string> names;
  for (const IssuerConfig& issuer : issuers) {
    if (!names.insert(issuer.name).second) {
      faults.add(root.get("issuers")->source(),
                 fmt::format("two issuers have the name `{}`", issuer.name));
    }
  }
}

void read_root(const toml::table& root, const fs::path& base, Faults& faults, Config& out) {
  Section section(root, "the file", base, faults);
  if (const toml::table* table = section.table("index")) {
    out.index = read_index(section.child(*table, "[index]"));
  } else {
    out.index.directory = base / out.index.directory;
  }
  if (const toml::node* node = section.get("issuers")) {
    const toml::array* array = node->as_array();
    if (array == nullptr || !array->is_array_of_tables()) {
      section.fault(*node, "issuers are written as [[issuers]], one block each");
    } else {
      for (const toml::node& item : *array) {
        out.issuers.push_back(read_issuer(section.child(*item.as_table(), "[[issuers]]")));
      }
    }
  } else {
    section.missing("issuers");
  }
  if (const toml::table* table = section.table("ocsp")) {
    out.ocsp = read_ocsp(section.child(*table, "[ocsp]"));
  }
  if (const toml::table* table = section.table("ops")) {
    Section ops = section.child(*table, "[ops]");
    out.ops = ops.listen("listen");
    ops.finish();
  }
  // The platform API, its database and its upstream: the keys are known, nothing serves them yet.
  const auto later = [&](const char* name, std::initializer_list<std::string_view> keys) {
    const toml::table* table = section.table(name);
    if (table == nullptr) return;
    Section part = section.child(*table, fmt::format("[{}]", name));
    part.accept(keys);
    part.finish();
    out.unserved.emplace_back(name);
  };
  later("api", {"listen", "certificate", "key", "client_ca"});
  later("database", {"url"});
  later("authority", {"url", "certificate", "key", "ca"});
  section.finish();
  check_names(out.issuers, root, faults);
}

}  // namespace

const IssuerConfig* Config::issuer(std::string_view name) const {
  const auto found = std::ranges::find(issuers, name, &IssuerConfig::name);
  return found == issuers.end() ? nullptr : &*found;
}

ConfigError::ConfigError(const std::vector<std::string>& faults)
    : std::runtime_error(std::accumulate(faults.begin(), faults.end(), std::string(),
                                         [](std::string text, const std::string& f) {
                                           return text.empty() ? f : std::move(text) + "\n" + f;
                                         })) {}

Config load_config(const fs::path& path) {
  std::string content;
  try {
    content = read_file(path);
  } catch (const std::system_error& error) {
    throw ConfigError({error.what()});
  }
  const toml::parse_result parsed = toml::parse(content, path.string());
  if (!parsed) {
    const auto& error = parsed.error();
    throw ConfigError(
        {fmt::format("{}:{}: {}", path.string(), error.source().begin.line, error.description())});
  }
  Config out;
  out.path = fs::absolute(path).lexically_normal();
  Faults faults(path.string());
  read_root(parsed.table(), out.path.parent_path(), faults, out);
  if (const auto all = faults.sorted(); !all.empty()) throw ConfigError(all);
  return out;
}

}  // namespace server
