#include "tests/support/fixtures.hpp"

#include <openssl/pem.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "tests/support/openssl.hpp"

namespace test {

std::string source_text(std::string_view path) {
  const std::filesystem::path whole_path = std::filesystem::path(TASHIKA_SOURCE_DIR) / path;
  std::ifstream file(whole_path, std::ios::binary);
  if (!file) throw std::runtime_error("can't read " + whole_path.string());
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string data_text(std::string_view file_name) {
  return source_text("tests/data/" + std::string(file_name));
}

Octets data_file(std::string_view file_name) {
  return text(data_text(file_name));
}

Octets data_pem(std::string_view file_name) {
  const std::string pem = data_text(file_name);
  const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  char* label = nullptr;
  char* header = nullptr;
  unsigned char* data = nullptr;
  long size = 0;
  if (PEM_read_bio(bio.get(), &label, &header, &data, &size) != 1) {
    throw std::runtime_error("no PEM in " + std::string(file_name));
  }
  Octets der(data, data + size);
  OPENSSL_free(label);
  OPENSSL_free(header);
  OPENSSL_free(data);
  return der;
}

}  // namespace test
