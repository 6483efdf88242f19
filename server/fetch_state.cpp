#include "server/fetch_state.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <nlohmann/json.hpp>
#include <set>

#include "libpki/crypto.hpp"
#include "server/log.hpp"

namespace server {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kNameDigits = 32;

std::string name_of(std::string_view url) {
  const pki::Digest hash = pki::digest(pki::DigestAlgorithm::sha256, pki::as_bytes(url));
  return pki::to_hex(hash.bytes()).substr(0, kNameDigits);
}

// What tells one file from any other that ever had its name.
std::string text_of(const struct stat& status) {
  return fmt::format("{} bytes, inode {}, modified {}.{:09}, changed {}.{:09}", status.st_size,
                     status.st_ino, status.st_mtim.tv_sec, status.st_mtim.tv_nsec,
                     status.st_ctim.tv_sec, status.st_ctim.tv_nsec);
}

// Empty if there is no file.
std::string file_stamp(const fs::path& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 ? text_of(status) : std::string();
}

std::string file_stamp(const FileDescriptor& fd, const fs::path& path) {
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) throw_errno("stat", path);
  return text_of(status);
}

// A part outlives the process that wrote it. Whether it outlived the machine can't be seen: its
// size may have reached the disk and its bytes not. So a part counts only until the next boot.
const std::string& this_boot() {
  static const std::string id = [] {
    try {
      return read_file("/proc/sys/kernel/random/boot_id");
    } catch (const std::system_error&) {
      return std::string();
    }
  }();
  return id;
}

FileDescriptor open_part(const fs::path& path, int flags) {
  FileDescriptor fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC | flags, 0644));
  if (!fd) throw_errno("open", path);
  return fd;
}

bool same_bytes(const fs::path& a, const fs::path& b) {
  std::error_code error;
  const std::uintmax_t bytes = fs::file_size(a, error);
  if (error || bytes != fs::file_size(b, error) || error) return false;
  const MappedFile first(a);
  const MappedFile second(b);
  first.expect_sequential();
  second.expect_sequential();
  return pki::equal(first.bytes(), second.bytes());
}

}  // namespace

std::string shown_url(std::string_view url) {
  const std::size_t scheme = url.find("://");
  const std::size_t host = scheme == std::string_view::npos ? 0 : scheme + 3;
  std::string_view rest = url.substr(host);
  const std::string_view authority = rest.substr(0, rest.find_first_of("/?#"));
  if (const std::size_t at = authority.rfind('@'); at != std::string_view::npos) {
    rest.remove_prefix(at + 1);
  }
  const std::size_t query = rest.find_first_of("?#");
  return fmt::format("{}{}{}", url.substr(0, host), rest.substr(0, query),
                     query == std::string_view::npos ? "" : "?...");
}

CachedList::CachedList(const fs::path& directory, std::string_view url)
    : shown_url_(shown_url(url)) {
  const std::string name = name_of(url);
  list_ = directory / (name + ".list");
  part_ = directory / (name + ".part");
  state_ = directory / (name + ".json");
  read_state();
}

void CachedList::read_state() try {
  if (!fs::exists(state_)) return;
  const auto json = nlohmann::json::parse(read_file(state_));
  const nlohmann::json& list = json.at("list");
  stamp_ = file_stamp(list_);
  if (!list.is_null() && !stamp_.empty() && list.at("stamp") == stamp_) {
    validators_ = {list.at("etag").get<std::string>(), list.at("last_modified").get<std::string>()};
  }
  const nlohmann::json& part = json.at("part");
  if (part.is_null() || this_boot().empty() || part.at("boot") != this_boot()) return;
  std::error_code error;
  part_bytes_ = fs::file_size(part_, error);
  if (error) part_bytes_ = 0;
  if (part_bytes_ > 0) part_etag_ = part.at("etag").get<std::string>();
} catch (const std::exception& error) {
  log(Level::warning, "fetch_state_not_read", {{"file", state_.string()}, {"error", error.what()}});
  validators_.reset();
  part_etag_.clear();
  part_bytes_ = 0;
}

// Renamed, so that it is whole, but not flushed: after a crash of the machine it may be an older
// one, or none, and then the stamps don't agree.
void CachedList::write_state() const {
  nlohmann::ordered_json json = {{"url", shown_url_}, {"list", nullptr}, {"part", nullptr}};
  if (validators_) {
    json["list"] = {{"etag", validators_->etag},
                    {"last_modified", validators_->last_modified},
                    {"stamp", stamp_}};
  }
  if (!part_etag_.empty()) json["part"] = {{"etag", part_etag_}, {"boot", this_boot()}};
  const std::string text =
      json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  const fs::path temporary = fs::path(state_).replace_extension(".new");
  const FileDescriptor fd = open_part(temporary, O_CREAT | O_TRUNC);
  const ssize_t written = ::write(fd.get(), text.data(), text.size());
  if (written >= 0 && static_cast<std::size_t>(written) < text.size()) errno = ENOSPC;
  if (written != static_cast<ssize_t>(text.size())) throw_errno("write to", temporary);
  if (::rename(temporary.c_str(), state_.c_str()) != 0) throw_errno("rename to", state_);
}

void CachedList::start_part(const Validators& validators) {
  fd_ = open_part(part_, O_CREAT | O_TRUNC);
  part_bytes_ = 0;
  part_etag_ = validators.is_strong() ? validators.etag : std::string();
  // Without a tag, too: what is noted may be the tag of the bytes that were just thrown away.
  if (!part_etag_.empty() || fs::exists(state_)) write_state();
}

void CachedList::resume_part(std::uint64_t offset) {
  fd_ = open_part(part_, 0);
  if (::ftruncate(fd_.get(), static_cast<off_t>(offset)) != 0 ||
      ::lseek(fd_.get(), 0, SEEK_END) < 0) {
    throw_errno("truncate", part_);
  }
  part_bytes_ = offset;
}

void CachedList::write(std::span<const char> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd_.get(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      const int error = errno;
      drop_part();
      errno = error;
      throw_errno("write to", part_);
    }
    part_bytes_ += static_cast<std::uint64_t>(written);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

void CachedList::drop_part() {
  fd_ = FileDescriptor();
  part_etag_.clear();
  part_bytes_ = 0;
  if (::unlink(part_.c_str()) != 0 && errno != ENOENT) throw_errno("remove", part_);
}

bool CachedList::publish(const Validators& validators) {
  if (::fsync(fd_.get()) != 0) throw_errno("sync", part_);
  const bool changed = !same_bytes(part_, list_);
  if (::rename(part_.c_str(), list_.c_str()) != 0) throw_errno("rename to", list_);
  if (::fchmod(fd_.get(), 0444) != 0) throw_errno("change the mode of", list_);
  stamp_ = file_stamp(fd_, list_);
  fd_ = FileDescriptor();
  part_etag_.clear();
  part_bytes_ = 0;
  validators_ = validators;
  write_state();
  return changed;
}

void CachedList::forget() {
  validators_.reset();
  drop_part();
  if (::unlink(state_.c_str()) != 0 && errno != ENOENT) throw_errno("remove", state_);
}

void remove_cached_except(const fs::path& directory, std::span<const std::string> urls) {
  std::set<std::string> kept;
  for (const std::string& url : urls) kept.insert(name_of(url));
  for (const fs::directory_entry& entry : fs::directory_iterator(directory)) {
    const fs::path& path = entry.path();
    const std::string stem = path.stem().string();
    const std::string kind = path.extension().string();
    const bool ours = stem.size() == kNameDigits &&
                      stem.find_first_not_of("0123456789abcdef") == std::string::npos &&
                      (kind == ".list" || kind == ".part" || kind == ".json" || kind == ".new");
    if (ours && !kept.contains(stem)) fs::remove(path);
  }
}

}  // namespace server
