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

asio::awaitable<FeedPage> ChangesService::read(const std::string& institution_id,
                                               const std::optional<CursorPlace>& place,
                                               std::size_t limit) {
  const auto after = place ? std::optional(place->pos) : std::nullopt;
  auto task = [institution_id, after, limit](Connection& connection) {
    return read_feed(connection, institution_id, after, limit);
  };
  co_return co_await database_.run(std::move(task));
}

// Thousands may wait: what only reading needs is in the frame of read(), which is gone by then.
asio::awaitable<std::string> ChangesService::page(const std::string& institution_id,
                                                  const ChangesQuery& query,
                                                  const OnPeerGone& on_peer_gone) {
  using Clock = std::chrono::steady_clock;
  const Cursors& cursors = *co_await this->cursors();
  std::optional<CursorPlace> place;
  if (query.cursor) place = cursors.decode(institution_id, *query.cursor);
  const Clock::time_point until = Clock::now() + query.wait;
  for (;;) {
    const std::uint64_t moment = room_.moment();
    const FeedPage page = co_await read(institution_id, place, query.limit);
    const CursorPlace from = place.value_or(CursorPlace{page.head.epoch, page.head.pruned_pos});
    require_readable(from, page.head);
    const std::int64_t last = page.items.empty() ? from.pos : page.last_pos;
    bool is_over = !page.items.empty() || Clock::now() >= until;
    if (!is_over) {
      const auto woken = co_await room_.wait(institution_id, from.pos, moment, until, on_peer_gone);
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
