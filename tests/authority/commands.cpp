#include "authority/commands.hpp"

#include <chrono>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "authority/hierarchy.hpp"
#include "authority/revocation_list.hpp"
#include "authority/serial_set.hpp"

namespace authority {
namespace {

constexpr std::int64_t kNextUpdateDays = 7;

const std::map<std::string, Algorithm> kAlgorithms{
    {"rsa2048", Algorithm::rsa2048}, {"p256", Algorithm::p256}, {"p384", Algorithm::p384}};
const std::map<std::string, SerialKind> kSerialKinds{{"counter", SerialKind::counter},
                                                     {"uniform64", SerialKind::uniform64},
                                                     {"random20", SerialKind::random20}};
const std::map<std::string, Order> kOrders{
    {"issue", Order::issue}, {"sorted", Order::sorted}, {"shuffled", Order::shuffled}};
const std::map<std::string, ReasonMix> kReasonMixes{{"jpki", ReasonMix::jpki},
                                                    {"none", ReasonMix::none}};

// An option that takes one of a few words.
template <typename Enum>
CLI::Option* add_choice(CLI::App& command, const std::string& name, Enum& value,
                        const std::map<std::string, Enum>& words, const std::string& help) {
  std::string list;
  for (const auto& [word, unused] : words) list += (list.empty() ? "" : "|") + word;
  return command
      .add_option_function<std::string>(
          name, [&value, &words](const std::string& word) { value = words.at(word); }, help)
      ->check(CLI::IsMember(words).description(""))
      ->type_name(list);
}

// A serial number in hexadecimal that fits 64 bits.
CLI::Option* add_first_serial(CLI::App& command, std::uint64_t& value, const std::string& help) {
  return command
      .add_option_function<std::string>(
          "--first-serial",
          [&value](const std::string& text) {
            const Serial serial = parse_serial(text);
            if (serial.size > 8) throw CLI::ValidationError("--first-serial", "must fit 64 bits");
            value = 0;
            for (std::size_t i = 0; i < serial.size; ++i) value = value << 8U | serial.octets[i];
          },
          help)
      ->type_name("HEX");
}

// The options that decide which serials are on a list: `crl` and `serials` share them.
struct SerialArguments {
  SerialSetOptions options;
  std::vector<std::string> revoked;

  void add_to(CLI::App& command) {
    command.add_option("--entries", options.entries, "How many entries to generate")
        ->required()
        ->check(CLI::Range(std::uint64_t{0}, std::uint64_t{4'000'000'000}))
        ->type_name("N");
    command.add_option("--seed", options.seed, "Which list: same seed, same entries (default 1)")
        ->type_name("N");
    add_choice(command, "--serials", options.kind, kSerialKinds,
               "Kind of serials (default counter)");
    add_first_serial(command, options.first_serial,
                     "Where the counter starts (default 02000000); other kinds ignore it");
    command
        .add_option("--revoke", revoked,
                    "Also revoke SERIAL, SERIAL:reason or SERIAL:reason:RFC3339; repeatable.\n"
                    "Reasons: keyCompromise affiliationChanged superseded cessationOfOperation\n"
                    "certificateHold")
        ->type_name("HEX[:REASON[:TIME]]");
  }

  [[nodiscard]] SerialSetOptions parsed() const {
    SerialSetOptions result = options;
    for (const std::string& text : revoked) result.named.push_back(parse_named_revocation(text));
    return result;
  }
};

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

struct CrlArguments {
  RevocationListOptions list;
  SerialArguments serials;
  std::string this_update;
  std::string next_update;
  std::string revoked_before;
};

void run_crl(CrlArguments arguments, Instant now) {
  const auto start = std::chrono::steady_clock::now();
  RevocationListOptions& list = arguments.list;
  const auto time_or = [](const std::string& text, Instant otherwise) {
    return text.empty() ? otherwise : parse_instant(text);
  };
  list.this_update = time_or(arguments.this_update, now);
  list.next_update =
      time_or(arguments.next_update, list.this_update + kNextUpdateDays * kSecondsPerDay);
  list.revoked_before = time_or(arguments.revoked_before, start_of_year(year_of(list.this_update)));
  list.serials = arguments.serials.parsed();
  const RevocationListSummary summary = write_revocation_list(list);
  std::printf("%llu entries, %llu bytes, %.2f seconds, %s\n",
              static_cast<unsigned long long>(summary.entries),
              static_cast<unsigned long long>(summary.bytes), seconds_since(start),
              list.output.c_str());
}

}  // namespace

void add_pki_command(CLI::App& program, Instant now) {
  CLI::App* const command = program.add_subcommand(
      "pki", "Make an authority, its OCSP responder and certificates of people");
  command->footer(
      "Same options with the same --seed and --now give the same bytes. With an elliptic-curve\n"
      "authority only the keys, names and serials repeat: ECDSA signatures hold a random number.\n"
      "RSA keys come from four public test keys, chosen by the seed; people's keys are P-256.\n\n"
      "Example:\n"
      "  jlis-standin pki --out var/authority --seed 7 --now 2026-04-01T00:00:00Z --certificates "
      "3");
  const auto options = std::make_shared<HierarchyOptions>();
  const auto now_text = std::make_shared<std::string>();
  command->add_option("--out", options->directory, "Directory to write to; made if missing")
      ->required()
      ->type_name("DIR");
  command->add_option("--seed", options->seed, "Which hierarchy (default 1)")->type_name("N");
  add_choice(*command, "--algorithm", options->authority_algorithm, kAlgorithms,
             "Key of the authority (default rsa2048)");
  add_choice(*command, "--responder-algorithm", options->responder_algorithm, kAlgorithms,
             "Key of the OCSP responder (default p256)");
  command
      ->add_option("--name", options->name,
                   "Last OU of the authority's name (default \"Stand-in for J-LIS\")")
      ->type_name("NAME");
  command->add_option("--days", options->validity_days, "Days of validity (default 1825)")
      ->type_name("N");
  command->add_option("--now", *now_text, "The moment of issue (default the clock)")
      ->type_name("RFC3339");
  command
      ->add_option("--certificates", options->certificates,
                   "Also make this many certificate-SERIAL.pem and .key (default 0)")
      ->check(CLI::Range(std::uint64_t{0}, std::uint64_t{100'000}))
      ->type_name("K");
  add_first_serial(*command, options->first_serial, "Serial of the first of them (default 1000)");
  command->add_option("--ocsp-url", options->ocsp_url, "OCSP address to write in them")
      ->type_name("URL");
  command->callback([options, now_text, now] {
    options->now = now_text->empty() ? now : parse_instant(*now_text);
    write_hierarchy(*options);
    std::printf("authority, responder and %llu certificates in %s\n",
                static_cast<unsigned long long>(options->certificates), options->directory.c_str());
  });
}

void add_crl_command(CLI::App& program, Instant now) {
  CLI::App* const command = program.add_subcommand("crl", "Write a signed CRL of any size");
  command->footer(
      "A longer list of one seed holds the entries of the shorter one, with the same dates and\n"
      "reasons: tomorrow's list is the same command with a larger --entries and --number.\n"
      "The default order is shuffled for counters and issue, which looks random, for other kinds.\n"
      "Same options, same bytes; only an elliptic-curve signature differs each time.\n\n"
      "Example:\n"
      "  jlis-standin crl --ca var/authority/ca.pem --key var/authority/ca.key \\\n"
      "    --out var/crl.der --entries 20000000 --seed 7 --number 42 --revoke "
      "1001:certificateHold");
  const auto arguments = std::make_shared<CrlArguments>();
  RevocationListOptions& list = arguments->list;
  command->add_option("--ca", list.certificate, "The authority's certificate")
      ->required()
      ->type_name("PEM");
  command->add_option("--key", list.key, "The authority's key")->required()->type_name("PEM");
  command->add_option("--out", list.output, "The file to write or replace")
      ->required()
      ->type_name("FILE");
  arguments->serials.add_to(*command);
  CLI::Option* const order = add_choice(*command, "--order", list.order, kOrders,
                                        "Order of the entries (default: see the end)");
  add_choice(*command, "--reasons", list.reasons, kReasonMixes,
             "Mix of revocation reasons (default jpki)");
  command->add_option("--number", list.number, "CRLNumber, decimal (default 1)")->type_name("N");
  command->add_option("--base-number", list.base_number, "Makes it a delta to the list of number N")
      ->type_name("N");
  command
      ->add_option("--distribution-point", list.distribution_point,
                   "Makes it a partition, for the distribution point of this common name")
      ->type_name("NAME");
  command->add_option("--this-update", arguments->this_update, "Default the clock")
      ->type_name("RFC3339");
  command->add_option("--next-update", arguments->next_update, "Default 7 days after this update")
      ->type_name("RFC3339");
  command
      ->add_option("--revoked-before", arguments->revoked_before,
                   "Generated entries were revoked in the five years before this day\n"
                   "(default the start of the year of this update)")
      ->type_name("RFC3339");
  command->callback([arguments, order, now] {
    if (order->empty() && arguments->serials.options.kind != SerialKind::counter) {
      arguments->list.order = Order::issue;
    }
    run_crl(*arguments, now);
  });
}

void add_serials_command(CLI::App& program) {
  CLI::App* const command = program.add_subcommand(
      "serials", "Print serials that are on the list of the same options, or are not");
  command->footer(
      "Give the options that 'crl' was given: --entries --seed --serials --first-serial --revoke.\n"
      "--absent is certain: counter serials stand one in each cell of 2 to 16 numbers, and "
      "another\n"
      "number of such a cell is printed; random serials are a bijection of their index, and "
      "members\n"
      "behind the last entry are printed. Serials named by --revoke are left out. No serial is\n"
      "printed twice.\n\n"
      "Example:\n"
      "  jlis-standin serials --entries 20000000 --seed 7 --count 1000 --seed2 1 --absent");
  struct Arguments {
    SerialArguments serials;
    std::uint64_t count = 0;
    std::uint64_t seed2 = 1;
    bool absent = false;
  };
  const auto arguments = std::make_shared<Arguments>();
  arguments->serials.add_to(*command);
  command->add_option("--count", arguments->count, "How many to print")->required()->type_name("K");
  command->add_option("--seed2", arguments->seed2, "Which ones (default 1)")->type_name("T");
  command->add_flag("--absent", arguments->absent, "Serials that are certainly not on the list");
  command->callback([arguments] {
    const SerialSet set(arguments->serials.parsed());
    const auto print = [](const Serial& serial) { std::puts(hexadecimal(serial).c_str()); };
    if (arguments->absent) {
      set.pick_absent(arguments->count, arguments->seed2, print);
    } else {
      set.pick_present(arguments->count, arguments->seed2, print);
    }
  });
}

}  // namespace authority
