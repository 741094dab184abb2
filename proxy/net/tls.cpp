#include "proxy/net/tls.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include "proxy/net/mint.h"

namespace shunt::net {

namespace {

// What OpenSSL's words come from, where they do not say it; null: they do.
const char* meaning(int reason) {
  switch (reason) {
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_HTTP_REQUEST:
      return "the peer does not speak TLS on this port";
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
      return "the peer does not trust our certificate: its CA, its dates or its names";
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
    case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:
      return "a client certificate is asked for?";
    default:
      return nullptr;
  }
}

}  // namespace

std::string tls_problem(const char* otherwise) {
  std::string out;
  // The last one is the most telling; those below it say on which way it came about.
  while (const auto code = ERR_get_error()) {
    const char* text = ERR_reason_error_string(code);
    out = text != nullptr ? text : "error " + std::to_string(code);
    if (const char* means = meaning(ERR_GET_REASON(code));
        ERR_GET_LIB(code) == ERR_LIB_SSL && means)
      out += std::string(" (") + means + ")";
  }
  return out.empty() ? otherwise : out;
}

namespace {

// One read of the socket takes several records of 16 KiB when there are.
constexpr std::size_t read_ahead_bytes = 64 * 1024;

SslContext context_for(const SSL_METHOD* method) {
  SslContext c(SSL_CTX_new(method));
  SSL_CTX_set_min_proto_version(c.get(), TLS1_2_VERSION);
  // Many peers end TCP without TLS's farewell: a frame's size says what is whole. A renegotiation
  // would let a read wait for a write.
  SSL_CTX_set_options(c.get(), SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_NO_RENEGOTIATION);
  // What could not be written is given again from another place; idle connections keep no buffers.
  SSL_CTX_set_mode(c.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_read_ahead(c.get(), 1);
  SSL_CTX_set_default_read_buffer_len(c.get(), read_ahead_bytes);
  return c;
}

// The certificate, with its chain, and the key. Empty: done; else "KEY: FILE: problem".
std::string use(SSL_CTX* c, const std::string& where, const std::string& certificate,
                const std::string& key) {
  if (SSL_CTX_use_certificate_chain_file(c, certificate.c_str()) != 1)
    return where + ".certificate: " + certificate + ": " + tls_problem("no certificate") +
           "; a PEM file with the certificate first, then its chain";
  if (SSL_CTX_use_PrivateKey_file(c, key.c_str(), SSL_FILETYPE_PEM) != 1)
    return where + ".key: " + key + ": " + tls_problem("no key") +
           "; a PEM file with the certificate's private key, without a password";
  return {};
}

// An address as a client or a certificate writes it, into `out`; its length, 0: it is a name.
int as_address(const std::string& host, unsigned char (&out)[16]) {
  if (inet_pton(AF_INET, host.c_str(), out) == 1) return 4;
  return inet_pton(AF_INET6, host.c_str(), out) == 1 ? 16 : 0;
}

std::string local_address(const SSL* ssl) {
  sockaddr_storage at{};
  socklen_t size = sizeof at;
  char text[INET6_ADDRSTRLEN] = "";
  if (::getsockname(SSL_get_fd(ssl), reinterpret_cast<sockaddr*>(&at), &size) != 0) return {};
  if (at.ss_family == AF_INET)
    inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(&at)->sin_addr, text, sizeof text);
  else
    inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6*>(&at)->sin6_addr, text, sizeof text);
  return text;
}

int choose_certificate(SSL* ssl, void* mint) {
  const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  return static_cast<Mint*>(mint)->present(ssl, local_address(ssl), name != nullptr ? name : "");
}

}  // namespace

TlsServer::TlsServer() : context_(context_for(TLS_server_method())) {}
TlsServer::~TlsServer() = default;

std::shared_ptr<TlsServer> TlsServer::make(const ListenTls& files, std::string& why) {
  ERR_clear_error();
  std::shared_ptr<TlsServer> out(new TlsServer);
  auto* c = out->context_.get();
  if (!files.mint_ca.empty()) {
    out->mint_ = Mint::make(files.mint_ca, files.mint_key, why);
    if (!out->mint_) return nullptr;
    SSL_CTX_set_cert_cb(c, choose_certificate, out->mint_.get());
  } else {
    why = use(c, "listen.tls", files.certificate, files.key);
    if (!why.empty()) return nullptr;
  }
  constexpr unsigned char sessions[] = "shunt";
  SSL_CTX_set_session_id_context(c, sessions, sizeof sessions - 1);
  if (files.client_auth == ClientAuth::none) return out;
  if (SSL_CTX_load_verify_file(c, files.client_ca.c_str()) != 1) {
    why = "listen.tls.client_ca: " + files.client_ca + ": " + tls_problem("no certificate") +
          "; a PEM file with the CA of the clients' certificates";
    return nullptr;
  }
  SSL_CTX_set_client_CA_list(c, SSL_load_client_CA_file(files.client_ca.c_str()));
  const bool must = files.client_auth == ClientAuth::require;
  SSL_CTX_set_verify(c, SSL_VERIFY_PEER | (must ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), nullptr);
  return out;
}

bool TlsServer::names(const std::string& host) const {
  if (mint_) return true;
  auto* certificate = SSL_CTX_get0_certificate(context_.get());
  unsigned char address[16];
  const auto size = static_cast<std::size_t>(as_address(host, address));
  return (size == 0 ? X509_check_host(certificate, host.c_str(), host.size(), 0, nullptr)
                    : X509_check_ip(certificate, address, size, 0)) == 1;
}

std::string TlsServer::named() const {
  std::string out;
  if (mint_) return out;
  std::unique_ptr<GENERAL_NAMES, Freed<GENERAL_NAMES_free>> all(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(SSL_CTX_get0_certificate(context_.get()),
                                                   NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; all && i < sk_GENERAL_NAME_num(all.get()); ++i) {
    const auto* one = sk_GENERAL_NAME_value(all.get(), i);
    if (one->type != GEN_DNS) continue;
    const auto* text = reinterpret_cast<const char*>(ASN1_STRING_get0_data(one->d.dNSName));
    out += out.empty() ? "" : ", ";
    out.append(text, static_cast<std::size_t>(ASN1_STRING_length(one->d.dNSName)));
  }
  return out;
}

SslPtr TlsServer::session() const {
  SslPtr ssl(SSL_new(context_.get()));
  if (ssl) SSL_set_accept_state(ssl.get());
  return ssl;
}

std::shared_ptr<TlsClient> TlsClient::make(const ClusterTls& files, const std::string& key,
                                           std::string& why) {
  ERR_clear_error();
  auto out = std::make_shared<TlsClient>();
  out->context_ = context_for(TLS_client_method());
  out->verify_ = files.verify;
  auto* c = out->context_.get();
  const bool trusts = files.ca == "system" ? SSL_CTX_set_default_verify_paths(c) == 1
                                           : SSL_CTX_load_verify_file(c, files.ca.c_str()) == 1;
  if (!trusts) {
    why = key + ".ca: " + files.ca + ": " + tls_problem("no certificate") +
          "; a PEM file with the CA of the brokers' certificates, or `system`";
    return nullptr;
  }
  if (!files.certificate.empty()) {
    why = use(c, key, files.certificate, files.key);
    if (!why.empty()) return nullptr;
  }
  SSL_CTX_set_verify(c, files.verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
  return out;
}

SslPtr TlsClient::session(const std::string& host) const {
  SslPtr ssl(SSL_new(context_.get()));
  if (!ssl) return ssl;
  SSL_set_connect_state(ssl.get());
  unsigned char address[16];
  const int size = as_address(host, address);
  // (OpenSSL's macro for it has a C cast.)
  auto name = host;
  if (size == 0)
    SSL_ctrl(ssl.get(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, name.data());
  if (!verify_) return ssl;
  if (size == 0)
    SSL_set1_host(ssl.get(), host.c_str());
  else
    X509_VERIFY_PARAM_set1_ip(SSL_get0_param(ssl.get()), address, static_cast<std::size_t>(size));
  return ssl;
}

std::string TlsContexts::load(const Settings& s) {
  TlsContexts made;
  std::string why;
  if (s.tls.on()) {
    made.listen = TlsServer::make(s.tls, why);
    if (!made.listen) return why;
    if (s.advertise == Advertise::address && !made.listen->names(s.advertise_host))
      return "listen.advertise.host: " + s.advertise_host + " is not a name of " +
             s.tls.certificate + " (which has: " + made.listen->named() +
             "); clients that check names would not connect";
  }
  if (s.old_cluster.tls.enabled) {
    made.to[0] = TlsClient::make(s.old_cluster.tls, "clusters.old.tls", why);
    if (!made.to[0]) return why;
  }
  if (s.new_cluster && s.new_cluster->tls.enabled) {
    made.to[1] = TlsClient::make(s.new_cluster->tls, "clusters.new.tls", why);
    if (!made.to[1]) return why;
  }
  *this = std::move(made);
  return {};
}

std::string peer_subject(const SSL* ssl) {
  const X509* certificate = SSL_get0_peer_certificate(ssl);
  if (certificate == nullptr) return {};
  std::unique_ptr<BIO, Freed<BIO_free_all>> out(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(out.get(), X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253);
  char* text = nullptr;
  const auto size = BIO_get_mem_data(out.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

}  // namespace shunt::net
