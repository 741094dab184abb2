// The journal's records as JSON and back (README.md lists their keys).
//
// Each is an object with `v` (1), `type`, `time` and its own keys. Text from peers that is not
// UTF-8 is kept exactly: under KEY_hex instead of KEY.
#pragma once

#include <string>
#include <variant>

#include <boost/json/object.hpp>

#include "proxy/route/identity.h"
#include "proxy/route/versions.h"
#include "proxy/splice/records.h"

namespace shunt::control {

constexpr int records_version = 1;

// A file's first record. `snapshot`: the file stands alone; those before it are left over.
struct Begin {
  bool snapshot = false;
};
struct KnownVersions {
  route::Cluster cluster;
  route::ApiRanges ranges;
};
struct KnownClusterId {
  route::Cluster cluster;
  std::string id;
};

// A piece of a record that is too large for one: the JSON of all `parts`, put together, is it.
// Pieces follow each other; without the last one the record was never written.
struct Part {
  std::uint32_t part = 0, parts = 0;  // from 0
  std::string json;
};

using Record =
    std::variant<Begin, KnownVersions, KnownClusterId, Part, route::IdentityRecord, splice::Record>;

// Without `v` and `time`, which the journal puts in front.
boost::json::object to_json(const Record& record);

// nullopt: `problem` says why ("unknown version 2 ..., "key block is missing").
std::optional<Record> from_json(std::string_view text, std::string& problem);

}  // namespace shunt::control
