// redacted.hpp: Redacted<T>: personal data and secrets that cannot be printed by accident, and that
// are wiped from memory when they end.
//
// There is no operator<<, no fmt formatter, no conversion to JSON and no comparison: what wants the
// value says .reveal(), which can be searched for. Wiping is best effort: it covers the value's own
// memory, not copies that others made of it (the network, a parser, swap).
#pragma once

#include <string.h>

#include <cstddef>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

namespace server {

// Overwrites, even if nobody reads it afterwards. Cost: that of memset.
inline void wipe(void* memory, std::size_t bytes) {
  if (bytes != 0) ::explicit_bzero(memory, bytes);  // an empty container may have no memory
}

// A container of octets: all that it has allocated, what is past its end too. A short string keeps
// its octets in itself, and moving it leaves a copy behind: this gets them as well. Empty
// afterwards.
template <class Container>
void wipe(Container& container) {
  container.resize(container.capacity());  // never allocates
  wipe(container.data(), container.size() * sizeof(*container.data()));
  container.clear();
}

// For containers that grow: what they leave behind is wiped, too.
template <class T>
struct WipingAllocator {
  using value_type = T;

  WipingAllocator() = default;
  template <class Other>
  WipingAllocator(const WipingAllocator<Other>&) {}  // NOLINT: allocators convert

  [[nodiscard]] T* allocate(std::size_t count) { return std::allocator<T>().allocate(count); }
  void deallocate(T* memory, std::size_t count) {
    wipe(static_cast<void*>(memory), count * sizeof(T));
    std::allocator<T>().deallocate(memory, count);
  }
  friend bool operator==(const WipingAllocator&, const WipingAllocator&) { return true; }
};

// T is a std::string or a vector of octets.
template <class T>
class Redacted {
  static_assert(std::is_trivially_copyable_v<typename T::value_type>);

 public:
  Redacted() = default;
  explicit Redacted(const T& value) : value_(value) {}
  // The source is wiped.
  explicit Redacted(T&& value) : value_(std::move(value)) { wipe(value); }

  Redacted(const Redacted&) = default;
  Redacted(Redacted&& other) noexcept : value_(std::move(other.value_)) { wipe(other.value_); }
  Redacted& operator=(const Redacted& other) {
    if (this == &other) return *this;
    T copy(other.value_);  // first: it may throw
    wipe(value_);
    value_.swap(copy);
    wipe(copy);
    return *this;
  }
  Redacted& operator=(Redacted&& other) noexcept {
    if (this == &other) return *this;
    wipe(value_);
    value_.swap(other.value_);
    wipe(other.value_);
    return *this;
  }
  ~Redacted() { wipe(value_); }

  // The value, as long as this lives. Whoever calls it answers for where it goes.
  [[nodiscard]] const T& reveal() const { return value_; }

 private:
  T value_;
};

}  // namespace server
