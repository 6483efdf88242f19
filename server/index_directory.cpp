#include "server/index_directory.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <set>

#include "server/log.hpp"

namespace server {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kSuffix = ".tix";
constexpr std::size_t kDigits = 12;

// 42 of "000000000042.tix"; nothing for any other name.
std::optional<std::uint64_t> generation_of(const std::string& name) {
  if (name.size() != kDigits + kSuffix.size() || !name.ends_with(kSuffix)) return std::nullopt;
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + kDigits, number);
  if (error != std::errc{} || end != name.data() + kDigits) return std::nullopt;
  return number;
}

std::string file_name_of(std::uint64_t generation) {
  return fmt::format("{:012}{}", generation, kSuffix);
}

}  // namespace

IndexDirectory::IndexDirectory(const IndexConfig& config, std::string_view issuer)
    : path_(config.directory / issuer) {}

fs::path IndexDirectory::generation_path(std::uint64_t generation) const {
  return path_ / file_name_of(generation);
}

std::vector<std::uint64_t> IndexDirectory::generations() const {
  std::vector<std::uint64_t> found;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(path_, error)) {
    const auto number = generation_of(entry.path().filename().string());
    std::error_code ignored;
    if (number && entry.is_regular_file(ignored)) found.push_back(*number);
  }
  if (error && error.value() != ENOENT) {
    throw std::system_error(error, "cannot read " + path_.string());
  }
  std::ranges::sort(found);
  return found;
}

std::shared_ptr<const OpenGeneration> IndexDirectory::newest() const {
  const std::vector<std::uint64_t> numbers = generations();
  for (auto number = numbers.rbegin(); number != numbers.rend(); ++number) {
    const fs::path path = generation_path(*number);
    const auto open = open_generation(path, Verify::head);
    const bool own_name = open && (*open)->view.number() == *number;
    if (own_name) return *open;
    log(Level::error, "index_damaged",
        {{"file", path.string()},
         {"error",
          open ? "its name is not that of its generation" : pki::to_string(open.error())}});
  }
  return nullptr;
}

void IndexDirectory::tidy(const IndexConfig& config) const {
  const std::vector<std::uint64_t> numbers = generations();
  const auto oldest_kept = fs::file_time_type::clock::now() - config.keep;
  std::set<std::uint64_t> kept;
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    std::error_code error;
    const fs::path path = generation_path(numbers[i]);
    const bool is_young = !(fs::last_write_time(path, error) < oldest_kept) || error;
    if (i + config.keep_generations < numbers.size() && !is_young) continue;
    kept.insert(numbers[i]);
    const auto index = open_index(path, Verify::head);
    if (index && (*index)->index.base()) kept.insert((*index)->index.base()->generation);
  }
  for (const std::uint64_t number : numbers) {
    std::error_code error;
    if (!kept.contains(number)) fs::remove(generation_path(number), error);
  }
}

void IndexDirectory::remove_leftovers() const {
  for (const fs::directory_entry& entry : fs::directory_iterator(path_)) {
    std::error_code error;
    if (entry.path().extension() == ".tmp") fs::remove(entry.path(), error);
  }
}

pki::Result<std::shared_ptr<const OpenIndex>> open_index(const fs::path& path, Verify verify) {
  auto open = std::make_shared<OpenIndex>();
  open->path = path;
  open->written_at = fs::last_write_time(path);
  open->file = MappedFile(path);
  if (verify == Verify::everything) {
    open->file.expect_sequential();
    PKI_TRY_ASSIGN(open->index, pki::Index::open(open->file.bytes()));
    open->file.expect_random();
  } else {
    PKI_TRY_ASSIGN(open->index, pki::Index::attach(open->file.bytes()));
  }
  return std::shared_ptr<const OpenIndex>(std::move(open));
}

pki::Result<std::shared_ptr<const OpenGeneration>> open_generation(
    const fs::path& path, Verify verify, const std::shared_ptr<const OpenGeneration>& reuse) {
  auto out = std::make_shared<OpenGeneration>();
  PKI_TRY_ASSIGN(out->base, open_index(path, verify));
  const auto reference = out->base->index.base();
  if (!reference) {
    out->view = pki::Generation(out->base->index);
    return std::shared_ptr<const OpenGeneration>(std::move(out));
  }
  out->overlay = std::move(out->base);
  if (reuse && reuse->base->index.reference() == *reference) {
    out->base = reuse->base;
  } else {
    const fs::path base = path.parent_path() / file_name_of(reference->generation);
    if (!fs::exists(base)) return pki::Error{pki::Errc::index_base_missing, 0, "header"};
    PKI_TRY_ASSIGN(out->base, open_index(base, verify));
  }
  PKI_TRY_ASSIGN(out->view, pki::Generation::join(out->base->index, out->overlay->index));
  return std::shared_ptr<const OpenGeneration>(std::move(out));
}

}  // namespace server
