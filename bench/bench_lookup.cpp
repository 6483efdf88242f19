// bench_lookup: looking serials up in a mapped index file, against std::lower_bound over a sorted
// array of the same keys, in turns.
//
//   bench_lookup KEYS ENTRIES DIRECTORY [QUERIES [ROUNDS [SEED]]]
//
// KEYS is uniform, counters or random20 (lookup_keys.hpp). DIRECTORY takes the index file, which
// has no name and goes with the process. Prints one JSON object.
//
// The index is asked with a serial's DER octets, as a request brings them, and answers with date
// and reason; std::lower_bound is given the key ready-made, and says where it is. Each kind of
// question is asked twice: all at once, so that the processor may overlap them, and each only when
// the one before is answered.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <exception>
#include <string_view>

#include "bench/file_storage.hpp"
#include "bench/lookup_keys.hpp"
#include "libpki/index_reader.hpp"
#include "libpki/index_writer.hpp"

namespace bench {
namespace {

struct Options {
  std::string_view keys;
  std::uint64_t entries = 0;
  std::filesystem::path directory;
  std::uint64_t queries = 500'000;
  std::uint64_t rounds = 5;
  std::uint64_t seed = 1;
};

enum class Pace { independent, dependent };
enum class Kind { hit, miss };

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "bench_lookup: %s\n", what);
  std::exit(1);
}

// Nothing after it starts before everything before it has its result.
inline void wait_for_all_before() {
#if defined(__x86_64__)
  __builtin_ia32_lfence();
#elif defined(__aarch64__)
  asm volatile("dsb sy\nisb" ::: "memory");
#else
#error "no barrier known for this processor"
#endif
}

template <class Key>
struct Questions {
  std::vector<Key> keys;
  std::vector<DerSerial> serials;
  std::uint64_t found = 0;  // how many of them are in the index
};

template <class Set>
Questions<typename Set::Key> make_questions(const std::vector<typename Set::Key>& keys, Kind kind,
                                            std::uint64_t count, std::uint64_t seed) {
  Questions<typename Set::Key> out;
  for (std::uint64_t i = 0; out.keys.size() < count; ++i) {
    const std::uint64_t random = random_at(seed + 1000, i);
    const auto key = kind == Kind::hit ? keys[random % keys.size()] : Set::other(keys, random);
    if (kind == Kind::miss && std::ranges::binary_search(keys, key)) continue;
    out.keys.push_back(key);
    out.serials.push_back(to_der(key));
  }
  out.found = kind == Kind::hit ? count : 0;
  return out;
}

// Of this thread: what other programs do on the core does not count.
double processor_nanoseconds() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

// Nanoseconds a question.
template <Pace pace, class Ask>
double time_of(std::uint64_t count, std::uint64_t expected, Ask&& ask) {
  std::uint64_t found = 0;
  const double start = processor_nanoseconds();
  for (std::uint64_t i = 0; i < count; ++i) {
    found += ask(i) ? 1U : 0U;
    if constexpr (pace == Pace::dependent) wait_for_all_before();
  }
  const double took = processor_nanoseconds() - start;
  if (found != expected) fail("an answer is wrong");
  return took / static_cast<double>(count);
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

template <Pace pace, class Key>
void compare(const std::vector<Key>& keys, const pki::Index& index, const Questions<Key>& questions,
             Kind kind, const Options& options, const char* separator) {
  std::vector<double> bound;
  std::vector<double> lookup;
  std::vector<double> ratio;
  for (std::uint64_t round = 0; round < options.rounds + 1; ++round) {
    const double a = time_of<pace>(questions.keys.size(), questions.found, [&](std::uint64_t i) {
      const auto at = std::lower_bound(keys.begin(), keys.end(), questions.keys[i]);
      return at != keys.end() && *at == questions.keys[i];
    });
    const double b = time_of<pace>(questions.keys.size(), questions.found, [&](std::uint64_t i) {
      return index.lookup(pki::SerialKey::from_der(questions.serials[i].bytes())).has_value();
    });
    if (round == 0) continue;  // caches are warm from here
    bound.push_back(a);
    lookup.push_back(b);
    ratio.push_back(b / a);
  }
  std::printf(
      "%s{\"query\": \"%s\", \"pace\": \"%s\", \"lower_bound_ns\": %.1f, \"index_ns\": %.1f, "
      "\"ratio\": %.4f}",
      separator, kind == Kind::hit ? "hit" : "miss",
      pace == Pace::dependent ? "dependent" : "independent", median(bound), median(lookup),
      median(ratio));
  std::fflush(stdout);
}

template <class Key>
void write_index(const std::vector<Key>& keys, const std::filesystem::path& directory,
                 FileStorage& file) {
  FileStorage scratch(directory);
  pki::IndexWriter writer({}, scratch);
  pki::CrlEntry entry;
  for (std::uint64_t i = 0; i < keys.size(); ++i) {
    const DerSerial serial = to_der(keys[i]);
    entry.serial = serial.bytes();
    entry.revocation_date = pki::kRevocationEpoch + std::chrono::seconds{i};
    entry.reason = static_cast<pki::Reason>(i % 7);
    writer.add(entry);
  }
  pki::IndexDescription description;
  description.generation = 1;
  description.lists.emplace_back().entry_count = keys.size();
  const auto written = writer.write(description, file);
  if (!written || written->entry_count != keys.size()) fail("the index was not written");
}

// One random read of the mapped file, each when the one before is answered: what a lookup can't do
// without. In nanoseconds.
double one_read_ns(pki::Bytes file, std::uint64_t queries) {
  const auto* words = reinterpret_cast<const std::uint64_t*>(file.data());
  const std::uint64_t count = file.size() / sizeof(std::uint64_t);
  std::uint64_t state = 88172645463325252ULL;
  std::uint64_t seen = 0;
  const auto started = std::chrono::steady_clock::now();
  for (std::uint64_t i = 0; i < queries; ++i) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;  // xorshift
    seen = words[(state + (seen & 1)) % count];
    state += seen & 1;
  }
  const std::chrono::duration<double, std::nano> taken = std::chrono::steady_clock::now() - started;
  if (seen == state) std::fputs(" ", stderr);  // so that the reads count
  return taken.count() / static_cast<double>(queries);
}

template <class Set>
void run(const Options& options) {
  const auto keys = Set::keys(options.entries, options.seed);
  FileStorage file(options.directory);
  write_index(keys, options.directory, file);
  const pki::Bytes mapped = file.read_back();
  const auto index = pki::Index::open(mapped);
  if (!index) fail(pki::to_string(index.error()).c_str());
  file.expect_random();
  std::printf(
      "{\"keys\": \"%s\", \"entries\": %llu, \"bytes_an_entry\": %.3f, "
      "\"one_read_ns\": %.0f, \"results\": [",
      Set::kName, static_cast<unsigned long long>(keys.size()),
      static_cast<double>(index->file_bytes()) / static_cast<double>(keys.size()),
      one_read_ns(mapped, options.queries));
  const char* separator = "\n  ";
  for (const Kind kind : {Kind::hit, Kind::miss}) {
    const auto questions = make_questions<Set>(keys, kind, options.queries, options.seed);
    compare<Pace::independent>(keys, *index, questions, kind, options, separator);
    separator = ",\n  ";
    compare<Pace::dependent>(keys, *index, questions, kind, options, separator);
  }
  std::printf("\n]}\n");
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  using namespace bench;
  Options options;
  const auto number = [&](int place, std::uint64_t otherwise) {
    return argc > place ? std::strtoull(argv[place], nullptr, 10) : otherwise;
  };
  if (argc > 3) {
    options = {argv[1],
               number(2, 0),
               argv[3],
               number(4, options.queries),
               number(5, options.rounds),
               number(6, options.seed)};
  }
  if (options.entries == 0 || options.queries == 0 || options.rounds == 0) {
    std::fputs(
        "usage: bench_lookup uniform|counters|random20 ENTRIES DIRECTORY "
        "[QUERIES [ROUNDS [SEED]]]\n",
        stderr);
    return 2;
  }
  try {
    if (options.keys == Uniform::kName) return run<Uniform>(options), 0;
    if (options.keys == Counters::kName) return run<Counters>(options), 0;
    if (options.keys == Random20::kName) return run<Random20>(options), 0;
  } catch (const std::exception& error) {
    fail(error.what());
  }
  fail("KEYS is uniform, counters or random20");
}
