#include "server/platform/cursor.hpp"

#include <algorithm>
#include <stdexcept>

#include "server/log.hpp"
#include "server/platform/problem.hpp"

namespace server {
namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kPlaceOctets = 14;
constexpr std::size_t kSealOctets = 16;
constexpr std::size_t kCharacters = 40;  // of 30 octets: no padding, no unused bits

template <class Number>
void append(std::vector<std::uint8_t>& out, Number number) {
  for (std::size_t shift = sizeof(Number) * 8; shift > 0; shift -= 8) {
    out.push_back(static_cast<std::uint8_t>(number >> (shift - 8)));
  }
}

template <class Number>
Number read(pki::Bytes bytes) {
  Number out = 0;
  for (const std::uint8_t octet : bytes.first(sizeof(Number))) {
    out = static_cast<Number>(out << 8 | octet);
  }
  return out;
}

std::string to_base64url(pki::Bytes bytes) {
  std::string out = pki::to_base64(bytes);
  std::ranges::replace(out, '+', '-');
  std::ranges::replace(out, '/', '_');
  return out;
}

Problem invalid() {
  return Problem(ProblemKind::cursor_invalid,
                 "Use `next_cursor` of an answer of this address, unchanged, with a certificate of "
                 "the institution that got it; or none, to begin with the oldest item.");
}

}  // namespace

Cursors::Cursors(std::string environment, std::vector<CursorKey> keys)
    : environment_(std::move(environment)), keys_(std::move(keys)) {
  if (keys_.empty()) throw std::invalid_argument("cursors need a key");
}

std::vector<std::uint8_t> Cursors::seal_of(const CursorKey& key, pki::Bytes place,
                                           const std::string& institution_id) const {
  std::vector<std::uint8_t> sealed = pki::to_vector(place);
  for (const std::string* text : {&institution_id, &environment_}) {
    const pki::Bytes bytes = pki::as_bytes(*text);
    sealed.insert(sealed.end(), bytes.begin(), bytes.end());
  }
  return mac(key.key, sealed, kSealOctets);
}

std::string Cursors::encode(const std::string& institution_id, CursorPlace place) const {
  std::vector<std::uint8_t> out{kVersion, keys_.front().id};
  append(out, static_cast<std::uint32_t>(place.epoch));
  append(out, static_cast<std::uint64_t>(place.pos));
  const auto seal = seal_of(keys_.front(), out, institution_id);
  out.insert(out.end(), seal.begin(), seal.end());
  return to_base64url(out);
}

CursorPlace Cursors::decode(const std::string& institution_id, std::string_view text) const {
  std::vector<std::uint8_t> octets;
  // The other alphabet would be another spelling of the same cursor.
  if (text.size() != kCharacters || text.find_first_of("+/=") != std::string_view::npos ||
      !pki::decode_base64(text, octets) || octets.size() != kPlaceOctets + kSealOctets) {
    throw invalid();
  }
  const pki::Bytes all(octets);
  const pki::Bytes place = all.first(kPlaceOctets);
  const auto key = std::ranges::find(keys_, place[1], &CursorKey::id);
  if (place[0] != kVersion || key == keys_.end() ||
      !equal_in_constant_time(seal_of(*key, place, institution_id), all.subspan(kPlaceOctets))) {
    throw invalid();
  }
  return {static_cast<std::int32_t>(read<std::uint32_t>(place.subspan(2))),
          static_cast<std::int64_t>(read<std::uint64_t>(place.subspan(6)))};
}

const Cursors& CursorMaker::get(Session& session) {
  const std::lock_guard lock(mutex_);
  if (!cursors_) {
    cursors_ = std::make_unique<const Cursors>(
        environment_, std::vector<CursorKey>{{1, keys_.cursor_key(session)}});
    made_.store(cursors_.get(), std::memory_order_release);
  }
  return *cursors_;
}

void require_readable(CursorPlace place, const FeedHead& head) {
  const bool is_ahead = place.epoch == head.epoch && place.pos > head.last_pos;
  if (is_ahead) {
    log(Level::error, "feed_lost_commits",
        {{"cursor_pos", place.pos},
         {"last_pos", head.last_pos},
         {"hint", "was the database restored? then run: tashika feed new-epoch"}});
  }
  if (place.epoch != head.epoch || is_ahead) {
    throw Problem(ProblemKind::feed_epoch_changed,
                  "Cursors from before the restore are void: read your consents, then go on with "
                  "the `resume_cursor` of the first page.");
  }
  if (place.pos < head.pruned_pos) {
    throw Problem(ProblemKind::cursor_expired,
                  "Read your consents, then go on with the `resume_cursor` of the first page.");
  }
}

}  // namespace server
