// private_memory.hpp: what a process holds in memory stays there. For those that handle personal
// data or the keys to it; knows nothing of either.
#pragma once

namespace server {

// From now on no core dump of this process is written, and processes of the same user can neither
// attach to it nor read its memory. The superuser still can.
void keep_memory_private();

}  // namespace server
