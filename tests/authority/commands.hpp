// The command line of jlis-standin. Each function adds one subcommand whose callback does the work.
#pragma once

#include <CLI/CLI.hpp>

#include "authority/instant.hpp"

namespace authority {

// `now` is what "now" means where the user gives no time.
void add_pki_command(CLI::App& program, Instant now);
void add_crl_command(CLI::App& program, Instant now);
void add_serials_command(CLI::App& program);
void add_serve_command(CLI::App& program);

}  // namespace authority
