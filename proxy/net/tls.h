// TLS by OpenSSL: what Shunt is to its clients (TlsServer) and to brokers (TlsClient). 1.2 and 1.3.
//
// Contexts are made from files, whole or not at all, so that they can be made anew while
// connections of the former ones go on.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>

#include "proxy/net/settings.h"

namespace shunt::net {

template <auto free>
struct Freed {
  template <class T>
  void operator()(T* p) const {
    free(p);
  }
};
using SslPtr = std::unique_ptr<SSL, Freed<SSL_free>>;
using SslContext = std::unique_ptr<SSL_CTX, Freed<SSL_CTX_free>>;
using Certificate = std::unique_ptr<X509, Freed<X509_free>>;
using PrivateKey = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;

// What OpenSSL's error queue holds, as one sentence; it is empty afterwards. `otherwise` when it
// holds nothing.
std::string tls_problem(const char* otherwise);

class Mint;

class TlsServer {
 public:
  // Null: `why` says "listen.tls.KEY: FILE: problem; what to do".
  static std::shared_ptr<TlsServer> make(const ListenTls& files, std::string& why);
  ~TlsServer();
  // For one accepted connection. This must outlive the handshake.
  SslPtr session() const;
  // Does it name that host? Minted leaves name what was dialled.
  bool names(const std::string& host) const;
  // What a static certificate names: "kafka.example, 10.0.0.1".
  std::string named() const;

 private:
  TlsServer();
  SslContext context_;
  std::unique_ptr<Mint> mint_;  // null: a static certificate
};

class TlsClient {
 public:
  // `key` is the configuration's, "clusters.old.tls". Null: `why` says what is wrong.
  static std::shared_ptr<TlsClient> make(const ClusterTls& files, const std::string& key,
                                         std::string& why);
  // For one connection to `host`, a name or an address, which the broker's certificate must name.
  SslPtr session(const std::string& host) const;

 private:
  SslContext context_;
  bool verify_ = true;
};

// All contexts of a configuration.
struct TlsContexts {
  std::shared_ptr<const TlsServer> listen;  // null: off
  std::shared_ptr<const TlsClient> to[2];   // by cluster; null: plain
  // Reads all files. Empty: done; else "KEY: FILE: problem; what to do", and nothing is changed.
  std::string load(const Settings& settings);
};

// "CN=app,O=example" of the peer's certificate (RFC 2253, as Kafka's principals); empty: none.
std::string peer_subject(const SSL* ssl);

}  // namespace shunt::net
