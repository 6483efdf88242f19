// jlis-standin: the command line of the stand-in certification authority. Exit 0 done, 1 failed, 2
// wrong usage.
#include <CLI/CLI.hpp>

#include <chrono>
#include <cstdio>
#include <exception>

#include "authority/commands.hpp"

int main(int argc, char** argv) {
  constexpr int kFailed = 1;
  constexpr int kUsage = 2;
  const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());

  CLI::App program("The stand-in for J-LIS: a certification authority for tests, never for trust.",
                   "jlis-standin");
  program.footer(
      "Example:\n  jlis-standin pki --out var/authority --certificates 3\n  jlis-standin serve "
      "--help");
  program.require_subcommand(1);
  authority::add_pki_command(program, now.time_since_epoch().count());
  authority::add_crl_command(program, now.time_since_epoch().count());
  authority::add_serials_command(program);
  authority::add_serve_command(program);
  try {
    program.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return program.exit(error) == 0 ? 0 : kUsage;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "jlis-standin: %s\n", error.what());
    return kFailed;
  }
  if (std::fflush(stdout) != 0) {
    std::fprintf(stderr, "jlis-standin: standard output cannot be written; is the disk full?\n");
    return kFailed;
  }
  return 0;
}
