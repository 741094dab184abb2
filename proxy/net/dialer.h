// How the brokers of one cluster are reached.
#pragma once

#include <memory>

#include "proxy/net/resolver.h"
#include "proxy/net/sasl.h"
#include "proxy/net/tls.h"

namespace shunt::net {

struct Dialer {
  Resolver& resolver;
  std::shared_ptr<const TlsClient> tls{};      // null: plain; another one after a reload
  std::shared_ptr<const Credentials> login{};  // who we are there; null: nobody is asked
};

}  // namespace shunt::net
