#include "server/platform/changes_service.hpp"

#include <fmt/format.h>

namespace server {

namespace asio = boost::asio;

// g++ 12 destroys copies twice that are made inside of a co_await expression: of what a lambda
// captured, of an argument. Here they have names, and are moved.
namespace {

std::string render(const FeedPage& page, const std::string& next_cursor, bool has_more) {
  const bool is_empty = page.items.empty();
  return fmt::format(R"({{"items":[{}],"first_pos":{},"last_pos":{},"next_cursor":"{}","more":{},)"
                     R"("feed_epoch":{},"retained_from":"{}"}})",
                     page.items, is_empty ? "null" : fmt::format_int(page.first_pos).str(),
                     is_empty ? "null" : fmt::format_int(page.last_pos).str(), next_cursor,
                     has_more, page.head.epoch, page.retained_from);
}

}  // namespace

asio::awaitable<const Cursors*> ChangesService::cursors() {
  if (const Cursors* made = cursors_.made()) co_return made;
  co_return co_await database_.run([this](Connection& connection) {
    Session session(connection);
    return &cursors_.get(session);
  });
}

asio::awaitable<std::string> ChangesService::page(std::string institution_id, ChangesQuery query,
                                                  OnPeerGone on_peer_gone) {
  using Clock = std::chrono::steady_clock;
  const Cursors& cursors = *co_await this->cursors();
  std::optional<CursorPlace> place;
  if (query.cursor) place = cursors.decode(institution_id, *query.cursor);
  const Clock::time_point until = Clock::now() + query.wait;
  for (;;) {
    const std::uint64_t moment = room_.moment();
    const auto after = place ? std::optional(place->pos) : std::nullopt;
    auto read = [institution_id, after, limit = query.limit](Connection& connection) {
      return read_feed(connection, institution_id, after, limit);
    };
    const FeedPage page = co_await database_.run(std::move(read));
    const CursorPlace from = place.value_or(CursorPlace{page.head.epoch, page.head.pruned_pos});
    require_readable(from, page.head);
    const std::int64_t last = page.items.empty() ? from.pos : page.last_pos;
    bool is_over = !page.items.empty() || Clock::now() >= until;
    if (!is_over) {
      std::string who = institution_id;
      OnPeerGone gone = on_peer_gone;
      const auto woken =
          co_await room_.wait(std::move(who), from.pos, moment, until, std::move(gone));
      is_over = woken != WaitingRoom::Woken::told;
    }
    if (is_over) {
      co_return render(page, cursors.encode(institution_id, {page.head.epoch, last}),
                       last < page.head.last_pos);
    }
  }
}

asio::awaitable<void> ChangesService::acknowledge(std::string institution_id, std::string cursor,
                                                  pki::Time now) {
  const Cursors& cursors = *co_await this->cursors();
  const CursorPlace place = cursors.decode(institution_id, cursor);
  auto note = [institution_id, place, now](Connection& connection) {
    Session session(connection, institution_id);
    require_readable(place, feed_head(session));
    acknowledge_feed(session, place.epoch, place.pos, now);
    session.commit();
  };
  co_await database_.run(std::move(note));
}

}  // namespace server
