// Failure is the one exception of the stand-in: a sentence for a person that says what went wrong,
// where, and what to do. It is caught in main(), printed on stderr, and ends the program with exit
// code 1.
#pragma once

#include <stdexcept>
#include <string>

namespace authority {

struct Failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace authority
