// What certificates that Shunt makes have in common: a leaf for a handshake (mint.cpp), the CA of
// `shuntctl ca`.
#pragma once

#include <string>

#include "proxy/net/tls.h"

namespace shunt::net {

// Not signed yet: version 3, a random serial, good from a day ago for `valid_s` seconds. Null:
// OpenSSL did not make it.
Certificate blank_certificate(const std::string& common_name, EVP_PKEY* key, long valid_s);
// Adds an extension, in OpenSSL's words: (NID_key_usage, "critical,keyCertSign"). False: it cannot.
bool extend(X509* certificate, X509* issuer, int kind, const std::string& value);

}  // namespace shunt::net
