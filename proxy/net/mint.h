// Leaf certificates, made at the handshake for the address that was dialled (rules B7): no static
// certificate names all of 127/8. Signed by a CA that the applications trust; in memory only.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "proxy/net/tls.h"

namespace shunt::net {

class Mint {
 public:
  // The CA's certificate (first in its file; further ones are sent as the chain) and key, PEM.
  // Null: `why` says "listen.tls.KEY: FILE: problem; what to do".
  static std::unique_ptr<Mint> make(const std::string& ca_file, const std::string& key_file,
                                    std::string& why);
  // Gives `ssl` a leaf for the local address, as text, and the name that the client asked for (SNI;
  // empty: none). False: it could not be made.
  bool present(SSL* ssl, const std::string& address, const std::string& name);

 private:
  struct Leaf {
    Certificate certificate;
    std::time_t made = 0;
  };
  Certificate sign(const std::string& address, const std::string& name) const;
  bool permitted(X509* leaf) const;

  Certificate ca_;
  std::vector<Certificate> chain_;  // to be sent with a leaf
  PrivateKey ca_key_, leaf_key_;    // one key for all leaves
  std::map<std::string, Leaf> leaves_;
};

}  // namespace shunt::net
