#include "authority/answered.hpp"

#include <openssl/evp.h>

#include <utility>

#include "authority/openssl.hpp"

namespace authority {

Answered::Digest Answered::digest(std::string_view path, const nlohmann::json& body) {
  const std::string text = std::string(path).append("\n").append(body.dump());
  Digest digest{};
  require(EVP_Digest(text.data(), text.size(), digest.data(), nullptr, EVP_sha256(), nullptr) == 1,
          "hashing a request");
  return digest;
}

const Answered::Entry* Answered::find(const std::string& request_id) const {
  const auto found = entries_.find(request_id);
  return found == entries_.end() ? nullptr : &found->second;
}

void Answered::remember(const std::string& request_id, Entry entry) {
  if (!entries_.emplace(request_id, std::move(entry)).second) return;
  order_.push_back(request_id);
  if (order_.size() <= kEntriesMax) return;
  entries_.erase(order_.front());
  order_.pop_front();
}

}  // namespace authority
