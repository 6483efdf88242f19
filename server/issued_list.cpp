#include "server/issued_list.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "libpki/index_writer.hpp"
#include "server/refused.hpp"

namespace server {

namespace fs = std::filesystem;

namespace {

// The serial on a line; empty if there is none.
std::string_view serial_on(std::string_view line) {
  line = line.substr(0, line.find('#'));
  const auto is_space = [](char c) { return c == ' ' || c == '\t' || c == '\r'; };
  while (!line.empty() && is_space(line.front())) line.remove_prefix(1);
  while (!line.empty() && is_space(line.back())) line.remove_suffix(1);
  constexpr std::string_view kPrefix = "serial=";
  if (line.starts_with(kPrefix)) line.remove_prefix(kPrefix.size());
  return line;
}

// Returns how many serials there were.
std::uint64_t read_serials(const ListFile& file, std::string_view text, pki::IndexWriter& writer) {
  std::uint64_t count = 0;
  std::uint64_t line_number = 0;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view serial_text = serial_on(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    ++line_number;
    if (serial_text.empty()) continue;
    const auto serial = pki::serial_from_string(serial_text);
    if (!serial) {
      throw Refused("issued_list",
                    fmt::format("{}:{}: \"{}\" is no serial number: one a line, in "
                                "hex, at most 20 octets",
                                file.source, line_number, serial_text.substr(0, 60)));
    }
    writer.add(pki::SerialKey::from_der(*serial), {pki::kRevocationEpoch, pki::Reason::absent}, 0);
    ++count;
  }
  if (count == 0) {
    throw Refused("issued_list", fmt::format("{}: no serial number in here", file.source));
  }
  return count;
}

}  // namespace

void index_issued_list(const ListFile& file, const IndexDirectory& directory,
                       const IndexConfig& config,
                       const std::array<std::uint8_t, 32>& issuer_key_hash, pki::Time now) {
  const MappedFile mapped(file.path);
  mapped.expect_sequential();
  const std::string_view text(reinterpret_cast<const char*>(mapped.bytes().data()),
                              mapped.bytes().size());
  NewFile scratch(directory.path());
  pki::IndexWriter::Options options{config.ingest_memory_bytes};
  options.content = pki::IndexContent::serials;
  pki::IndexWriter writer(options, scratch);

  pki::IndexDescription description;
  description.issuer_key_hash = issuer_key_hash;
  description.created_at = now;
  description.content = pki::IndexContent::serials;
  pki::IndexedList& list = description.lists.emplace_back();
  list.this_update = list.next_update = now;
  list.entry_count = read_serials(file, text, writer);
  const pki::Digest identity = pki::digest(pki::DigestAlgorithm::sha256, mapped.bytes());
  std::ranges::copy(identity.bytes(), list.identity.begin());

  // Issuers go on issuing: a list that lost half of its serials was cut off on its way.
  if (fs::exists(directory.issued_path())) {
    const auto before = open_index(directory.issued_path(), Verify::head);
    if (before && list.entry_count < (*before)->index.entry_count() / 2) {
      throw Refused("issued_list",
                    fmt::format("{}: {} serials, but the list before had {}; if that is right, "
                                "remove {} first",
                                file.source, list.entry_count, (*before)->index.entry_count(),
                                directory.issued_path().string()));
    }
  }

  NewFile index(directory.path());
  const auto written = writer.write(description, index);
  if (!written) {
    throw Refused(std::string(pki::name(written.error().code)),
                  fmt::format("{}: {}", file.source, pki::to_string(written.error())));
  }
  if (!mapped.is_unchanged()) {
    throw Refused("list_changed",
                  fmt::format("{}: the file was written to while it was being read", file.source));
  }
  index.sync();
  if (const auto reread = pki::Index::open(index.read_back()); !reread) {
    throw Refused("index_unsound", pki::to_string(reread.error()));
  }
  index.publish(directory.issued_path());
}

}  // namespace server
