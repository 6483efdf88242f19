#include "authority/hashing_writer.hpp"

#include <algorithm>

namespace authority {

HashingWriter::HashingWriter(OutputFile& file, const EVP_MD* digest)
    : file_(file), hash_(EVP_MD_CTX_new()) {
  require(hash_ && EVP_DigestInit_ex(hash_.get(), digest, nullptr) == 1, "starting a hash");
  thread_ = std::thread([this] { run(); });
}

HashingWriter::~HashingWriter() {
  stop();
}

std::uint8_t* HashingWriter::reserve(std::size_t bytes) {
  if (blocks_[filled_ % kBlocks].used + bytes > kBlockBytes) pass_on();
  Block& block = blocks_[filled_ % kBlocks];
  return block.octets.data() + block.used;
}

void HashingWriter::commit(const std::uint8_t* end) {
  Block& block = blocks_[filled_ % kBlocks];
  block.used = static_cast<std::size_t>(end - block.octets.data());
}

void HashingWriter::append(std::span<const std::uint8_t> octets) {
  commit(std::copy(octets.begin(), octets.end(), reserve(octets.size())));
}

std::vector<std::uint8_t> HashingWriter::finish() {
  pass_on();
  stop();
  if (error_) std::rethrow_exception(error_);
  std::vector<std::uint8_t> digest(EVP_MAX_MD_SIZE);
  unsigned size = 0;
  require(EVP_DigestFinal_ex(hash_.get(), digest.data(), &size) == 1, "finishing a hash");
  digest.resize(size);
  return digest;
}

// Gives the current block to the thread and waits until the next one is free.
void HashingWriter::pass_on() {
  std::unique_lock lock(mutex_);
  ++filled_;
  changed_.notify_all();
  changed_.wait(lock, [this] { return error_ || filled_ - written_ < kBlocks; });
  if (error_) std::rethrow_exception(error_);
  blocks_[filled_ % kBlocks].used = 0;
}

void HashingWriter::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return ended_ || written_ < filled_; });
    if (written_ == filled_) return;
    const Block& block = blocks_[written_ % kBlocks];
    lock.unlock();
    std::exception_ptr error;
    try {
      consume(block);
    } catch (const std::exception&) {
      error = std::current_exception();
    }
    lock.lock();
    ++written_;
    error_ = error;
    changed_.notify_all();
    if (error_) return;
  }
}

void HashingWriter::consume(const Block& block) {
  require(EVP_DigestUpdate(hash_.get(), block.octets.data(), block.used) == 1, "hashing");
  file_.write({block.octets.data(), block.used});
}

void HashingWriter::stop() {
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

}  // namespace authority
