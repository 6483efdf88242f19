// Who waits is woken by what concerns them, whenever it is told.
#include "server/platform/waiting_room.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>
#include <optional>

#include "server/platform/problem.hpp"

namespace {

namespace asio = boost::asio;
using server::ProblemKind;
using server::WaitingRoom;
using Woken = WaitingRoom::Woken;

const std::string kBank = "inst_aaaaaaaaaaaaaaaaaaaaaaaaaa";
const std::string kOther = "inst_bbbbbbbbbbbbbbbbbbbbbbbbbb";

struct Outcome {
  std::optional<Woken> woken;
  std::optional<ProblemKind> problem;
};

// Keeps what wait() refers to.
asio::awaitable<Woken> stay(WaitingRoom& room, std::string institution, std::int64_t pos,
                            std::uint64_t since, server::OnPeerGone gone) {
  const auto never = std::chrono::steady_clock::now() + std::chrono::hours{1};
  co_return co_await room.wait(institution, pos, since, never, gone);
}

// A room, and the loop that its waiters run on. Nothing here waits for a clock.
class Floor {
 public:
  std::shared_ptr<Outcome> wait(const std::string& institution, std::int64_t pos,
                                std::uint64_t since, server::OnPeerGone gone = {}) {
    auto outcome = std::make_shared<Outcome>();
    asio::co_spawn(loop, stay(room, institution, pos, since, std::move(gone)),
                   [outcome](std::exception_ptr error, Woken woken) {
                     try {
                       if (error) std::rethrow_exception(error);
                       outcome->woken = woken;
                     } catch (const server::Problem& problem) {
                       outcome->problem = problem.kind();
                     }
                   });
    run();
    return outcome;
  }
  void run() {
    loop.restart();
    loop.poll();
  }

  WaitingRoom room;
  asio::io_context loop{1};
};

}  // namespace

TEST_CASE("only the institutions that got something are woken", "[waiting]") {
  Floor floor;
  const auto bank = floor.wait(kBank, 5, floor.room.moment());
  const auto other = floor.wait(kOther, 5, floor.room.moment());
  CHECK(floor.room.waiters() == 2);
  floor.room.tell({kBank});
  floor.run();
  CHECK(bank->woken == Woken::told);
  CHECK_FALSE(other->woken);
  CHECK(floor.room.waiters() == 1);
  CHECK(floor.room.institutions() == std::vector<std::string>{kOther});
  floor.room.tell_all();
  floor.run();
  CHECK(other->woken == Woken::told);
  CHECK(floor.room.waiters() == 0);
}

TEST_CASE("what is told between the read and the wait is not lost", "[waiting]") {
  Floor floor;
  const auto moment = floor.room.moment();
  floor.room.tell({kBank});
  CHECK(floor.wait(kBank, 5, moment)->woken == Woken::told);
  CHECK_FALSE(floor.wait(kOther, 5, moment)->woken);
  CHECK_FALSE(floor.wait(kBank, 5, floor.room.moment())->woken);
}

TEST_CASE("the poll wakes whoever has not read to the end", "[waiting]") {
  Floor floor;
  const auto behind = floor.wait(kBank, 5, floor.room.moment());
  const auto at_end = floor.wait(kBank, 6, floor.room.moment());
  floor.room.tell_end(kBank, 6);
  floor.room.tell_end("inst_nobody", 9);
  floor.run();
  CHECK(behind->woken == Woken::told);
  CHECK_FALSE(at_end->woken);
}

TEST_CASE("a third waiter of an institution is refused, until one leaves", "[waiting]") {
  Floor floor;
  const auto first = floor.wait(kBank, 5, floor.room.moment());
  const auto second = floor.wait(kBank, 5, floor.room.moment());
  CHECK(floor.wait(kBank, 5, floor.room.moment())->problem == ProblemKind::too_many_waiters);
  CHECK_FALSE(floor.wait(kOther, 5, floor.room.moment())->problem);
  floor.room.tell({kBank});
  floor.run();
  CHECK(second->woken == Woken::told);
  CHECK_FALSE(floor.wait(kBank, 5, floor.room.moment())->problem);
}

TEST_CASE("a client that has gone waits no longer", "[waiting]") {
  Floor floor;
  std::function<void()> gone;
  const auto outcome = floor.wait(kBank, 5, floor.room.moment(),
                                  [&](std::function<void()> call) { gone = std::move(call); });
  gone();
  floor.run();
  CHECK(outcome->woken == Woken::peer_gone);
  CHECK(floor.room.waiters() == 0);
  gone();  // too late, and harmless
}

TEST_CASE("a draining server lets nobody wait", "[waiting]") {
  Floor floor;
  const auto waiting = floor.wait(kBank, 5, floor.room.moment());
  floor.room.drain();
  floor.run();
  CHECK(waiting->woken == Woken::draining);
  CHECK(floor.wait(kOther, 5, floor.room.moment())->woken == Woken::draining);
  CHECK(floor.room.waiters() == 0);
}

TEST_CASE("ten thousand wait and leave", "[waiting]") {
  Floor floor;
  std::vector<std::shared_ptr<Outcome>> outcomes;
  std::size_t told = 0;
  for (int i = 0; i < 10'000; ++i) {
    asio::co_spawn(floor.loop,
                   stay(floor.room, "inst_" + std::to_string(i), 0, floor.room.moment(), {}),
                   [&](std::exception_ptr, Woken woken) { told += woken == Woken::told ? 1 : 0; });
  }
  floor.run();
  CHECK(floor.room.waiters() == 10'000);
  floor.room.tell_all();
  floor.run();
  CHECK(told == 10'000);
}

TEST_CASE("a loop that ends takes its waiters with it", "[waiting]") {
  WaitingRoom room;
  {
    asio::io_context loop{1};
    asio::co_spawn(loop, stay(room, kBank, 0, room.moment(), {}), [](std::exception_ptr, Woken) {});
    loop.poll();
    CHECK(room.waiters() == 1);
  }
  CHECK(room.waiters() == 0);
}
