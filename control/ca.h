// `shuntctl ca`: a CA that is good for nothing but the addresses where Shunt listens.
#pragma once

#include <string>
#include <vector>

#include "control/failure.h"

namespace shunt::control {

struct MadeCa {
  std::string certificate, key;    // files, PEM
  std::vector<std::string> names;  // what it may sign for, addresses with their masks
  std::string not_after;           // RFC 3339, UTC
};

// Makes FOLDER/shunt-ca.pem and FOLDER/shunt-ca.key (mode 0600), a root on P-256 whose critical
// name constraints (RFC 5280, 4.2.1.10) are 127.0.0.0/8, ::1, localhost and `names` (DNS names,
// with all below them, or addresses). `days` >= 1. Never writes over a file. False: `failure` says
// why.
bool make_ca(const std::string& folder, const std::vector<std::string>& names, int days,
             MadeCa& made, Failure& failure);

}  // namespace shunt::control
