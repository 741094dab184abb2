// Answers of the open tail, renumbered by the state as they stream: what is shown, and learnt.
#include "proxy/splice/tails.h"

#include <catch2/catch.hpp>

#include "proxy/route/translate.h"
#include "tests/unit/splice_world.h"

using namespace splice_world;
using wire::Array;
using wire::Struct;
using wire::Value;

namespace {

constexpr wire::ApiKey produce = 0, fetch_api = 1;

// Topic ids as the model has them.
class Ids : public route::Naming {
 public:
  explicit Ids(Model& model) : model_(model) {}
  const std::vector<route::ShownNode>& nodes() override { return nodes_; }
  std::optional<route::Endpoint> at(route::NodeId) override { return std::nullopt; }
  const std::string& cluster_id() override { return cluster_; }
  wire::Uuid topic_id(Cluster from, const wire::Uuid& id) override {
    for (const auto& topic : {moved, plain, waiting}) {
      if (model_.id(from, topic) == id) return model_.id(old_cluster, topic);
    }
    return {};
  }
  wire::Uuid native_topic_id(Cluster to, const wire::Uuid& shown_id) override {
    for (const auto& topic : {moved, plain, waiting}) {
      if (model_.id(old_cluster, topic) == shown_id) return model_.id(to, topic);
    }
    return {};
  }

 private:
  Model& model_;
  std::vector<route::ShownNode> nodes_;
  std::string cluster_;
};

// The answer of `from` as a client gets it; streamed in pieces, and held whole: the same bytes.
Value shown(World& w, wire::ApiKey api, wire::Version v, Cluster from, const Value& answer,
            std::string* error = nullptr) {
  const wire::Message& m = *wire::response(api);
  const Buffer body = messages::encoded(m, v, answer);
  Ids ids(w.model);
  Tails tails(w.state, from), again(w.state, from);
  route::StreamTranslator t(m, v, body.size(), from, ids, &tails);
  Buffer all = body;
  std::size_t done = 0, have = 0;
  while (!t.done() && t.error() == nullptr) {
    done += t.take(std::span(all).subspan(done, have - done));
    have = std::min(all.size(), have + 1 + static_cast<std::size_t>(w.random.below(50)));
  }
  if (error != nullptr) *error = t.error() != nullptr ? t.error() : "";
  if (error != nullptr && t.error() != nullptr) return {};
  REQUIRE(t.error() == nullptr);
  route::Noticed noticed;
  wire::Edits edits;
  REQUIRE(route::translate(m, v, body, from, ids, edits, noticed, &again) == nullptr);
  Buffer whole;
  edits.append_to(whole, body);
  REQUIRE(whole == all);
  return messages::decoded(m, v, all);
}

Value produced(World& w, Cluster c, const std::string& topic, int p, std::int64_t base,
               std::int64_t start = 0) {
  return Struct{{"Responses",
                 Array{Struct{{"Name", topic},
                              {"TopicId", w.model.id(c, topic)},
                              {"PartitionResponses", Array{Struct{{"Index", p},
                                                                  {"BaseOffset", base},
                                                                  {"LogAppendTimeMs", 77},
                                                                  {"LogStartOffset", start}}}}}}}};
}
Value first(const Value& answer, const char* list) {
  return answer["Responses"].array()[0][list].array()[0];
}

}  // namespace

TEST_CASE("tails: what the tail's leader answers is shown as the virtual log has it", "[tails]") {
  for (std::uint32_t seed = 1; seed <= 300; ++seed) {
    INFO("seed " << seed);
    World w(seed);
    for (int n = w.random.below(5); n > 0; --n) {
      w.produce();
      w.cut();
    }
    w.produce();
    w.settle();
    const auto v = static_cast<wire::Version>(4 + w.random.below(14));
    const Cluster home = w.home();
    Array topics;
    for (const auto& topic : {moved, waiting, plain}) {
      if (home == new_cluster && topic != moved) continue;
      Array list;
      for (int p = 0; p < partitions; ++p) {
        Log& log = w.model.log(home, topic, p);
        log.leader = 1;
        const auto& tail = w.state.topic(topic) != nullptr
                               ? w.state.partition(topic, {}, p)->log.tail()
                               : Segment{};
        list.push_back(Struct{{"Partition", p},
                              {"FetchOffset", std::max(tail.native_start, log.start)},
                              {"PartitionMaxBytes", 1 << 20}});
      }
      topics.push_back(Struct{
          {"Topic", topic}, {"TopicId", w.model.id(home, topic)}, {"Partitions", std::move(list)}});
    }
    const Value answer = w.model.answer(
        {{home, route::NativeNodeId{1}},
         Struct{{"MaxBytes", 1 << 20}, {"SessionEpoch", -1}, {"Topics", std::move(topics)}}},
        v);
    const Value out = shown(w, fetch_api, v, home, answer);
    std::size_t i = 0;
    for (const auto& topic : {moved, waiting, plain}) {
      if (home == new_cluster && topic != moved) continue;
      const Value t = out["Responses"].array()[i++];
      if (v >= 13) CHECK(t["TopicId"].uuid() == w.model.id(old_cluster, topic));
      for (const Value& p : t["Partitions"].array()) {
        const int index = static_cast<int>(p["PartitionIndex"].number());
        auto* log = w.state.partition(topic, {}, index);
        const auto start = log != nullptr ? log->log.tail().start.at : 0;
        auto position = start;
        CHECK(read(p["Records"].bytes(), position, false) == w.records(topic, index, start));
        CHECK(p["HighWatermark"].number() == w.end(topic, index));
        CHECK(p["LastStableOffset"].number() == w.end(topic, index));
        if (v >= 5) CHECK(p["LogStartOffset"].number() == 0);  // old's first record is there
        if (log != nullptr) {
          CHECK(log->high_watermark.at == w.end(topic, index));
          CHECK(log->shown_end.at == w.end(topic, index));
        }
      }
    }
  }
}

TEST_CASE("tails: acknowledgements, also of an earlier segment", "[tails]") {
  World w(5);
  w.produce();
  const auto y0 = w.model.log(new_cluster, moved, 0).end;
  w.cut();
  const Segment s0 = w.part(0).log.segments()[0];
  const auto seam = s0.native_end;
  for (wire::Version v = 3; v <= 13; ++v) {
    const auto base = [&](Cluster c, const std::string& topic, std::int64_t n) {
      const Value e =
          first(shown(w, produce, v, c, produced(w, c, topic, 0, n)), "PartitionResponses");
      CHECK(e["LogAppendTimeMs"].number() == 77);
      if (v >= 5 && topic == moved) CHECK(e["LogStartOffset"].number() == 0);
      return e["BaseOffset"].number();
    };
    CHECK(base(new_cluster, moved, y0 + 4) == seam + 4);
    CHECK(base(new_cluster, moved, -1) == -1);
    CHECK(base(old_cluster, moved, seam - 1) == seam - 1);  // was on its way at the cut
    CHECK(base(old_cluster, moved, seam) == -1);            // nobody is shown that one
    CHECK(base(old_cluster, waiting, 12) == 12);
    CHECK(base(old_cluster, plain, 12) == 12);
  }
  CHECK(w.part(0).shown_end.at == seam + 5);
  CHECK(w.state.partition(waiting, {}, 0)->shown_end.at == 13);
  w.produce();
  w.cut();
  w.produce();
  w.cut();  // new, twice: the second begins where the first ended
  const auto& third = w.part(0).log.segments()[3];
  const Value e = first(
      shown(w, produce, 9, new_cluster, produced(w, new_cluster, moved, 0, third.native_start - 1)),
      "PartitionResponses");
  CHECK(e["BaseOffset"].number() == w.part(0).log.segments()[1].end().at - 1);
}

TEST_CASE("tails: where a batch stood that was not acknowledged has not been shown", "[tails]") {
  World w(5);
  w.produce();
  w.cut();
  const auto before = w.part(0).shown_end;
  const auto at = w.part(0).log.tail().native(before).at + 7;
  for (const int error : {6, 7, 20}) {
    const Value answer = Struct{
        {"Responses",
         Array{Struct{{"Name", moved},
                      {"PartitionResponses",
                       Array{Struct{{"Index", 0}, {"ErrorCode", error}, {"BaseOffset", at}}}}}}}};
    const Value e = first(shown(w, produce, 9, new_cluster, answer), "PartitionResponses");
    CHECK(e["ErrorCode"].number() == error);
    CHECK(w.part(0).shown_end == before);
  }
  shown(w, produce, 9, new_cluster, produced(w, new_cluster, moved, 0, at));
  CHECK(w.part(0).shown_end.at == before.at + 8);
}

TEST_CASE("tails: what may not be shown ends the session", "[tails]") {
  World w(6);
  w.produce();
  w.cut();
  const auto fetched = [&](Cluster c, const std::string& topic, int p, std::int64_t mark) {
    const Value answer = Struct{
        {"Responses", Array{Struct{{"Topic", topic},
                                   {"Partitions", Array{Struct{{"PartitionIndex", p},
                                                               {"HighWatermark", mark},
                                                               {"LastStableOffset", mark}}}}}}}};
    std::string error;
    shown(w, fetch_api, 11, c, answer, &error);
    return error;
  };
  const auto y0 = w.part(0).log.tail().native_start;
  const auto end = w.part(0).log.segments()[0].native_end;
  const std::string past = "an answer reaches past the end of its segment";
  CHECK(fetched(new_cluster, moved, 0, y0 + 100) == "");
  w.part(0).candidate_end = y0 + 100;
  CHECK(fetched(new_cluster, moved, 0, y0 + 100) == "");
  CHECK(fetched(new_cluster, moved, 0, y0 + 101) == past);
  CHECK(fetched(old_cluster, moved, 0, end) == "");  // a late one, before anything came past us
  CHECK(fetched(old_cluster, moved, 0, end + 1) == past);
  CHECK(fetched(new_cluster, waiting, 0, 1) ==
        "the cluster answers for a partition that has no segment there");
  CHECK(fetched(new_cluster, plain, 0, 1) ==
        "the new cluster answers for a partition that is in no migration");
  CHECK(fetched(new_cluster, moved, 99, 1) ==
        "the new cluster answers for a partition that is in no migration");
  CHECK(fetched(new_cluster, plain, 0, -1) == "");  // errors name nothing
  w.state.partition(waiting, {}, 0)->candidate_end = 5;
  CHECK(fetched(old_cluster, waiting, 0, 5) == "");
  CHECK(fetched(old_cluster, waiting, 0, 6) == past);
}
