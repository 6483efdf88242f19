// Catch2's own main, compiled once and apart from the tests.
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>
