// One key of a journal record: written, and read back with a check.
//
// A Reader keeps the first problem it meets and gives empty values from then on: who reads a record
// takes all its keys and looks at `problem` once.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "proxy/route/node.h"
#include "proxy/wire/value.h"

namespace shunt::control {

struct Writer {
  boost::json::object& out;
  // Text that is not UTF-8 goes, exactly as it is, under KEY_hex.
  void text(std::string_view key, std::string_view value);
  void texts(std::string_view key, const std::vector<std::string>& values);
  void number(std::string_view key, auto value) { out[key] = static_cast<std::int64_t>(value); }
  void cluster(route::Cluster c) { cluster("cluster", c); }
  void cluster(std::string_view key, route::Cluster c) { out[key] = route::name(c); }
  void uuid(std::string_view key, const wire::Uuid& id);
  // A list of objects: `fill` writes one item's keys.
  template <class T, class Fill>
  void list(std::string_view key, const T& items, Fill fill) {
    boost::json::array all;
    for (const auto& item : items) {
      boost::json::object one;
      fill(Writer{one}, item);
      all.push_back(std::move(one));
    }
    out[key] = std::move(all);
  }
};

struct Reader {
  const boost::json::object& in;
  std::string& problem;
  bool ok() const { return problem.empty(); }
  void refuse(std::string_view key) {
    if (ok()) problem = "key " + std::string(key) + " is missing or cannot be";
  }
  std::string text(std::string_view key);
  std::vector<std::string> texts(std::string_view key);
  template <class T>
  T number(std::string_view key) {
    const auto* v = in.if_contains(key);
    if (v && v->is_int64() &&
        static_cast<std::int64_t>(static_cast<T>(v->get_int64())) == v->get_int64())
      return static_cast<T>(v->get_int64());
    refuse(key);
    return T{};
  }
  bool flag(std::string_view key);
  route::Cluster cluster(std::string_view key = "cluster");
  wire::Uuid uuid(std::string_view key);
  // A list of objects: `take` reads one item's keys.
  template <class Take>
  void list(std::string_view key, Take take) {
    const auto* v = in.if_contains(key);
    if (!v || !v->is_array()) return refuse(key);
    for (const auto& item : v->get_array()) {
      if (!item.is_object()) return refuse(key);
      Reader one{item.get_object(), problem};
      take(one);
    }
  }
};

}  // namespace shunt::control
