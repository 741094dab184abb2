#include "proxy/net/resolver.h"

#include <boost/asio/post.hpp>

namespace shunt::net {
namespace asio = boost::asio;
using tcp = asio::ip::tcp;

void Resolver::resolve(const route::Endpoint& at, Done done) {
  boost::system::error_code e;
  if (const auto address = asio::ip::make_address(at.host, e); !e) {
    asio::post(resolver_.get_executor(),
               [done = std::move(done), endpoint = tcp::endpoint(address, at.port)] {
                 done({}, {endpoint});
               });
    return;
  }
  resolver_.async_resolve(
      at.host, std::to_string(at.port), tcp::resolver::numeric_service,
      [done = std::move(done), host = at.host](boost::system::error_code error,
                                               tcp::resolver::results_type results) {
        Endpoints found;
        for (const auto& r : results) found.push_back(r.endpoint());
        if (error) return done("cannot resolve " + host + ": " + error.message(), {});
        if (found.empty()) return done("cannot resolve " + host + ": no address", {});
        done({}, found);
      });
}

}  // namespace shunt::net
