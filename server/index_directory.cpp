#include "server/index_directory.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

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

}  // namespace

IndexDirectory::IndexDirectory(const IndexConfig& config, std::string_view issuer)
    : path_(config.directory / issuer) {}

fs::path IndexDirectory::generation_path(std::uint64_t generation) const {
  return path_ / fmt::format("{:012}{}", generation, kSuffix);
}

std::vector<std::uint64_t> IndexDirectory::generations() const {
  std::vector<std::uint64_t> found;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(path_, error)) {
    if (const auto number = generation_of(entry.path().filename().string())) {
      found.push_back(*number);
    }
  }
  if (error && error.value() != ENOENT) {
    throw std::system_error(error, "cannot read " + path_.string());
  }
  std::ranges::sort(found);
  return found;
}

std::optional<pki::Index> IndexDirectory::describe_newest() const {
  const std::vector<std::uint64_t> numbers = generations();
  for (auto number = numbers.rbegin(); number != numbers.rend(); ++number) {
    const fs::path path = generation_path(*number);
    const MappedFile file(path);
    auto index = pki::Index::describe(file.bytes());
    const bool own_name = index && index->generation() == *number;
    if (own_name) return *std::move(index);
    log(Level::error, "index_damaged",
        {{"file", path.string()},
         {"error",
          index ? "its name is not that of its generation" : pki::to_string(index.error())}});
  }
  return std::nullopt;
}

void IndexDirectory::tidy(const IndexConfig& config) const {
  const std::vector<std::uint64_t> numbers = generations();
  const auto oldest_kept = fs::file_time_type::clock::now() - config.keep;
  for (std::size_t i = 0; i + config.keep_generations < numbers.size(); ++i) {
    std::error_code error;
    const fs::path path = generation_path(numbers[i]);
    if (fs::last_write_time(path, error) < oldest_kept && !error) fs::remove(path, error);
  }
  for (const fs::directory_entry& entry : fs::directory_iterator(path_)) {
    std::error_code error;
    if (entry.path().extension() == ".tmp") fs::remove(entry.path(), error);
  }
}

pki::Result<std::shared_ptr<const OpenIndex>> open_index(const fs::path& path) {
  auto open = std::make_shared<OpenIndex>();
  open->path = path;
  open->written_at = fs::last_write_time(path);
  open->file = MappedFile(path);
  open->file.expect_sequential();
  PKI_TRY_ASSIGN(open->index, pki::Index::open(open->file.bytes()));
  open->file.expect_random();
  return std::shared_ptr<const OpenIndex>(std::move(open));
}

}  // namespace server
