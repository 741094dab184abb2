// A mutation's body: known keys of the right kind, or usage; and queries.
#include "control/bodies.h"

#include <algorithm>

#include <boost/json/parse.hpp>

#include "control/units.h"

namespace shunt::control {
namespace {

namespace json = boost::json;

Failure wrong(const std::string& key, const std::string& what, const std::string& next = "") {
  return {"usage", key.empty() ? what : key + ": " + what, key, next};
}

std::vector<std::string> split(std::string_view list) {
  std::vector<std::string> out;
  while (!list.empty()) {
    const auto comma = std::min(list.find(','), list.size());
    if (comma > 0) out.emplace_back(list.substr(0, comma));
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return out;
}

// The keys of one command, taken one by one; the first problem stays. done() refuses what is left.
class Keys {
 public:
  Keys(std::string_view body, Failure& failure) : failure_(failure) {
    json::error_code ec;
    const json::value v = body.find_first_not_of(" \r\n\t") == std::string_view::npos
                              ? json::value(json::object())
                              : json::parse(body, ec);
    if (ec || !v.is_object()) {
      refuse(wrong("", "the body is not a JSON object", "send the long options as keys"));
      return;
    }
    for (const auto& [key, value] : v.get_object()) {
      std::string name(key);
      std::replace(name.begin(), name.end(), '-', '_');
      if (!left_.emplace(name, value).second) refuse(wrong(name, "twice"));
    }
  }

  std::string text(const std::string& key, const std::vector<std::string>& allowed = {}) {
    const json::value v = take(key);
    if (v.is_null()) return "";
    const std::string out = v.is_string() ? std::string(v.get_string()) : "";
    const bool good =
        v.is_string() && !out.empty() &&
        (allowed.empty() || std::find(allowed.begin(), allowed.end(), out) != allowed.end());
    std::string expected;
    for (const auto& a : allowed) expected += (expected.empty() ? "" : " or ") + a;
    if (!good) refuse(wrong(key, "expected " + (expected.empty() ? "a text" : expected)));
    return out;
  }

  std::vector<std::string> list(const std::string& key) {
    std::vector<std::string> out;
    const json::value v = take(key);
    const auto add = [&](const json::value& one) {
      if (!one.is_string()) return refuse(wrong(key, "expected names or globs"));
      for (auto& name : split(one.get_string())) out.push_back(std::move(name));
    };
    if (v.is_null()) return out;
    if (v.is_array())
      for (const auto& one : v.get_array()) add(one);
    else
      add(v);
    if (out.empty()) refuse(wrong(key, "no names in it"));
    return out;
  }

  bool flag(const std::string& key) {
    const json::value v = take(key);
    if (!v.is_null() && !v.is_bool()) refuse(wrong(key, "expected true or false"));
    return v.is_bool() && v.get_bool();
  }

  std::optional<std::int64_t> number(const std::string& key, std::int64_t least,
                                     std::int64_t most) {
    const json::value v = take(key);
    if (v.is_null()) return std::nullopt;
    if (v.is_int64() && v.get_int64() >= least && v.get_int64() <= most) return v.get_int64();
    refuse(wrong(
        key, "expected a number from " + std::to_string(least) + " to " + std::to_string(most)));
    return std::nullopt;
  }

  Wait wait() {
    constexpr std::int64_t day_ms = 86'400'000;
    const auto ms = number("wait_ms", 0, 365 * day_ms);
    return ms ? Wait(std::chrono::milliseconds(*ms)) : std::nullopt;
  }

  splice::Cluster to() {
    return text("to", {"old", "new"}) == "old" ? splice::Cluster::old_cluster
                                               : splice::Cluster::new_cluster;
  }

  // To be asked before the key is taken.
  void need(const std::string& key) {
    if (!left_.contains(key)) refuse(wrong(key, "missing"));
  }

  void refuse(Failure f) {
    if (good_) failure_ = std::move(f);
    good_ = false;
  }

  bool done() {
    if (good_ && !left_.empty()) {
      const std::string& key = left_.begin()->first;
      const std::string near = nearest(key, known_);
      refuse(wrong(key, "unknown key", near.empty() ? "" : "did you mean " + near + "?"));
    }
    return good_;
  }

 private:
  // null: not given.
  json::value take(const std::string& key) {
    known_.push_back(key);
    const auto at = left_.find(key);
    if (at == left_.end()) return nullptr;
    json::value out = std::move(at->second);
    left_.erase(at);
    return out;
  }
  Failure& failure_;
  bool good_ = true;
  std::map<std::string, json::value> left_;
  std::vector<std::string> known_;
};

std::string decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto hex = [&](std::size_t at) {
      constexpr std::string_view digits = "0123456789abcdef0123456789ABCDEF";
      const auto d = at < text.size() ? digits.find(text[at]) : std::string_view::npos;
      return d == std::string_view::npos ? -1 : static_cast<int>(d % 16);
    };
    if (text[i] == '%' && hex(i + 1) >= 0 && hex(i + 2) >= 0) {
      out += static_cast<char>(hex(i + 1) * 16 + hex(i + 2));
      i += 2;
    } else {
      out += text[i] == '+' ? ' ' : text[i];
    }
  }
  return out;
}

}  // namespace

std::optional<net::StartRequest> read_start(std::string_view body, Wait& wait, Failure& failure) {
  Keys keys(body, failure);
  net::StartRequest out;
  keys.need("scheme");
  keys.need("topics");
  out.scheme = static_cast<int>(keys.number("scheme", 1, 3).value_or(1));
  out.topics = keys.list("topics");
  out.accept_history = keys.flag("accept_history");
  out.accept_stragglers = keys.flag("accept_stragglers");
  wait = keys.wait();
  return keys.done() ? std::optional(out) : std::nullopt;
}

std::optional<MoveBody> read_move(std::string_view body, Wait& wait, Failure& failure) {
  Keys keys(body, failure);
  MoveBody out;
  keys.need("kind");
  out.kind = keys.text("kind", {"produce", "fetch"});
  if (out.kind == "fetch") {
    const auto to = keys.text("to", {"old", "new", "both"});
    out.both = to == "both";
    out.fetch.to = to == "old" ? splice::Cluster::old_cluster : splice::Cluster::new_cluster;
    out.fetch.group = keys.text("group");
    if (keys.flag("all") == !out.fetch.group.empty())
      keys.refuse(wrong("group", "expected a group, or all"));
    out.fetch.wait = keys.flag("wait");
    out.fetch.migration = keys.text("migration");
    out.fetch.accept_stragglers = keys.flag("accept_stragglers");
  } else {
    out.produce.to = keys.to();
    out.produce.topics = keys.list("topics");
    out.produce.migration = keys.text("migration");
    out.produce.accept_stragglers = keys.flag("accept_stragglers");
  }
  wait = keys.wait();
  return keys.done() ? std::optional(out) : std::nullopt;
}

std::optional<net::UndoRequest> read_undo(std::string_view body, Wait& wait, Failure& failure) {
  Keys keys(body, failure);
  net::UndoRequest out;
  out.migration = keys.text("migration");
  out.move = keys.text("move");
  out.without_new = keys.flag("without_new");
  out.skip_unreachable = keys.flag("skip_unreachable");
  out.accept_stragglers = keys.flag("accept_stragglers");
  wait = keys.wait();
  if (!keys.done()) return std::nullopt;
  if (!out.skip_unreachable || out.without_new) return out;
  failure = wrong("skip_unreachable", "goes with without_new only");
  return std::nullopt;
}

std::optional<net::FinishRequest> read_finish(std::string_view body, Wait& wait, Failure& failure) {
  Keys keys(body, failure);
  net::FinishRequest out;
  out.migration = keys.text("migration");
  out.accept_history = keys.flag("accept_history");
  wait = keys.wait();
  return keys.done() ? std::optional(out) : std::nullopt;
}

std::optional<std::string> read_pause(std::string_view body, Wait& wait, Failure& failure) {
  Keys keys(body, failure);
  const std::string out = keys.text("migration");
  wait = keys.wait();
  return keys.done() ? std::optional(out) : std::nullopt;
}

std::optional<Query> read_query(std::string_view target, const std::vector<std::string>& keys,
                                Failure& failure) {
  Query out;
  std::string_view rest = target.substr(std::min(target.find('?'), target.size()));
  if (!rest.empty()) rest.remove_prefix(1);
  while (!rest.empty()) {
    const auto end = std::min(rest.find('&'), rest.size());
    const std::string_view pair = rest.substr(0, end);
    const auto equals = std::min(pair.find('='), pair.size());
    const std::string key = decoded(pair.substr(0, equals));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (pair.empty()) continue;
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) {
      const std::string near = nearest(key, keys);
      failure = wrong(key, "unknown key", near.empty() ? "" : "did you mean " + near + "?");
      return std::nullopt;
    }
    out[key] = decoded(pair.substr(std::min(equals + 1, pair.size())));
  }
  return out;
}

}  // namespace shunt::control
