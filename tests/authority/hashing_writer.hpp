// HashingWriter takes a long stream of octets and, on a thread of its own, hashes it and writes it
// to a file, so that whoever makes the octets keeps one core and hash and disk have the other.
// Memory: a fixed ring of blocks.
#pragma once

#include <array>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "authority/openssl.hpp"
#include "authority/output_file.hpp"

namespace authority {

class HashingWriter {
 public:
  // `file` must outlive the writer and is the writer's alone until finish() has returned.
  HashingWriter(OutputFile& file, const EVP_MD* digest);
  ~HashingWriter();
  HashingWriter(const HashingWriter&) = delete;
  HashingWriter& operator=(const HashingWriter&) = delete;

  // Room for `bytes` octets (at most kBlockBytes) at the end of the stream; commit() says up to
  // where they were filled. Throws what the other thread met, such as a full disk.
  [[nodiscard]] std::uint8_t* reserve(std::size_t bytes);
  void commit(const std::uint8_t* end);

  void append(std::span<const std::uint8_t> octets);  // at most kBlockBytes

  // Waits until everything is written and returns the digest of the stream. Call once.
  [[nodiscard]] std::vector<std::uint8_t> finish();

 private:
  static constexpr std::size_t kBlockBytes = std::size_t{1} << 20U;
  static constexpr std::size_t kBlocks = 8;

  struct Block {
    std::vector<std::uint8_t> octets = std::vector<std::uint8_t>(kBlockBytes);
    std::size_t used = 0;
  };

  void pass_on();
  void run();
  void consume(const Block& block);
  void stop();

  OutputFile& file_;
  DigestContextPointer hash_;
  // Block number n is blocks_[n % kBlocks]; the maker fills number `filled_`, the thread takes
  // number `written_`.
  std::array<Block, kBlocks> blocks_;

  std::mutex mutex_;
  std::condition_variable changed_;
  // Protected by mutex_:
  std::size_t filled_ = 0;
  std::size_t written_ = 0;
  bool ended_ = false;
  std::exception_ptr error_;

  std::thread thread_;  // last: starts when the rest is ready
};

}  // namespace authority
