// Random values that fit a message: for tests of what must hold for every message.
#pragma once

#include <random>
#include <string>
#include <vector>

#include "proxy/wire/value.h"

namespace shunt::wire {

class RandomValue {
 public:
  explicit RandomValue(std::uint32_t seed) : random_(seed) {}

  int below(int n) { return std::uniform_int_distribution<int>(0, n - 1)(random_); }

  // A struct with every field of `version`, now and then one left out or an unknown tag more.
  Struct fields(std::span<const Field> all, Version version, bool flexible, int depth = 0) {
    Struct s;
    for (const Field& f : all) {
      if (!f.versions.contains(version) || below(12) == 0) continue;
      s.set(f.name, field(f, version, flexible, depth));
    }
    if (flexible && below(8) == 0) {
      s.set("_unknown", Array{Struct{{"tag", 1000 + below(200000)}, {"bytes", some_bytes()}}});
    }
    return s;
  }

 private:
  Value field(const Field& f, Version version, bool flexible, int depth) {
    if (f.nullable.contains(version) && below(5) == 0) return {};
    if (!f.array) return one(f, version, flexible, depth);
    Array elements(static_cast<std::size_t>(below(depth < 2 ? 4 : 2)));
    for (Value& e : elements) e = one(f, version, flexible, depth + 1);
    return elements;
  }

  Value one(const Field& f, Version version, bool flexible, int depth) {
    switch (f.type) {
      case Type::boolean:
        return below(2) == 1;
      case Type::int8:
        return below(256) - 128;
      case Type::int16:
        return below(65536) - 32768;
      case Type::uint16:
        return below(65536);
      case Type::int32:
        return static_cast<int>(random_());
      case Type::uint32:
        return static_cast<std::uint32_t>(random_());
      case Type::int64:
        return static_cast<std::int64_t>(random_()) << below(32);
      case Type::float64:
        return below(1000000) / 64.0;
      case Type::string:
        return std::string(static_cast<std::size_t>(below(20) == 0 ? 200 : below(9)), 'x');
      case Type::bytes:
      case Type::records:
        return some_bytes();
      case Type::uuid: {
        Uuid id;
        for (std::byte& b : id) b = static_cast<std::byte>(below(256));
        return id;
      }
      case Type::structure:
        return fields(fields_of(f), version, flexible, depth + 1);
    }
    return {};
  }

  std::vector<std::byte> some_bytes() {
    std::vector<std::byte> v(static_cast<std::size_t>(below(30) == 0 ? 300 : below(12)));
    for (std::byte& b : v) b = static_cast<std::byte>(below(256));
    return v;
  }

  std::mt19937 random_;
};

}  // namespace shunt::wire
