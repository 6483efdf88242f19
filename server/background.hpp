// background.hpp: work that gives way to those who answer requests.
#pragma once

namespace server {

// The calling thread, and those that it starts, take a tenth of the share of others from now on, in
// slices of 0.1 ms: a server on the same cores waits for no longer. Not less than a tenth: lists
// have to get through on a busy machine as well. Kernels before 6.12 know no slices, and some
// places forbid all this; then it is left out.
void work_in_background();

}  // namespace server
