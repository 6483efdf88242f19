// progress.hpp: how far long work is: a bar on a terminal, else one JSON line a step.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace server {

class Progress {
 public:
  // `what` goes in front of each line, e.g. the issuer's name.
  explicit Progress(std::string what);
  ~Progress();

  // Begins a step of `bytes_total` bytes; 0 if that is not known.
  void step(std::string name, std::uint64_t bytes_total = 0);

  // How far the step is. Cheap: draws at most ten times a second. Call it often enough. A total
  // that is known only now takes the place of the step's.
  void update(std::uint64_t bytes, std::uint64_t entries, std::uint64_t bytes_total = 0);
  // The same of a step that is measured by its entries.
  void count(std::uint64_t entries, std::uint64_t entries_total);

 private:
  void finish_step();
  void show(std::uint64_t done, std::uint64_t total);
  void draw(double share, double seconds);

  using Clock = std::chrono::steady_clock;
  std::string what_;
  bool to_terminal_;
  std::string name_;
  std::uint64_t total_ = 0;
  std::uint64_t bytes_ = 0;
  std::uint64_t entries_ = 0;
  Clock::time_point started_;
  Clock::time_point drawn_;
};

}  // namespace server
