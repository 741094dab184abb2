#include "proxy/net/mint.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <ctime>

#include "proxy/net/x509.h"
#include "proxy/observe/log.h"

namespace shunt::net {
namespace {

constexpr long day_s = 24 * 60 * 60;
constexpr long valid_s = 30 * day_s, renewed_s = 7 * day_s;
constexpr std::size_t leaves_kept_max = 4096;  // clients choose the names
constexpr std::size_t name_max = 253;

using File = std::unique_ptr<BIO, Freed<BIO_free_all>>;
File open_file(const std::string& path) { return File(BIO_new_file(path.c_str(), "r")); }

// A name may become part of a certificate: letters, digits, hyphens and dots, nothing else.
bool is_dns_name(const std::string& name) {
  return !name.empty() && name.size() <= name_max && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_';
  });
}

}  // namespace

std::unique_ptr<Mint> Mint::make(const std::string& ca_file, const std::string& key_file,
                                 std::string& why) {
  auto mint = std::make_unique<Mint>();
  const auto file = open_file(ca_file);
  if (file) mint->ca_.reset(PEM_read_bio_X509(file.get(), nullptr, nullptr, nullptr));
  if (!mint->ca_) {
    why = "listen.tls.mint_ca: " + ca_file + ": " + tls_problem("no certificate in it") +
          "; make one with `shuntctl ca`";
    return nullptr;
  }
  for (;;) {
    Certificate next(PEM_read_bio_X509(file.get(), nullptr, nullptr, nullptr));
    if (!next) break;
    mint->chain_.push_back(std::move(next));
  }
  ERR_clear_error();  // the end of the file
  // Clients have a root themselves.
  const bool root = X509_check_issued(mint->ca_.get(), mint->ca_.get()) == X509_V_OK;
  if (!root) {
    X509_up_ref(mint->ca_.get());
    mint->chain_.insert(mint->chain_.begin(), Certificate(mint->ca_.get()));
  }
  if (X509_check_ca(mint->ca_.get()) == 0) {
    why = "listen.tls.mint_ca: " + ca_file +
          ": not a CA's certificate (basicConstraints CA:TRUE); make one with `shuntctl ca`";
    return nullptr;
  }
  const auto key = open_file(key_file);
  if (key) mint->ca_key_.reset(PEM_read_bio_PrivateKey(key.get(), nullptr, nullptr, nullptr));
  if (!mint->ca_key_ || X509_check_private_key(mint->ca_.get(), mint->ca_key_.get()) != 1) {
    why = "listen.tls.mint_key: " + key_file + ": " +
          tls_problem("it does not belong to the certificate") +
          "; it must be the key of listen.tls.mint_ca";
    return nullptr;
  }
  mint->leaf_key_.reset(EVP_EC_gen("P-256"));
  if (!mint->leaf_key_) {
    why = "listen.tls.mint_ca: no key for leaves: " + tls_problem("unknown");
    return nullptr;
  }
  if (X509_get_ext_by_NID(mint->ca_.get(), NID_name_constraints, -1) < 0)
    observe::log::warn("tls.unconstrained",
                       {{"file", ca_file},
                        {"why", "who has its key can be any host to those who trust it"},
                        {"next", "`shuntctl ca` makes one that is good for loopback alone"}});
  return mint;
}

bool Mint::present(SSL* ssl, const std::string& address, const std::string& name) {
  const auto asked = is_dns_name(name) ? name : std::string{};
  const auto key = address + "/" + asked;
  const auto now = std::time(nullptr);
  auto it = leaves_.find(key);
  if (it == leaves_.end() || now - it->second.made > renewed_s) {
    auto leaf = sign(address, asked);
    if (leaf && !asked.empty() && !permitted(leaf.get())) {
      observe::log::limited(
          observe::log::Level::warn, "tls.name_not_permitted",
          {{"name", asked}, {"next", "`shuntctl ca --name " + asked + "` makes a CA that may"}});
      leaf = sign(address, {});
    }
    if (!leaf) {
      observe::log::limited(observe::log::Level::error, "tls.not_minted",
                            {{"address", address}, {"why", tls_problem("unknown")}});
      return false;
    }
    if (leaves_.size() >= leaves_kept_max) leaves_.clear();
    it = leaves_.insert_or_assign(key, Leaf{std::move(leaf), now}).first;
  }
  if (SSL_use_certificate(ssl, it->second.certificate.get()) != 1 ||
      SSL_use_PrivateKey(ssl, leaf_key_.get()) != 1)
    return false;
  for (const auto& c : chain_) {
    if (SSL_add1_chain_cert(ssl, c.get()) != 1) return false;
  }
  return true;
}

Certificate Mint::sign(const std::string& address, const std::string& name) const {
  auto leaf = blank_certificate("shunt", leaf_key_.get(), valid_s);
  if (!leaf) return nullptr;
  const auto* ca_ends = X509_get0_notAfter(ca_.get());
  if (ASN1_TIME_compare(X509_get0_notAfter(leaf.get()), ca_ends) > 0)
    X509_set1_notAfter(leaf.get(), ca_ends);
  X509_set_issuer_name(leaf.get(), X509_get_subject_name(ca_.get()));
  auto names = "IP:" + address;
  if (!name.empty()) names += ",DNS:" + name;
  auto* c = leaf.get();
  auto* ca = ca_.get();
  const bool whole = extend(c, ca, NID_subject_alt_name, names) &&
                     extend(c, ca, NID_basic_constraints, "critical,CA:FALSE") &&
                     extend(c, ca, NID_key_usage, "critical,digitalSignature") &&
                     extend(c, ca, NID_ext_key_usage, "serverAuth") &&
                     extend(c, ca, NID_subject_key_identifier, "hash");
  // Not all CAs have a key identifier; without one the issuer's name alone finds it.
  if (X509_get0_subject_key_id(ca) != nullptr) extend(c, ca, NID_authority_key_identifier, "keyid");
  const auto* digest = EVP_PKEY_is_a(ca_key_.get(), "ED25519") ? nullptr : EVP_sha256();
  if (!whole || X509_sign(c, ca_key_.get(), digest) == 0) return nullptr;
  return leaf;
}

// A name outside the CA's constraints makes clients refuse the whole leaf.
bool Mint::permitted(X509* leaf) const {
  std::unique_ptr<NAME_CONSTRAINTS, Freed<NAME_CONSTRAINTS_free>> limits(
      static_cast<NAME_CONSTRAINTS*>(
          X509_get_ext_d2i(ca_.get(), NID_name_constraints, nullptr, nullptr)));
  X509_check_purpose(leaf, -1, 0);  // else its names are not looked up yet
  return !limits || NAME_CONSTRAINTS_check(leaf, limits.get()) == X509_V_OK;
}

}  // namespace shunt::net
