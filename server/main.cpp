// main.cpp: the command line.
#include <fmt/format.h>

#include <boost/version.hpp>
#include <cstdio>

#include "libpki/crypto.hpp"
#include "server/commands/commands.hpp"
#include "server/config.hpp"
#include "server/version.hpp"

namespace {

std::string version() {
  return fmt::format("tashika {}\ncommit {}\ncompiler {}\n{}\nBoost {}.{}.{}", server::kVersion,
                     server::kCommit, server::kCompiler, pki::crypto_library_version(),
                     BOOST_VERSION / 100000, BOOST_VERSION / 100 % 1000, BOOST_VERSION % 100);
}

int run_command(const server::Run& run) {
  try {
    return run();
  } catch (const server::ConfigError& error) {
    fmt::print(stderr, "{}\n", error.what());
    return server::kExitUsage;
  } catch (const std::exception& error) {
    fmt::print(stderr, "tashika: {}\n", error.what());
    return server::kExitFailed;
  }
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Certificate status from CRLs: takes them in, and answers OCSP.");
  app.name("tashika");
  app.set_version_flag("--version", version());
  app.require_subcommand(1);
  app.footer(
      "Example:\n  tashika ingest --config tashika.toml && tashika serve --config tashika.toml");
  server::Run run;
  server::add_ingest(app, run);
  server::add_serve(app, run);
  server::add_index(app, run);
  server::add_inspect(app, run);
  server::add_migrate(app, run);
  server::add_institution_commands(app, run);
  server::add_audit(app, run);
  server::add_feed(app, run);
  server::add_keys(app, run);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? server::kExitOk : server::kExitUsage;
  }
  return run_command(run);
}
