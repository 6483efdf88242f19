// tashika index info|verify|lookup|diff: looking into index files.
#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>

#include "server/commands/commands.hpp"
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
  [[nodiscard]] Format format() const { return json ? Format::json : Format::text; }
};

// An index file, or the newest generation of a directory that holds an issuer's.
fs::path resolve(const fs::path& path) {
  if (!fs::is_directory(path)) return path;
  IndexConfig config;
  config.directory = fs::absolute(path / ".").parent_path().parent_path();
  const IndexDirectory directory(config,
                                 fs::absolute(path / ".").parent_path().filename().string());
  const std::vector<std::uint64_t> generations = directory.generations();
  if (generations.empty())
    throw std::runtime_error(path.string() + ": no index files (*.tix) here");
  return directory.generation_path(generations.back());
}

std::shared_ptr<const OpenIndex> open_or_throw(const fs::path& path) {
  const fs::path file = resolve(path);
  auto index = open_index(file);
  if (!index) throw std::runtime_error(file.string() + ": " + pki::to_string(index.error()));
  return *index;
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

ordered_json describe(const OpenIndex& open) {
  const pki::Index& index = open.index;
  ordered_json out = {{"file", open.path.string()},
                      {"format_version", pki::index_format::kVersion},
                      {"generation", index.generation()},
                      {"created_at", pki::to_string(index.created_at())},
                      {"issuer_key_sha256", pki::to_hex(index.issuer_key_hash())},
                      {"this_update", pki::to_string(index.this_update())},
                      {"next_update", pki::to_string(index.next_update())},
                      {"entries", index.entry_count()},
                      {"file_bytes", index.file_bytes()}};
  if (index.entry_count() > 0) {
    out["bytes_per_entry"] =
        std::stod(fmt::format("{:.2f}", static_cast<double>(index.file_bytes()) /
                                            static_cast<double>(index.entry_count())));
  }
  for (const pki::IndexedList& list : index.lists()) {
    out["lists"].push_back({{"crl_number", list.number.to_string()},
                            {"this_update", pki::to_string(list.this_update)},
                            {"next_update", pki::to_string(list.next_update)},
                            {"entries", list.entry_count},
                            {"identity_sha256", pki::to_hex(list.identity)}});
  }
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
    fmt::print("{:<18} number {}, {} to {}, {} entries\n", "list",
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
  if (options.format() == Format::json) {
    fmt::print("{}\n", ordered_json{{"file", open->path.string()},
                                    {"ok", true},
                                    {"generation", open->index.generation()},
                                    {"entries", open->index.entry_count()}}
                           .dump(2));
  } else {
    fmt::print("{}: whole: generation {}, {} entries, checksums and order are right\n",
               open->path.string(), open->index.generation(), open->index.entry_count());
  }
  return kExitOk;
}

int lookup(const Options& options) {
  const auto open = open_or_throw(options.path);
  ordered_json all = ordered_json::array();
  for (const std::string& text : options.serials) {
    const auto serial = pki::serial_from_string(text);
    if (!serial) {
      throw std::runtime_error(
          fmt::format("`{}` is no serial number: give hex digits, at most 20 octets", text));
    }
    const auto found = open->index.lookup(pki::SerialKey::from_der(*serial));
    const std::string name = pki::serial_to_string(*serial);
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
std::size_t kind_of(const pki::Index::Difference& difference) {
  if (!difference.before) return 0;
  return difference.after ? 2 : 1;
}

int diff(const Options& options) {
  const auto before = open_or_throw(options.path);
  const auto after = open_or_throw(options.other);
  if (!pki::equal(before->index.issuer_key_hash(), after->index.issuer_key_hash())) {
    throw std::runtime_error(fmt::format("{} and {} are indexes of different issuer keys",
                                         options.path.string(), options.other.string()));
  }
  ordered_json all;
  for (const char* kind : kKinds) all[kind] = ordered_json::array();
  std::array<std::map<std::string, std::uint64_t>, kKinds.size()> by_reason;
  std::array<std::uint64_t, kKinds.size()> counts{};
  pki::Index::diff(before->index, after->index, [&](const pki::Index::Difference& difference) {
    const std::size_t kind = kind_of(difference);
    const std::string serial = serial_text(difference.key);
    const pki::Revocation& latest = difference.after ? *difference.after : *difference.before;
    ++counts[kind];
    ++by_reason[kind][reason_text(latest.reason)];
    if (options.format() == Format::json) {
      all[kKinds[kind]].push_back({{"serial", serial},
                                   {"before", to_json(difference.before)},
                                   {"after", to_json(difference.after)}});
    } else if (kind == 2) {
      fmt::print("changed {} {} -> {}\n", serial, to_text(*difference.before),
                 to_text(*difference.after));
    } else {
      fmt::print("{} {} {}\n", kKinds[kind], serial, to_text(latest));
    }
  });
  for (std::size_t kind = 0; kind < kKinds.size(); ++kind) {
    std::string reasons;
    for (const auto& [reason, count] : by_reason[kind]) {
      all["summary"][kKinds[kind]][reason] = count;
      reasons += fmt::format("  {} {}", reason, count);
    }
    if (options.format() == Format::text) {
      fmt::print("{}: {}{}\n", kKinds[kind], counts[kind], reasons);
    }
  }
  if (options.format() == Format::json) fmt::print("{}\n", all.dump(2));
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
  command->callback([options, &run] { run = [options] { return lookup(*options); }; });

  command = add(*index, "diff", "What changed between two generations",
                "diff var/index/jpki-sign-g3/000000000041.tix var/index/jpki-sign-g3", options);
  command->add_option("before", options->path, kPath)->required();
  command->add_option("after", options->other, kPath)->required();
  command->callback([options, &run] { run = [options] { return diff(*options); }; });
}

}  // namespace server
