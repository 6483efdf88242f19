#include "server/background.hpp"

#include <linux/sched/types.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace server {

void work_in_background() {
  constexpr int kNice = 10;  // each step is a quarter: 1.25^10 is about 10
  constexpr unsigned kSliceNanoseconds = 100'000;
  sched_attr wanted{};
  wanted.size = sizeof wanted;
  wanted.sched_nice = kNice;
  wanted.sched_runtime = kSliceNanoseconds;
  ::syscall(SYS_sched_setattr, 0, &wanted, 0);
}

}  // namespace server
