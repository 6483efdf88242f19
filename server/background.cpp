#include "server/background.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

namespace server {
namespace {

// As sched_setattr(2) gives it: the kernel's header and <sched.h> exclude each other.
struct SchedulingAttributes {
  std::uint32_t size = sizeof(SchedulingAttributes);
  std::uint32_t policy = 0;  // SCHED_OTHER
  std::uint64_t flags = 0;
  std::int32_t nice = 0;
  std::uint32_t priority = 0;
  std::uint64_t runtime_ns = 0;  // of SCHED_OTHER: the slice
  std::uint64_t deadline_ns = 0;
  std::uint64_t period_ns = 0;
};

}  // namespace

void work_in_background() {
  constexpr int kNice = 10;  // each step is a quarter: 1.25^10 is about 10
  constexpr unsigned kSliceNanoseconds = 100'000;
  SchedulingAttributes wanted;
  wanted.nice = kNice;
  wanted.runtime_ns = kSliceNanoseconds;
  ::syscall(SYS_sched_setattr, 0, &wanted, 0);
}

}  // namespace server
