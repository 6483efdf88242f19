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

// Something is missing, likely because what stands there instead is misspelt: so that is named.
int explain(const CLI::App& app, const CLI::ParseError& error) {
  const std::vector<std::string> unknown = app.remaining(true);
  const bool is_missing = error.get_exit_code() == static_cast<int>(CLI::ExitCodes::RequiredError);
  if (is_missing && !unknown.empty()) {
    fmt::print(stderr, "tashika: `{}` is not known here; --help shows what is\n", unknown.front());
    return server::kExitUsage;
  }
  return app.exit(error) == 0 ? server::kExitOk : server::kExitUsage;
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
  // Commands take over what is here when they are added, and have examples of their own.
  app.footer(
      "Example:\n  tashika ingest --config tashika.toml && tashika serve --config tashika.toml");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return explain(app, error);
  }
  return run_command(run);
}
