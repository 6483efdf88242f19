// router.hpp: from an address and a method to its route.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/api/route.hpp"

namespace server {

class Router {
 public:
  // Throws std::logic_error if two routes have one address and method.
  explicit Router(std::vector<Route> routes);

  struct Match {
    std::optional<std::size_t> route;  // in routes(); nothing: none takes this
    std::vector<std::string> path;     // what the pattern's {} stood for
    std::string allow;  // "GET, HEAD": what the address takes; empty: no such address
  };
  // HEAD is answered as GET. Cost: O(routes).
  [[nodiscard]] Match find(Method method, std::string_view target) const;

  [[nodiscard]] const std::vector<Route>& routes() const { return routes_; }

 private:
  std::vector<Route> routes_;
  std::vector<std::vector<std::string>> segments_;  // of each route's pattern
};

// "GET", "POST", …; empty for those that no route has.
[[nodiscard]] std::string_view method_name(Method method);

}  // namespace server
