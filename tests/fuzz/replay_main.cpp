// replay_main.cpp: runs a fuzz target over every file of a corpus folder, without libFuzzer.
//
// Fails if the folder is missing or empty: a test that tests nothing must not pass.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

namespace fs = std::filesystem;

std::vector<fs::path> files_of(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code missing;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, missing)) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

bool replay(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    std::fprintf(stderr, "can't read %s\n", path.c_str());
    return false;
  }
  const std::vector<char> text{std::istreambuf_iterator<char>(file), {}};
  // A copy of exactly the input's size, so that a sanitizer sees the first byte too many.
  const std::vector<std::uint8_t> input(text.begin(), text.end());
  std::printf("%s: %zu bytes\n", path.filename().c_str(), input.size());
  std::fflush(stdout);  // the last line before an abort names the culprit
  LLVMFuzzerTestOneInput(input.data(), input.size());
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s CORPUS_FOLDER\n", argv[0]);
    return 2;
  }
  const std::vector<fs::path> files = files_of(argv[1]);
  if (files.empty()) {
    std::fprintf(stderr, "%s: no corpus there\n", argv[1]);
    return 1;
  }
  for (const fs::path& path : files) {
    if (!replay(path)) return 1;
  }
  std::printf("replayed %zu files\n", files.size());
  return 0;
}
