#include "proxy/net/x509.h"

#include <openssl/rand.h>
#include <openssl/x509v3.h>

namespace shunt::net {
namespace {
constexpr long day_s = 24 * 60 * 60;
}  // namespace

Certificate blank_certificate(const std::string& common_name, EVP_PKEY* key, long valid_s) {
  Certificate out(X509_new());
  unsigned char serial[16];
  if (!out || RAND_bytes(serial, sizeof serial) != 1) return nullptr;
  serial[0] &= 0x7f;  // positive (RFC 5280)
  std::unique_ptr<BIGNUM, Freed<BN_free>> number(BN_bin2bn(serial, sizeof serial, nullptr));
  if (!number || BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(out.get())) == nullptr)
    return nullptr;
  X509_set_version(out.get(), X509_VERSION_3);
  X509_gmtime_adj(X509_getm_notBefore(out.get()), -day_s);
  X509_gmtime_adj(X509_getm_notAfter(out.get()), valid_s);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(out.get()), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(common_name.c_str()), -1, -1,
                             0);
  X509_set_pubkey(out.get(), key);
  return out;
}

bool extend(X509* certificate, X509* issuer, int kind, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  std::unique_ptr<X509_EXTENSION, Freed<X509_EXTENSION_free>> one(
      X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str()));
  return one && X509_add_ext(certificate, one.get(), -1) == 1;
}

}  // namespace shunt::net
