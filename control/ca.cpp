#include "control/ca.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <filesystem>

#include <arpa/inet.h>
#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include "control/file.h"
#include "control/units.h"
#include "proxy/net/tls.h"
#include "proxy/net/x509.h"
#include "proxy/observe/text.h"

namespace shunt::control {
namespace {

using net::Certificate;
using net::extend;
using net::Freed;
using net::PrivateKey;
using net::tls_problem;

constexpr long day_s = 24 * 60 * 60;
constexpr int days_max = 36500;

// "DNS:NAME" or "IP:ADDRESS/MASK" as OpenSSL's configuration writes it; empty: neither.
std::string constraint(const std::string& name) {
  unsigned char address[16];
  if (inet_pton(AF_INET, name.c_str(), address) == 1) return "IP:" + name + "/255.255.255.255";
  if (inet_pton(AF_INET6, name.c_str(), address) == 1)
    return "IP:" + name + "/ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
  const bool plain = is_host(name) && name.find_first_of(",:;/*") == std::string::npos;
  return plain ? "DNS:" + name : "";
}

Certificate sign(EVP_PKEY* key, const std::string& constraints, int days) {
  // Its name differs from those of others: clients may trust several.
  auto out = net::blank_certificate("Shunt " + observe::rfc3339(observe::unix_ms_now()), key,
                                    days * day_s);
  if (!out) return nullptr;
  auto* ca = out.get();
  X509_set_issuer_name(ca, X509_get_subject_name(ca));
  const bool whole = extend(ca, ca, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
                     extend(ca, ca, NID_key_usage, "critical,keyCertSign") &&
                     extend(ca, ca, NID_subject_key_identifier, "hash") &&
                     extend(ca, ca, NID_name_constraints, "critical," + constraints);
  if (!whole || X509_sign(ca, key, EVP_sha256()) == 0) return nullptr;
  return out;
}

// Whether it could be written, all of it, into a new file.
template <class Write>
bool write_new(const std::string& path, mode_t mode, Write write, Failure& failure) {
  File file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
  if (!file) {
    const bool there = errno == EEXIST;
    failure = {"ca_failed", std::strerror(errno), path,
               there ? "--out another folder: what applications trust is not written over"
                     : "--out a folder that can be written"};
    return false;
  }
  std::unique_ptr<BIO, Freed<BIO_free_all>> out(BIO_new_fd(file.fd(), BIO_NOCLOSE));
  if (write(out.get()) == 1 && ::fsync(file.fd()) == 0) return true;
  failure = {"ca_failed", tls_problem("cannot write"), path, "make room on its disk"};
  return false;
}

}  // namespace

bool make_ca(const std::string& folder, const std::vector<std::string>& names, int days,
             MadeCa& made, Failure& failure) {
  std::string constraints =
      "permitted;IP:127.0.0.0/255.0.0.0,permitted;IP:::1/"
      "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff,permitted;DNS:localhost";
  made.names = {"127.0.0.0/8", "::1", "localhost"};
  for (const auto& name : names) {
    const auto one = constraint(name);
    if (one.empty()) {
      failure = {"usage", '"' + name + "\" is neither a DNS name nor an address", "--name",
                 "shuntctl ca --help"};
      return false;
    }
    constraints += ",permitted;" + one;
    made.names.push_back(name);
  }
  if (days < 1 || days > days_max) {
    failure = {"usage", std::to_string(days) + " days", "--days",
               "1 to " + std::to_string(days_max)};
    return false;
  }
  const auto place = std::filesystem::absolute(folder).lexically_normal();
  made.certificate = (place / "shunt-ca.pem").string();
  made.key = (place / "shunt-ca.key").string();
  const PrivateKey key(EVP_EC_gen("P-256"));
  const auto ca = key ? sign(key.get(), constraints, days) : nullptr;
  if (!ca) {
    failure = {"ca_failed", tls_problem("OpenSSL did not make it"), "", ""};
    return false;
  }
  std::tm end{};
  ASN1_TIME_to_tm(X509_get0_notAfter(ca.get()), &end);
  made.not_after = observe::rfc3339(::timegm(&end) * 1000LL);
  if (::mkdir(folder.c_str(), 0755) != 0 && errno != EEXIST) {
    failure = {"ca_failed", std::strerror(errno), folder, "--out a folder that can be made"};
    return false;
  }
  // The key first: a certificate without it would be trusted and of no use.
  return write_new(
             made.key, 0600,
             [&](BIO* out) {
               return PEM_write_bio_PrivateKey(out, key.get(), nullptr, nullptr, 0, nullptr,
                                               nullptr);
             },
             failure) &&
         write_new(
             made.certificate, 0644, [&](BIO* out) { return PEM_write_bio_X509(out, ca.get()); },
             failure);
}

}  // namespace shunt::control
