#include <memory>

#include "authority/commands.hpp"
#include "authority/standin.hpp"

namespace authority {

void add_serve_command(CLI::App& program) {
  CLI::App* const command = program.add_subcommand(
      "serve", "Be J-LIS: people live, lists appear, a test moves the clock");
  command->footer(
      "Time stands still until somebody moves it through the control port. The same options and\n"
      "the same requests there give the same people and the same lists, octet for octet with RSA.\n"
      "Certificates, responder keys and ports.json are in the directory; ends on SIGTERM.\n\n"
      "Example:\n"
      "  jlis-standin serve --directory var/authority --seed 7 --people 1000 --municipalities 47 "
      "\\\n"
      "    --start 2026-04-01T00:00:00Z --deltas --http 127.0.0.1:8081 --control 127.0.0.1:8082");
  const auto options = std::make_shared<StandinOptions>();
  const auto start = std::make_shared<std::string>();
  CountryOptions& country = options->world.country;
  command->add_option("--directory", options->directory, "Where to write files; made if missing")
      ->required()
      ->type_name("DIR");
  command->add_option("--start", *start, "What time it is in the beginning")
      ->required()
      ->type_name("RFC3339");
  command->add_option("--seed", country.seed, "Which country (default 1)")->type_name("N");
  command->add_option("--people", country.people, "How many people (default 1000)")
      ->check(CLI::Range(std::uint32_t{1}, std::uint32_t{10'000'000}))
      ->type_name("N");
  command
      ->add_option("--municipalities", country.municipalities,
                   "How many of them, each a distribution point (default 47)")
      ->check(CLI::Range(std::uint32_t{1}, std::uint32_t{9999}))
      ->type_name("N");
  command
      ->add_option("--pace", country.pace, "How fast people live: all rates times this (default 1)")
      ->check(CLI::Range(0.0, 1000.0))
      ->type_name("X");
  command->add_flag("--deltas", options->world.deltas, "Also publish deltas, every 15 minutes");
  command
      ->add_option(
          "--complete-every", options->world.complete_interval,
          "Seconds between complete lists, dividing the day (default 86400): to show a day "
          "in a minute")
      ->check(CLI::Range(Instant{1}, kSecondsPerDay))
      ->check(CLI::Validator(
          [](std::string& text) {
            return kSecondsPerDay % std::stoll(text) == 0 ? std::string() : "does not divide a day";
          },
          "dividing a day"))
      ->excludes("--deltas")
      ->type_name("SECONDS");
  command
      ->add_option("--base-age", options->world.base_age_days,
                   "Days between the base of deltas and the newest complete list (default 0)")
      ->check(CLI::Range(0, Schedule::kBaseAgeDaysMax))
      ->type_name("DAYS");
  const auto add_port = [command](const char* name, std::string& address, const char* help) {
    command->add_option(name, address, help)->type_name("HOST:PORT");
  };
  add_port("--http", options->http, "Lists (default 127.0.0.1:0, a free port)");
  add_port("--https", options->https, "Lists, by TLS (default the same)");
  add_port("--control", options->control, "What tests move the world by (default the same)");
  add_port("--upstream", options->upstream,
           "The four-information service, by mutual TLS (default the same)");
  command->callback([options, start] {
    options->world.country.start = parse_instant(*start);
    run_standin(*options);
  });
}

}  // namespace authority
