// Messages for tests: encode and decode that must succeed, fields by role, split arrays.
#pragma once

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "proxy/wire/split.h"
#include "proxy/wire/value.h"

namespace messages {

using shunt::wire::Field;
using shunt::wire::Message;
using shunt::wire::Value;
using shunt::wire::Version;
using Buffer = std::vector<std::byte>;

inline Buffer encoded(const Message& m, int version, const Value& body) {
  Buffer out;
  const char* why = shunt::wire::encode(m, static_cast<Version>(version), body, out);
  INFO(m.name << " v" << version);
  REQUIRE(std::string(why != nullptr ? why : "") == "");
  return out;
}

inline Value decoded(const Message& m, int version, shunt::wire::Bytes body) {
  const char* why = nullptr;
  Value v = shunt::wire::decode(m, static_cast<Version>(version), body, why);
  INFO(m.name << " v" << version);
  REQUIRE(std::string(why != nullptr ? why : "") == "");
  return v;
}

// The split array among these fields; null: none in this version.
inline const Field* split_array(std::span<const Field> fields, int version) {
  const auto at = std::ranges::find_if(
      fields, [&](const Field& f) { return f.array && f.split && f.versions.contains(version); });
  return at == fields.end() ? nullptr : &*at;
}

inline const Field* with_role(std::span<const Field> fields, shunt::wire::Role role, int version) {
  const auto at = std::ranges::find_if(
      fields, [&](const Field& f) { return f.role == role && f.versions.contains(version); });
  return at == fields.end() ? nullptr : &*at;
}

inline Value with(const Value& v, std::string_view name, Value now) {
  return v.fields().set(name, std::move(now));
}

inline std::string text(shunt::wire::Bytes b) {
  return {reinterpret_cast<const char*>(b.data()), b.size()};
}

}  // namespace messages
