// Fetch and Produce answers renumbered whole and as they stream, against a model on trees.
#include "proxy/route/offsets.h"

#include <catch2/catch.hpp>
#include <map>

#include "tests/unit/record_sets.h"
#include "tests/unit/shown_tree.h"

using namespace shunt;
using namespace shunt::route;
using messages::decoded;
using messages::encoded;
using record_sets::Buffer;
using record_sets::Random;
using shown_tree::FakeNaming;
using wire::Array;
using wire::Role;
using wire::Struct;
using wire::Value;

namespace {

constexpr wire::ApiKey produce = 0, fetch = 1;

// What is to be shown, by the shown topic and partition; log ends get a shift of their own so that
// the roles are told apart.
class FakeOffsets : public Offsets {
 public:
  std::map<std::pair<std::string, int>, Shift> by_name;
  std::map<std::pair<wire::Uuid, int>, Shift> by_id;
  std::int64_t refuse_above = Shift::no_end;

  const Shift* at(std::string_view topic, const wire::Uuid& id, std::int32_t partition) override {
    now_ = find(std::string(topic), id, partition);
    return now_;
  }
  std::optional<std::int64_t> shown(Role role, std::int64_t native) override {
    REQUIRE(now_ != nullptr);
    REQUIRE(native >= 0);
    if (native > refuse_above) return std::nullopt;
    return shown_as(*now_, role, native);
  }
  const Shift* find(const std::string& topic, const wire::Uuid& id, int partition) const {
    if (!topic.empty()) {
      const auto at = by_name.find({topic, partition});
      return at == by_name.end() ? nullptr : &at->second;
    }
    const auto at = by_id.find({id, partition});
    return at == by_id.end() ? nullptr : &at->second;
  }
  static std::int64_t shown_as(const Shift& s, Role role, std::int64_t native) {
    return native + s.offset + 1000 * static_cast<int>(role);
  }

 private:
  const Shift* now_ = nullptr;
};

// The record set as it must come out, batch by batch.
Buffer renumbered(wire::Bytes set, const Shift& s) {
  Buffer out(set.begin(), set.end());
  for (std::size_t at = 0; at < out.size();) {
    wire::BatchHeader h;
    if (wire::parse(wire::Bytes(out).subspan(at), h) != wire::BatchParse::ok) break;
    if (at + h.size() > out.size()) break;  // a partial batch is no client's
    wire::store(out.data() + at, h.base_offset + s.offset);
    if (h.magic == 2) {
      wire::store(out.data() + at + 12,
                  h.leader_epoch < 0 ? -1 : std::min(h.leader_epoch + s.epoch_base, s.epoch_last));
      CHECK(record_sets::checksum_holds(wire::Bytes(out).subspan(at, h.size())));
    }
    at += h.size();
  }
  return out;
}

// The tree with every number of a partition shown.
Value shown_fields(std::span<const wire::Field> fields, const Value& v, const Shift& s) {
  Struct out = v.fields();
  for (const auto& f : fields) {
    const Value* found = out.find(f.name);
    if (found == nullptr || found->null()) continue;
    const Value now = *found;
    if (f.type == wire::Type::structure) {
      if (!f.array) {
        out.set(f.name, shown_fields(fields_of(f), now, s));
        continue;
      }
      Array list;
      for (const Value& e : now.array()) list.push_back(shown_fields(fields_of(f), e, s));
      out.set(f.name, std::move(list));
    } else if (f.role == Role::records) {
      out.set(f.name, renumbered(now.bytes(), s));
    } else if (f.role == Role::leader_epoch && now.number() >= 0) {
      out.set(f.name, std::min<std::int64_t>(now.number() + s.epoch_base, s.epoch_last));
    } else if ((f.role == Role::offset || f.role == Role::log_end || f.role == Role::stable_end ||
                f.role == Role::log_start) &&
               now.number() >= 0) {
      out.set(f.name, FakeOffsets::shown_as(s, f.role, now.number()));
    }
  }
  return out;
}

Value shown_answer(wire::ApiKey api, const Value& body, const FakeOffsets& offsets) {
  const wire::Field* topics = nullptr;
  for (const auto& f : fields_of(*wire::response(api))) {
    if (std::string_view(f.name) == "Responses") topics = &f;
  }
  const char* inner = api == fetch ? "Partitions" : "PartitionResponses";
  const char* name = api == fetch ? "Topic" : "Name";
  const char* index = api == fetch ? "PartitionIndex" : "Index";
  const auto all = fields_of(*topics);
  const auto at = std::ranges::find_if(
      all, [&](const wire::Field& f) { return std::string_view(f.name) == inner; });
  Array out;
  for (const Value& t : body["Responses"].array()) {
    Array list;
    for (const Value& p : t[inner].array()) {
      const Shift* s = offsets.find(std::string(t[name].text()), t["TopicId"].uuid(),
                                    static_cast<int>(p[index].number()));
      list.push_back(s == nullptr ? p : shown_fields(fields_of(*at), p, *s));
    }
    out.push_back(messages::with(t, inner, std::move(list)));
  }
  return messages::with(body, "Responses", std::move(out));
}

struct Case {
  wire::ApiKey api = fetch;
  wire::Version version = 4;
  Cluster from = Cluster::old_cluster;
  Buffer body;
  FakeOffsets offsets;
};

Buffer record_set(Random& random, std::size_t payload_max) {
  Buffer set;
  std::int64_t at = random.below(100000);
  for (int n = random.below(5); n > 0; --n) {
    const auto payload = static_cast<std::size_t>(random.below(static_cast<int>(payload_max)));
    const int kind = random.below(6);
    if (kind == 0) {
      record_sets::append(
          set, record_sets::message(random, at++, 1, static_cast<std::int8_t>(random.below(4)),
                                    payload));
    } else if (kind == 1) {
      record_sets::append(set, record_sets::message(random, at++, 0, 0, payload));
    } else {
      const int records = 1 + random.below(50);
      record_sets::append(set, record_sets::batch(random, at, records, random.below(9) - 1,
                                                  random.below(3) - 1, payload));
      at += records;
    }
  }
  if (random.one_in(3)) {  // a partial batch at the end
    Buffer part = record_sets::batch(random, at, 3, 1, -1, payload_max);
    part.resize(static_cast<std::size_t>(random.below(static_cast<int>(part.size()))));
    record_sets::append(set, part);
  }
  return set;
}

std::int64_t some_offset(Random& random) { return random.one_in(5) ? -1 : random.below(1 << 20); }

Struct partition(Random& random, wire::ApiKey api, int index, std::size_t payload_max) {
  const auto epoch = [&] { return random.below(6) - 1; };
  if (api == produce) {
    return {{"Index", index},
            {"ErrorCode", random.below(3)},
            {"BaseOffset", some_offset(random)},
            {"LogAppendTimeMs", 1234567},
            {"LogStartOffset", some_offset(random)},
            {"CurrentLeader", Struct{{"LeaderId", 3}, {"LeaderEpoch", epoch()}}}};
  }
  Array aborted;
  for (int n = random.below(3); n > 0; --n) {
    aborted.push_back(
        Struct{{"ProducerId", random.below(1000)}, {"FirstOffset", some_offset(random)}});
  }
  return {{"PartitionIndex", index},
          {"ErrorCode", random.below(2)},
          {"HighWatermark", some_offset(random)},
          {"LastStableOffset", some_offset(random)},
          {"LogStartOffset", some_offset(random)},
          {"DivergingEpoch", Struct{{"Epoch", epoch()}, {"EndOffset", some_offset(random)}}},
          {"CurrentLeader", Struct{{"LeaderId", 3}, {"LeaderEpoch", epoch()}}},
          {"AbortedTransactions", random.one_in(3) ? Value() : Value(std::move(aborted))},
          {"PreferredReadReplica", 2},
          {"Records", random.one_in(6) ? Value() : Value(record_set(random, payload_max))}};
}

Case make(Random& random, wire::ApiKey api, std::size_t payload_max) {
  Case c;
  c.api = api;
  const auto valid = wire::response(api)->valid;
  c.version = static_cast<wire::Version>(valid.first + random.below(valid.last - valid.first + 1));
  c.from = random.one_in(2) ? Cluster::old_cluster : Cluster::new_cluster;
  FakeNaming naming;
  Array topics;
  for (int t = random.below(4); t >= 0; --t) {
    const std::string name = "topic-" + std::to_string(t);
    wire::Uuid id{};
    id[0] = static_cast<std::byte>(t + 1);
    id[3] = std::byte{1};
    Array list;
    for (int p = random.below(4); p >= 0; --p) {
      list.push_back(partition(random, api, p, payload_max));
      if (random.one_in(4)) continue;  // passes unchanged
      Shift s;
      if (!random.one_in(6)) {
        s = {.offset = random.below(1 << 20) - (1 << 19),
             .epoch_base = random.below(100),
             .epoch_last = random.one_in(3) ? 2 : Shift::no_last};
      }
      c.offsets.by_name[{name, p}] = c.offsets.by_id[{naming.topic_id(c.from, id), p}] = s;
    }
    topics.push_back(Struct{{"Topic", name}, {"TopicId", id}, {"Partitions", list}});
    if (api == produce) {
      topics.back() = Struct{{"Name", name}, {"TopicId", id}, {"PartitionResponses", list}};
    }
  }
  c.body = encoded(*wire::response(api), c.version, Struct{{"Responses", std::move(topics)}});
  return c;
}

Buffer whole(Case& c, bool with_offsets, std::string* error = nullptr) {
  FakeNaming naming;
  Noticed noticed;
  wire::Edits edits;
  const char* why = translate(*wire::response(c.api), c.version, c.body, c.from, naming, edits,
                              noticed, with_offsets ? &c.offsets : nullptr);
  if (error != nullptr) {
    *error = why != nullptr ? why : "";
  } else {
    REQUIRE(std::string(why != nullptr ? why : "") == "");
  }
  Buffer out;
  edits.append_to(out, c.body);
  return out;
}

// Through a StreamTranslator; next(have) says how many bytes have come by the next step.
template <class Next>
Buffer streamed(Case& c, Next next, std::string* error = nullptr) {
  FakeNaming naming;
  StreamTranslator t(*wire::response(c.api), c.version, c.body.size(), c.from, naming, &c.offsets);
  Buffer all = c.body;
  std::size_t done = 0, have = 0;
  while (!t.done()) {
    done += t.take(std::span(all).subspan(done, have - done));
    if (error != nullptr && t.error() != nullptr) {
      *error = t.error();
      all.resize(done);
      return all;
    }
    REQUIRE(t.error() == nullptr);
    if (t.done()) break;
    REQUIRE(have < all.size());
    REQUIRE(have - done < 400);  // what is not complete: a token, or a header
    have = std::min(all.size(), next(have));
  }
  REQUIRE(done == all.size());
  return all;
}

}  // namespace

TEST_CASE("offsets: an answer is renumbered as the model says, whole and in any pieces",
          "[offsets]") {
  Random random(11);
  for (int round = 0; round < 1500; ++round) {
    Case c = make(random, random.one_in(4) ? produce : fetch, 60);
    INFO("round " << round << " api " << c.api << " v" << c.version << " " << name(c.from));
    const wire::Message& m = *wire::response(c.api);
    const Value named = decoded(m, c.version, whole(c, false));
    const Buffer out = whole(c, true);
    REQUIRE(decoded(m, c.version, out) == shown_answer(c.api, named, c.offsets));
    REQUIRE(streamed(c, [](std::size_t have) { return have + 1; }) == out);
    REQUIRE(streamed(c, [&](std::size_t have) {
              return have + 1 + static_cast<std::size_t>(random.below(100));
            }) == out);
  }
}

TEST_CASE("offsets: cut in two at every byte, the answer is the same", "[offsets]") {
  Random random(12);
  for (int round = 0; round < 40; ++round) {
    Case c = make(random, fetch, 30);
    const Buffer out = whole(c, true);
    for (std::size_t cut = 0; cut <= c.body.size(); ++cut) {
      REQUIRE(streamed(c, [&](std::size_t have) { return have < cut ? cut : c.body.size(); }) ==
              out);
    }
  }
}

TEST_CASE("offsets: a large batch is not held for its header's sake", "[offsets]") {
  Random random(13);
  for (int round = 0; round < 20; ++round) {
    Case c = make(random, fetch, 200000);
    const Buffer out = whole(c, true);
    REQUIRE(streamed(c, [&](std::size_t have) {
              return have + 1 + static_cast<std::size_t>(random.below(65536));
            }) == out);
  }
}

TEST_CASE("offsets: what may not be shown ends the answer before it", "[offsets]") {
  Random random(14);
  const auto refused = [&](const Struct& entry, const Shift& shift, std::int64_t above) {
    Case c;
    c.version = 12;
    c.offsets.by_name[{"t", 0}] = shift;
    c.offsets.refuse_above = above;
    c.body =
        encoded(*wire::response(fetch), c.version,
                Struct{{"Responses", Array{Struct{{"Topic", "t"}, {"Partitions", Array{entry}}}}}});
    std::string held, stream;
    whole(c, true, &held);
    const Buffer out = streamed(
        c, [](std::size_t have) { return have + 7; }, &stream);
    CHECK(held == stream);
    if (!held.empty()) CHECK(out.size() < c.body.size());
    return held;
  };
  const Buffer first = record_sets::batch(random, 90, 10, 1, -1, 50);
  Buffer set = first;
  record_sets::append(set, record_sets::batch(random, 100, 10, 1, -1, 50));
  const Struct good{{"HighWatermark", 100}, {"LastStableOffset", 100}, {"Records", first}};
  CHECK(refused(good, {.offset = 5, .native_end = 100}, 100) == "");
  CHECK(refused(good, {.offset = 0, .native_end = 100}, 100) == "");
  CHECK(refused(good, {.offset = 5, .native_end = 100}, 99) ==
        "an answer reaches past the end of its segment");
  const Struct beyond{{"HighWatermark", 100}, {"Records", set}};
  for (const std::int64_t offset : {0, 5}) {
    CHECK(refused(beyond, {.offset = offset, .native_end = 100}, 100) ==
          "a batch lies past the end of its segment");
  }
  CHECK(refused(good, {.refused = "not here"}, 100) == "not here");
  const Struct error{{"ErrorCode", 6}, {"HighWatermark", -1}, {"LastStableOffset", -1}};
  CHECK(refused(error, {.refused = "not here"}, 100) == "");
  const Struct only_records{{"HighWatermark", -1}, {"Records", first}};
  CHECK(refused(only_records, {.refused = "not here"}, 100) == "not here");
  const Struct old{{"HighWatermark", 100}, {"Records", record_sets::message(random, 7, 0, 1, 30)}};
  CHECK(refused(old, {.offset = 1}, 100) ==
        "a compressed message set of format 0 cannot be renumbered");
  CHECK(refused(old, {}, 100) == "");
  const Struct noise{{"HighWatermark", 100}, {"Records", Buffer(80, std::byte{0x7f})}};
  CHECK(refused(noise, {.offset = 1}, 100) == "a broker sent what is no record set");
}
