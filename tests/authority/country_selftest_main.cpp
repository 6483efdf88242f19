// Runs the tests of the country; with `--dump DIR`, writes certificates for country_check.py
// instead.
#define CATCH_CONFIG_RUNNER
#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>
#include <string>

#include "authority/country_fixture.hpp"
#include "authority/person.hpp"

namespace authority {
namespace {

using nlohmann::json;

constexpr Instant kYear = 365 * kSecondsPerDay;

// What country_check.py compares with: the authorities, and all certificates of sixty people.
void dump(const std::filesystem::path& folder) {
  auto country = make_country(60);
  country->advance(kTestStart + kYear);
  json list = json::array();
  for (std::size_t i = 0; i < test_authorities().size(); ++i) {
    const AuthorityDescription& by = test_authorities()[i];
    write_certificate(folder / (by.name + ".pem"), by.identity.certificate.get());
    for (const IssuedCertificate& it : country->books(i).certificates()) {
      const std::string file = by.name + "-" + hexadecimal(it.serial) + ".der";
      const Octets der = country->certificate(i, it.serial);
      std::ofstream(folder / file, std::ios::binary)
          .write(reinterpret_cast<const char*>(der.data()),
                 static_cast<std::streamsize>(der.size()));
      const FourItems& items = country->resident(it.person).record_at(it.issued_at).items;
      list.push_back({{"file", file},
                      {"authority", by.name},
                      {"signing", by.purpose == Purpose::signing},
                      {"phone", by.medium == Medium::phone},
                      {"generation", by.generation},
                      {"serial", hexadecimal(it.serial)},
                      {"issued_at", it.issued_at},
                      {"not_after", it.not_after},
                      {"prefecture", country->partition_prefecture(it.partition)},
                      {"town", country->partition_name(it.partition)},
                      {"items",
                       {items.name, items.name_map, items.sex, items.birthdate, items.address,
                        items.address_map}}});
    }
  }
  std::ofstream(folder / "certificates.json") << list.dump(1) << "\n";
}

}  // namespace
}  // namespace authority

int main(int argc, char** argv) {
  if (argc == 3 && std::string(argv[1]) == "--dump") {
    authority::dump(argv[2]);
    return 0;
  }
  return Catch::Session().run(argc, argv);
}
