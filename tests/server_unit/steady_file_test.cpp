// steady_file_test.cpp: what is hashed is what is read, whatever happens to the file meanwhile.
#include "server/steady_file.hpp"

#include <atomic>
#include <catch2/catch.hpp>
#include <fstream>
#include <random>
#include <system_error>

using server::SteadyFile;
using server::SteadyHash;

namespace {

namespace fs = std::filesystem;

// A file of random octets that goes with this object.
class RandomFile {
 public:
  explicit RandomFile(std::size_t bytes)
      : path_(fs::temp_directory_path() / ("steady-" + std::to_string(std::random_device()()))) {
    std::mt19937_64 random(7);
    octets_.resize(bytes);
    for (std::uint8_t& octet : octets_) octet = static_cast<std::uint8_t>(random());
    write();
  }
  ~RandomFile() { fs::remove(path_); }
  RandomFile(const RandomFile&) = delete;
  RandomFile& operator=(const RandomFile&) = delete;

  [[nodiscard]] const fs::path& path() const { return path_; }
  [[nodiscard]] const std::vector<std::uint8_t>& octets() const { return octets_; }

  void write() const {
    std::ofstream file(path_, std::ios::binary);
    file.write(reinterpret_cast<const char*>(octets_.data()),
               static_cast<std::streamsize>(octets_.size()));
  }
  // Overwrites a stretch in place, as a writer does who doesn't rename.
  void scribble(std::size_t at, std::size_t bytes, char what) const {
    std::fstream file(path_, std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(static_cast<std::streamoff>(at));
    file.write(std::string(bytes, what).data(), static_cast<std::streamsize>(bytes));
  }

 private:
  fs::path path_;
  std::vector<std::uint8_t> octets_;
};

// Reads [begin, end) as a list is walked, and returns what was seen.
std::vector<std::uint8_t> read_along(SteadyFile& file, SteadyHash& hash, std::size_t begin,
                                     std::size_t end) {
  constexpr std::size_t kStep = 1 << 20;
  std::vector<std::uint8_t> seen;
  std::size_t announced = 0;
  for (std::size_t at = begin; at < end; at += kStep) {
    if (at >= announced) {
      hash.read_to(at);
      announced = at + SteadyFile::kWindow;
    }
    const pki::Bytes part = file.bytes().subspan(at, std::min(kStep, end - at));
    seen.insert(seen.end(), part.begin(), part.end());
  }
  return seen;
}

}  // namespace

TEST_CASE("steady file: a part is hashed and read, of files of any size", "[steady_file]") {
  constexpr std::size_t kWindow = SteadyFile::kWindow;
  const std::size_t bytes =
      GENERATE(values<std::size_t>({1, kWindow, 3 * kWindow + 5, 30 * kWindow, 41 * kWindow - 1}));
  const RandomFile random(bytes);
  const std::size_t begin = bytes / 100;
  const std::size_t end = bytes - bytes / 200;
  SteadyFile file(random.path());
  SteadyHash hash(file, pki::DigestAlgorithm::sha256, begin, end);
  const std::vector<std::uint8_t> seen = read_along(file, hash, begin, end);
  const pki::Bytes expected = pki::Bytes(random.octets()).subspan(begin, end - begin);
  CHECK(pki::equal(seen, expected));
  CHECK(hash.finish() == pki::digest(pki::DigestAlgorithm::sha256, expected));
}

TEST_CASE("steady file: who writes meanwhile is seen by both or by none", "[steady_file]") {
  const RandomFile random(30 * SteadyFile::kWindow);
  const std::size_t end = random.octets().size();
  std::atomic<bool> over = false;
  std::thread writer([&] {
    for (char what = 0; !over; ++what) {
      for (std::size_t at = 4096; at < end; at += 2 * SteadyFile::kWindow) {
        random.scribble(at, 64, what);
      }
    }
  });
  for (int round = 0; round < 3; ++round) {
    SteadyFile file(random.path());
    SteadyHash hash(file, pki::DigestAlgorithm::sha256, 0, end);
    const std::vector<std::uint8_t> seen = read_along(file, hash, 0, end);
    CHECK(hash.finish() == pki::digest(pki::DigestAlgorithm::sha256, seen));
  }
  over = true;
  writer.join();
}

TEST_CASE("steady file: a file that becomes shorter is an error, not a crash", "[steady_file]") {
  const RandomFile random(30 * SteadyFile::kWindow);
  SteadyFile file(random.path());
  fs::resize_file(random.path(), 10 * SteadyFile::kWindow);
  SteadyHash hash(file, pki::DigestAlgorithm::sha256, 0, random.octets().size());
  CHECK_THROWS_AS(read_along(file, hash, 0, random.octets().size()), std::system_error);
}

TEST_CASE("steady file: who gives up early leaves nothing running", "[steady_file]") {
  const RandomFile random(30 * SteadyFile::kWindow);
  SteadyFile file(random.path());
  SteadyHash hash(file, pki::DigestAlgorithm::sha256, 0, random.octets().size());
  hash.read_to(0);
}
