// raw_epoll: the smallest HTTP server that keeps connections alive: one thread, one constant
// answer. It checks nothing, so it is the limit of what a server on sockets and epoll can do, and
// good for nothing else.
//
//   raw_epoll FILE      FILE is the whole answer: status line, headers, body
//
// Listens on a free port of 127.0.0.1 and prints it. Ends by a signal.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace {

struct Connection {
  std::array<char, 16384> in;
  std::size_t filled = 0;
};

// The octets of the first whole request in `text`; 0 if there is none yet.
std::size_t request_bytes(std::string_view text) {
  constexpr std::string_view kLength = "Content-Length: ";
  const std::size_t end = text.find("\r\n\r\n");
  if (end == std::string_view::npos) return 0;
  std::size_t body = 0;
  if (text.front() == 'P') {
    const std::size_t length = text.find(kLength);
    if (length < end)
      std::from_chars(text.data() + length + kLength.size(), text.data() + end, body);
  }
  const std::size_t all = end + 4 + body;
  return all <= text.size() ? all : 0;
}

// False once the connection is at its end.
bool serve(int fd, Connection& connection, std::string_view answer) {
  const ssize_t got = ::read(fd, connection.in.data() + connection.filled,
                             connection.in.size() - connection.filled);
  if (got <= 0) return false;
  connection.filled += static_cast<std::size_t>(got);
  std::size_t at = 0;
  while (const std::size_t taken =
             request_bytes({connection.in.data() + at, connection.filled - at})) {
    if (::write(fd, answer.data(), answer.size()) != static_cast<ssize_t>(answer.size())) {
      return false;
    }
    at += taken;
    if (at == connection.filled) break;
  }
  connection.filled -= at;
  if (at > 0 && connection.filled > 0) {
    std::memmove(connection.in.data(), connection.in.data() + at, connection.filled);
  }
  return connection.filled < connection.in.size();
}

// A listening socket on a free port, which is printed; -1 if the system refuses.
int listen_anywhere() {
  const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  if (listener < 0 || ::bind(listener, any, size) != 0 || ::listen(listener, 1024) != 0 ||
      ::getsockname(listener, any, &size) != 0) {
    std::perror("raw_epoll: cannot listen");
    return -1;
  }
  std::printf("%u\n", static_cast<unsigned>(ntohs(address.sin_port)));
  std::fflush(stdout);
  return listener;
}

int run(std::string_view answer) {
  const int listener = listen_anywhere();
  if (listener < 0) return 1;
  const int epoll = ::epoll_create1(0);
  epoll_event wanted{};
  wanted.events = EPOLLIN;
  wanted.data.fd = listener;
  ::epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &wanted);
  std::vector<std::unique_ptr<Connection>> connections;
  std::array<epoll_event, 256> events;
  for (;;) {
    const int count = ::epoll_wait(epoll, events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < count; ++i) {
      const int fd = events[static_cast<std::size_t>(i)].data.fd;
      if (fd != listener) {
        if (!serve(fd, *connections[static_cast<std::size_t>(fd)], answer)) ::close(fd);
        continue;
      }
      const int accepted = ::accept(listener, nullptr, nullptr);
      if (accepted < 0) continue;
      const int yes = 1;
      ::setsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
      const auto slot = static_cast<std::size_t>(accepted);
      if (slot >= connections.size()) connections.resize(slot + 1);
      connections[slot] = std::make_unique<Connection>();
      wanted.data.fd = accepted;
      ::epoll_ctl(epoll, EPOLL_CTL_ADD, accepted, &wanted);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: raw_epoll FILE    (the whole HTTP answer)\n", stderr);
    return 2;
  }
  std::ifstream file(argv[1], std::ios::binary);
  const std::string answer{std::istreambuf_iterator<char>(file), {}};
  if (answer.empty()) {
    std::fprintf(stderr, "raw_epoll: cannot read %s\n", argv[1]);
    return 1;
  }
  return run(answer);
}
