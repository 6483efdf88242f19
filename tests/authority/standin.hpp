// run_standin: the stand-in as a server: its world, its four ports, its files.
#pragma once

#include <filesystem>
#include <string>

#include "authority/world.hpp"

namespace authority {

struct StandinOptions {
  std::filesystem::path directory;
  WorldOptions world;
  std::string http = "127.0.0.1:0";  // port 0: a free one
  std::string https = "127.0.0.1:0";
  std::string control = "127.0.0.1:0";
  std::string upstream = "127.0.0.1:0";
};

// Writes its files, listens, writes ports.json ({"http": "127.0.0.1:34567", ...}), and serves until
// SIGTERM or SIGINT. Throws Failure if it cannot start.
void run_standin(const StandinOptions& options);

}  // namespace authority
