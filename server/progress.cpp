#include "server/progress.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace server {

Progress::Progress(std::string what)
    : what_(std::move(what)), to_terminal_(::isatty(STDERR_FILENO) == 1) {}

Progress::~Progress() {
  finish_step();
}

void Progress::step(std::string name, std::uint64_t bytes_total) {
  finish_step();
  name_ = std::move(name);
  total_ = bytes_total;
  bytes_ = entries_ = 0;
  started_ = Clock::now();
  drawn_ = {};
}

void Progress::update(std::uint64_t bytes, std::uint64_t entries, std::uint64_t bytes_total) {
  if (bytes_total != 0) total_ = bytes_total;
  bytes_ = bytes;
  entries_ = entries;
  show(bytes_, total_);
}

void Progress::count(std::uint64_t entries, std::uint64_t entries_total) {
  entries_ = entries;
  show(entries, entries_total);
}

void Progress::show(std::uint64_t done, std::uint64_t total) {
  if (!to_terminal_) return;
  const auto now = Clock::now();
  if (now - drawn_ < std::chrono::milliseconds{100}) return;
  drawn_ = now;
  draw(total == 0 ? 0 : static_cast<double>(done) / static_cast<double>(total),
       std::chrono::duration<double>(now - started_).count());
}

void Progress::draw(double share, double seconds) {
  constexpr int kWidth = 30;
  const int filled = static_cast<int>(share * kWidth);
  const double left = share > 0 ? seconds * (1 - share) / share : 0;
  const std::string line = fmt::format(
      "\r{} {:<8} [{:{}}] {:3.0f} %  {:.1f} M entries  {:.1f} M/s  {:.0f} s left\033[K", what_,
      name_, std::string(static_cast<std::size_t>(std::clamp(filled, 0, kWidth)), '#'), kWidth,
      share * 100, static_cast<double>(entries_) / 1e6,
      seconds > 0 ? static_cast<double>(entries_) / 1e6 / seconds : 0, left);
  std::fwrite(line.data(), 1, line.size(), stderr);
}

void Progress::finish_step() {
  if (name_.empty()) return;
  const double seconds = std::chrono::duration<double>(Clock::now() - started_).count();
  if (to_terminal_) {
    if (drawn_ != Clock::time_point{}) std::fputs("\r\033[K", stderr);
  } else {
    nlohmann::ordered_json line = {{"event", "step"}, {"what", what_}, {"step", name_}};
    line["seconds"] = static_cast<double>(static_cast<std::int64_t>(seconds * 1000)) / 1000;
    if (bytes_ > 0) line["bytes"] = bytes_;
    if (entries_ > 0) line["entries"] = entries_;
    const std::string text = line.dump() + "\n";
    std::fwrite(text.data(), 1, text.size(), stderr);
  }
  name_.clear();
}

}  // namespace server
