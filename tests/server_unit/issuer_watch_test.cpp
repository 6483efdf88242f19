// What the server makes of the files that an ingest leaves: new ones, half of them, damaged ones.
#include "server/issuer_watch.hpp"

#include <catch2/catch.hpp>
#include <fstream>
#include <thread>

#include "libpki/crypto.hpp"
#include "tests/server_unit/served.hpp"

using namespace test;
using pki::Reason;
using server::IssuerSnapshot;
namespace fs = std::filesystem;

namespace {

class Directory {
 public:
  Directory() {
    std::string name = (fs::temp_directory_path() / "issuer_watch_XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~Directory() { fs::remove_all(path_); }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  [[nodiscard]] const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

// An issuer with a directory, and the watch over it.
struct Watched {
  explicit Watched(const std::string& issued = {}) {
    server::Config config = served_config();
    config.index.directory = directory.path();
    config.issuers[0].issued = issued;
    issuers = server::load_issuers(config, at(2026, 2, 1));
    watch = std::make_unique<server::IssuerWatch>(issuers.issuers[0], config.index);
    const auto digest =
        pki::digest(pki::DigestAlgorithm::sha256, issuers.issuers[0].certificate->certificate.spki);
    std::copy(digest.bytes().begin(), digest.bytes().end(), key_hash.begin());
    fs::create_directories(watch->directory().path());
  }

  pki::IndexDescription describe(std::uint64_t generation, unsigned number) const {
    pki::IndexDescription out = description();
    out.issuer_key_hash = key_hash;
    out.generation = generation;
    out.lists = {complete_list({number, 1, 8})};
    return out;
  }
  std::vector<std::uint8_t> base(std::uint64_t generation, unsigned number = 1) const {
    return build_index({listed(5, Reason::superseded)}, describe(generation, number)).file;
  }
  std::vector<std::uint8_t> overlay(std::uint64_t generation,
                                    const std::vector<std::uint8_t>& on) const {
    const auto index = pki::Index::open(on);
    REQUIRE(refusal(index) == "accepted");
    pki::IndexDescription out = describe(generation, 1);
    out.lists.push_back(delta_list({static_cast<unsigned>(generation), 2, 4}));
    out.base = index->reference();
    out.listed_count = 2;
    return build_index({listed(6, Reason::superseded)}, out).file;
  }
  std::vector<std::uint8_t> issued(const std::vector<std::uint64_t>& serials) const {
    pki::IndexDescription out = describe(1, 1);
    out.content = pki::IndexContent::serials;
    std::vector<Listed> entries;
    for (const std::uint64_t serial : serials) entries.push_back({serial_of(serial), pki::Time{}});
    return build_index(entries, out).file;
  }

  // As an ingest does: under another name first.
  void put(const fs::path& path, const std::vector<std::uint8_t>& bytes) const {
    const fs::path unfinished = path.string() + ".tmp";
    std::ofstream(unfinished, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
    fs::rename(unfinished, path);
  }
  void put(std::uint64_t generation, const std::vector<std::uint8_t>& bytes) const {
    put(watch->directory().generation_path(generation), bytes);
  }
  bool refresh() { return watch->refresh(known); }
  std::uint64_t generation() const { return known.lists ? known.lists->view.number() : 0; }

  Directory directory;
  server::IssuerSet issuers;
  std::unique_ptr<server::IssuerWatch> watch;
  std::array<std::uint8_t, 32> key_hash{};
  IssuerSnapshot known;
};

}  // namespace

TEST_CASE("issuer_watch: a directory at rest is left alone, a change is noticed",
          "[issuer_watch]") {
  Watched one;
  CHECK_FALSE(one.watch->is_at_rest());
  std::this_thread::sleep_for(std::chrono::milliseconds{60});
  CHECK_FALSE(one.watch->is_at_rest());  // it may have changed again right after the first look
  CHECK(one.watch->is_at_rest());
  one.put(1, one.base(1));
  CHECK_FALSE(one.watch->is_at_rest());
  std::this_thread::sleep_for(std::chrono::milliseconds{60});
  CHECK_FALSE(one.watch->is_at_rest());
  CHECK(one.watch->is_at_rest());
  std::this_thread::sleep_for(std::chrono::milliseconds{1000});
  CHECK_FALSE(one.watch->is_at_rest());  // once a second, whatever the directory says
}

TEST_CASE("issuer_watch: the newest generation is adopted, once", "[issuer_watch]") {
  Watched one;
  CHECK_FALSE(one.refresh());
  CHECK(one.known.lists_fault.empty());
  one.put(1, one.base(1));
  one.put(2, one.base(2));
  CHECK(one.refresh());
  CHECK(one.generation() == 2);
  const std::uint64_t version = one.known.version;
  CHECK_FALSE(one.refresh());
  CHECK(one.known.version == version);
  one.put(3, one.base(3));
  CHECK(one.refresh());
  CHECK(one.known.version != version);
}

TEST_CASE("issuer_watch: an overlay waits for its base, and does not read it twice",
          "[issuer_watch]") {
  Watched one;
  one.put(1, one.base(1));
  CHECK(one.refresh());
  const auto base = one.base(2, 2);
  one.put(3, one.overlay(3, base));
  CHECK_FALSE(one.refresh());
  CHECK(one.generation() == 1);
  CHECK(one.known.lists_fault.empty());
  CHECK(one.watch->open_failures() == 0);
  one.put(2, base);
  CHECK(one.refresh());
  CHECK(one.generation() == 3);

  const auto before = one.known.lists;
  one.put(4, one.overlay(4, base));
  CHECK(one.refresh());
  CHECK(one.generation() == 4);
  CHECK(one.known.lists->base == before->base);
  CHECK(one.known.lists->overlay != before->overlay);
  // The base was verified when it was opened; a look at it now would find it damaged.
  auto damaged = base;
  damaged.back() ^= 1;
  one.put(2, damaged);
  one.put(5, one.overlay(5, base));
  CHECK(one.refresh());
  CHECK(one.generation() == 5);
}

TEST_CASE("issuer_watch: a base that does not come is a fault", "[issuer_watch]") {
  Watched one;
  one.put(1, one.base(1));
  one.put(3, one.overlay(3, one.base(2, 2)));
  fs::last_write_time(one.watch->directory().generation_path(3),
                      fs::file_time_type::clock::now() - std::chrono::minutes{1});
  CHECK(one.refresh());
  CHECK(one.generation() == 1);
  CHECK_THAT(one.known.lists_fault, Catch::Contains("base"));
}

TEST_CASE("issuer_watch: what is damaged is passed over until it is another file",
          "[issuer_watch]") {
  Watched one;
  one.put(1, one.base(1));
  CHECK(one.refresh());
  const auto sound = one.base(2);
  auto damaged = sound;
  damaged[damaged.size() / 2] ^= 1;
  one.put(2, damaged);
  CHECK(one.refresh());  // the fault is new
  CHECK(one.generation() == 1);
  CHECK_FALSE(one.known.lists_fault.empty());
  const std::uint64_t version = one.known.version;
  CHECK_FALSE(one.refresh());
  CHECK(one.watch->open_failures() == 1);
  CHECK(one.known.version == version);  // answers stay what they are
  one.put(2, sound);
  CHECK(one.refresh());
  CHECK(one.generation() == 2);
  CHECK(one.known.lists_fault.empty());
}

TEST_CASE("issuer_watch: a damaged base that was mended is tried again", "[issuer_watch]") {
  Watched one;
  const auto base = one.base(1);
  auto damaged = base;
  damaged[damaged.size() / 2] ^= 1;
  one.put(1, damaged);
  one.put(2, one.overlay(2, base));
  CHECK(one.refresh());
  CHECK(one.generation() == 0);
  CHECK_FALSE(one.known.lists_fault.empty());
  one.put(1, base);
  CHECK(one.refresh());
  CHECK(one.generation() == 2);
  CHECK(one.known.lists_fault.empty());
}

TEST_CASE("issuer_watch: another issuer's index and a false name are refused", "[issuer_watch]") {
  Watched one;
  SECTION("issuer") {
    one.key_hash.fill(0x77);
    one.put(1, one.base(1));
  }
  SECTION("name") {
    one.put(2, one.base(1));
  }
  CHECK(one.refresh());
  CHECK(one.generation() == 0);
  CHECK_FALSE(one.known.lists_fault.empty());
  CHECK(one.watch->open_failures() == 1);
}

TEST_CASE("issuer_watch: after the directory was cleared, older lists don't come back",
          "[issuer_watch]") {
  Watched one;
  one.put(7, one.base(7, 20));
  CHECK(one.refresh());
  fs::remove(one.watch->directory().generation_path(7));
  one.put(1, one.base(1, 19));
  CHECK(one.refresh());
  CHECK(one.generation() == 7);
  CHECK_FALSE(one.known.lists_fault.empty());
  one.put(1, one.base(1, 20));
  CHECK(one.refresh());
  CHECK(one.generation() == 1);
  CHECK(one.known.lists_fault.empty());
}

TEST_CASE("issuer_watch: the list of issued serials is noticed, replaced, and never half believed",
          "[issuer_watch]") {
  const bool is_of_revocations = GENERATE(false, true);
  Watched one("/issued.txt");
  const fs::path path = one.watch->directory().issued_path();
  CHECK_FALSE(one.refresh());
  CHECK(one.known.issued_fault.empty());
  one.put(path, one.issued({5, 6}));
  CHECK(one.refresh());
  REQUIRE(one.known.issued);
  CHECK(one.known.issued->index.entry_count() == 2);
  CHECK(one.known.issued_fault.empty());
  CHECK_FALSE(one.refresh());

  const std::uint64_t version = one.known.version;
  auto damaged = one.issued({5, 6, 7});
  damaged[damaged.size() / 2] ^= 1;
  one.put(path, is_of_revocations ? one.base(1) : damaged);
  CHECK(one.refresh());
  CHECK_FALSE(one.refresh());
  CHECK_FALSE(one.known.issued_fault.empty());
  CHECK(one.known.version == version);
  CHECK(one.known.issued->index.entry_count() == 2);

  one.put(path, one.issued({5, 6, 7}));
  CHECK(one.refresh());
  CHECK(one.known.issued->index.entry_count() == 3);
  CHECK(one.known.issued_fault.empty());
  CHECK(one.known.version != version);
}

TEST_CASE("issuer_watch: without the option, a list of issued serials is not looked at",
          "[issuer_watch]") {
  Watched one;
  one.put(one.watch->directory().issued_path(), one.issued({5, 6}));
  CHECK_FALSE(one.refresh());
  CHECK_FALSE(one.known.issued);
}
