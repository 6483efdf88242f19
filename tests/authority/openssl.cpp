#include "authority/openssl.hpp"

#include <openssl/err.h>

#include "authority/failure.hpp"

namespace authority {

void fail_openssl(const std::string& what) {
  const unsigned long code = ERR_peek_last_error();
  const char* const reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  ERR_clear_error();
  throw Failure(reason == nullptr ? what : what + ": " + reason);
}

}  // namespace authority
