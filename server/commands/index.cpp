// tashika index info|verify|lookup|diff: looking into index files.
#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>

#include "server/commands/commands.hpp"
#include "server/commands/index_past.hpp"
#include "server/config.hpp"
#include "server/index_directory.hpp"

namespace server {
namespace {

using nlohmann::ordered_json;
namespace fs = std::filesystem;

enum class Format { text, json };

struct Options {
  fs::path path;
  fs::path other;
  std::vector<std::string> serials;
  bool json = false;
  bool summary = false;
  std::string at;
  [[nodiscard]] Format format() const { return json ? Format::json : Format::text; }
};

// The directory of an issuer's index, as IndexDirectory wants it.
IndexDirectory directory_at(const fs::path& path) {
  const fs::path absolute = fs::absolute(path / ".").parent_path();
  IndexConfig config;
  config.directory = absolute.parent_path();
  return {config, absolute.filename().string()};
}

// An index file, or the newest generation of a directory that holds an issuer's.
fs::path resolve(const fs::path& path) {
  const auto none = [&] {
    return std::runtime_error(
        fmt::format("no index at {}; `tashika ingest` makes it", path.string()));
  };
  if (!fs::exists(path)) throw none();
  if (!fs::is_directory(path)) return path;
  const IndexDirectory directory = directory_at(path);
  const std::vector<std::uint64_t> generations = directory.generations();
  if (generations.empty()) throw none();
  return directory.generation_path(generations.back());
}

std::shared_ptr<const OpenGeneration> open_or_throw(const fs::path& path,
                                                    Verify verify = Verify::everything) {
  const fs::path file = resolve(path);
  auto generation = open_generation(file, verify);
  if (!generation) {
    throw std::runtime_error(file.string() + ": " + pki::to_string(generation.error()));
  }
  return *generation;
}

std::string reason_text(pki::Reason reason) {
  return std::string(pki::to_string(reason));
}

ordered_json to_json(const std::optional<pki::Revocation>& revocation) {
  if (!revocation) return nullptr;
  ordered_json out = {{"date", pki::to_string(revocation->date)}};
  if (revocation->reason != pki::Reason::absent) out["reason"] = reason_text(revocation->reason);
  return out;
}

std::string to_text(const pki::Revocation& revocation) {
  return fmt::format("{} {}", pki::to_string(revocation.date), reason_text(revocation.reason));
}

std::string serial_text(const pki::SerialKey& key) {
  return pki::serial_to_string(key.to_der());
}

ordered_json describe_list(const pki::IndexedList& list) {
  ordered_json out = {{"crl_number", list.number.to_string()}};
  if (list.base) out["base_crl_number"] = list.base->to_string();
  out.update({{"this_update", pki::to_string(list.this_update)},
              {"next_update", pki::to_string(list.next_update)},
              {"entries", list.entry_count},
              {"identity_sha256", pki::to_hex(list.identity)}});
  if (list.scope != pki::ScopeId{}) out["scope_sha256"] = pki::to_hex(list.scope);
  return out;
}

ordered_json describe(const OpenGeneration& open) {
  const pki::Index& index = open.head().index;
  ordered_json out = {{"file", open.head().path.string()},
                      {"format_version", pki::index_format::kVersion},
                      {"generation", index.generation()}};
  if (open.overlay) {
    out["base_file"] = open.base->path.string();
    out["overlay_entries"] = index.entry_count();
  }
  out.update({{"created_at", pki::to_string(index.created_at())},
              {"issuer_key_sha256", pki::to_hex(index.issuer_key_hash())},
              {"this_update", pki::to_string(index.this_update())},
              {"next_update", pki::to_string(index.next_update())},
              {"entries", index.listed_count()},
              {"file_bytes", index.file_bytes()}});
  if (index.entry_count() > 0) {
    out["bytes_per_entry"] =
        std::stod(fmt::format("{:.2f}", static_cast<double>(index.file_bytes()) /
                                            static_cast<double>(index.entry_count())));
  }
  for (const pki::IndexedList& list : index.lists()) out["lists"].push_back(describe_list(list));
  out["groups"] = ordered_json::array();
  for (const pki::index_format::GroupRecord& group : index.groups()) {
    const std::size_t tail = pki::SerialKey::tail_size_of(group.group);
    out["groups"].push_back(
        {{"serials", tail == 0 ? "up to 8 octets" : fmt::format("{} octets", 8 + tail)},
         {"sign", group.group >= pki::SerialKey::kNegative ? "negative" : "positive"},
         {"entries", group.entry_count},
         {"buckets", group.bucket_count}});
  }
  return out;
}

int info(const Options& options) {
  const auto open = open_or_throw(options.path);
  const ordered_json all = describe(*open);
  if (options.format() == Format::json) {
    fmt::print("{}\n", all.dump(2));
    return kExitOk;
  }
  const auto row = [](std::string_view name, const ordered_json& value) {
    fmt::print("{:<18} {}\n", name, value.is_string() ? value.get<std::string>() : value.dump());
  };
  for (const auto& [key, value] : all.items()) {
    if (!value.is_array()) row(key, value);
  }
  for (const auto& list : all["lists"]) {
    const bool is_delta = list.contains("base_crl_number");
    fmt::print("{:<18} number {}, {} to {}, {} entries\n", is_delta ? "delta" : "list",
               list["crl_number"].get<std::string>(), list["this_update"].get<std::string>(),
               list["next_update"].get<std::string>(), list["entries"].dump());
  }
  for (const auto& group : all["groups"]) {
    fmt::print("{:<18} {}, {}: {} entries\n", "serials", group["serials"].get<std::string>(),
               group["sign"].get<std::string>(), group["entries"].dump());
  }
  return kExitOk;
}

int verify(const Options& options) {
  const auto open = open_or_throw(options.path);
  const pki::Generation& view = open->view;
  const std::string file = open->head().path.string();
  if (options.format() == Format::json) {
    fmt::print("{}\n", ordered_json{{"file", file},
                                    {"ok", true},
                                    {"generation", view.number()},
                                    {"entries", view.listed_count()}}
                           .dump(2));
  } else {
    fmt::print("{}: whole: generation {}, {} entries, checksums and order are right\n", file,
               view.number(), view.listed_count());
    if (open->overlay) fmt::print("{}: whole: its base\n", open->base->path.string());
  }
  return kExitOk;
}

pki::SerialKey key_of(const std::string& text) {
  const auto serial = pki::serial_from_string(text);
  if (!serial) {
    throw std::runtime_error(
        fmt::format("`{}` is no serial number: give hex digits, at most 20 octets", text));
  }
  return pki::SerialKey::from_der(*serial);
}

int lookup(const Options& options) {
  if (!options.at.empty()) {
    return lookup_past(directory_at(options.path), options.at, options.serials, options.json);
  }
  const auto open = open_or_throw(options.path);
  ordered_json all = ordered_json::array();
  for (const std::string& text : options.serials) {
    const pki::SerialKey key = key_of(text);
    const auto found = open->view.find(key).revocation;
    const std::string name = serial_text(key);
    if (options.format() == Format::text) {
      fmt::print("{}: {}\n", name, found ? "revoked " + to_text(*found) : "unlisted");
      continue;
    }
    ordered_json one = {{"serial", name}, {"status", found ? "revoked" : "unlisted"}};
    if (found) one.update(to_json(found));
    all.push_back(one);
  }
  if (options.format() == Format::json) fmt::print("{}\n", all.dump(2));
  return kExitOk;
}

// The kinds of difference, and how the reasons spread over them.
constexpr std::array kKinds = {"added", "removed", "changed"};
std::size_t kind_of(const pki::Difference& difference) {
  if (!difference.before) return 0;
  return difference.after ? 2 : 1;
}

// Prints differences as they come, so that a day with millions of them needs no memory.
class DiffPrinter {
 public:
  explicit DiffPrinter(Format format, bool summary_only)
      : is_json_(format == Format::json), summary_only_(summary_only) {
    if (is_json_) fmt::print("{{\n\"differences\": [");
  }

  void print(const pki::Difference& difference) {
    const std::size_t kind = kind_of(difference);
    const pki::Revocation& latest = difference.after ? *difference.after : *difference.before;
    ++counts_[kind];
    ++by_reason_[kind][latest.reason];
    if (summary_only_) return;
    const std::string serial = serial_text(difference.key);
    if (is_json_) {
      const ordered_json one = {{"kind", kKinds[kind]},
                                {"serial", serial},
                                {"before", to_json(difference.before)},
                                {"after", to_json(difference.after)}};
      fmt::print("{}\n{}", is_first_ ? "" : ",", one.dump());
      is_first_ = false;
    } else if (kind == 2) {
      fmt::print("changed {} {} -> {}\n", serial, to_text(*difference.before),
                 to_text(*difference.after));
    } else {
      fmt::print("{} {} {}\n", kKinds[kind], serial, to_text(latest));
    }
  }

  void finish() const {
    ordered_json summary;
    for (std::size_t kind = 0; kind < kKinds.size(); ++kind) {
      std::string reasons;
      summary[kKinds[kind]]["total"] = counts_[kind];
      for (const auto& [reason, count] : by_reason_[kind]) {
        summary[kKinds[kind]][reason_text(reason)] = count;
        reasons += fmt::format("  {} {}", reason_text(reason), count);
      }
      if (!is_json_) fmt::print("{}: {}{}\n", kKinds[kind], counts_[kind], reasons);
    }
    if (is_json_) fmt::print("],\n\"summary\": {}\n}}\n", summary.dump(2));
  }

 private:
  bool is_json_;
  bool summary_only_;
  bool is_first_ = true;
  std::array<std::uint64_t, kKinds.size()> counts_{};
  std::array<std::map<pki::Reason, std::uint64_t>, kKinds.size()> by_reason_;
};

int diff(const Options& options) {
  // Both sides are read anyway; what a damaged file would show is caught by their heads and bounds.
  const auto before = open_or_throw(options.path, Verify::head);
  const auto after = open_or_throw(options.other, Verify::head);
  if (!pki::equal(before->view.head().issuer_key_hash(), after->view.head().issuer_key_hash())) {
    throw std::runtime_error(fmt::format("{} and {} are indexes of different issuer keys",
                                         options.path.string(), options.other.string()));
  }
  DiffPrinter printer(options.format(), options.summary);
  pki::diff(before->view, after->view,
            [&](const pki::Difference& difference) { printer.print(difference); });
  printer.finish();
  return kExitOk;
}

CLI::App* add(CLI::App& index, const char* name, const char* text, const char* example,
              const std::shared_ptr<Options>& options) {
  CLI::App* command = index.add_subcommand(name, text);
  command->add_flag("--json", options->json, "print JSON");
  command->footer(std::string("Example:\n  tashika index ") + example);
  return command;
}

}  // namespace

void add_index(CLI::App& app, Run& run) {
  CLI::App* index = app.add_subcommand("index", "Look into index files");
  index->require_subcommand(1);
  index->footer("Example:\n  tashika index info var/index/jpki-sign-g3");
  auto options = std::make_shared<Options>();
  constexpr const char* kPath = "an index file, or the directory of an issuer's";

  CLI::App* command = add(*index, "info", "What an index holds, and from which list",
                          "info var/index/jpki-sign-g3", options);
  command->add_option("index", options->path, kPath)->required();
  command->callback([options, &run] { run = [options] { return info(*options); }; });

  command = add(*index, "verify", "Check every checksum, and that the keys are in order",
                "verify var/index/jpki-sign-g3/000000000042.tix", options);
  command->add_option("index", options->path, kPath)->required();
  command->callback([options, &run] { run = [options] { return verify(*options); }; });

  command = add(*index, "lookup", "What the list says of serial numbers",
                "lookup var/index/jpki-sign-g3 0132c4ab 7f", options);
  command->add_option("index", options->path, kPath)->required();
  command->add_option("serials", options->serials, "serial numbers in hex")->required();
  command->add_option("--at", options->at,
                      "what was so at this time (2026-04-01T00:00:00Z); wants the directory");
  command->callback([options, &run] { run = [options] { return lookup(*options); }; });

  command = add(*index, "diff", "What changed between two generations",
                "diff var/index/jpki-sign-g3/000000000041.tix var/index/jpki-sign-g3", options);
  command->add_option("before", options->path, kPath)->required();
  command->add_option("after", options->other, kPath)->required();
  command->add_flag("--summary", options->summary, "only how many, by reason");
  command->callback([options, &run] { run = [options] { return diff(*options); }; });
}

}  // namespace server
