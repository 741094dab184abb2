#include "tests/sim/recovery.h"

#include "tests/sim/consumer.h"
#include "tests/sim/session.h"

namespace shunt::sim {

using route::Cluster;
using wire::Array;
using wire::Struct;
using wire::Value;

namespace {
constexpr wire::ApiKey list_offsets_key = 2, metadata_key = 3;
constexpr Time try_again = 50 * ms;
}  // namespace

Recovery::Recovery(Sim& sim) : sim_(sim), process_(std::make_shared<Proxy>(sim)) {}

void Recovery::start(Done done) {
  done_ = std::move(done);
  read_topics(Cluster::old_cluster);
}

void Recovery::again(const std::string& why) {
  sim_.trace("shunt recover: " + why);
  sim_.time.after(try_again,
                  [self = shared_from_this()] { self->read_topics(Cluster::old_cluster); });
}

void Recovery::read_topics(Cluster c) {
  process_->call(c, 0, metadata_key, 9, Struct{{"Topics", nullptr}},
                 [self = shared_from_this(), c](const Value& body) {
                   if (body.null()) return self->again("a cluster does not answer");
                   self->process_->topology(c).take_metadata(body, true);
                   if (c == Cluster::old_cluster) return self->read_topics(other(c));
                   self->read_groups(Cluster::old_cluster);
                 });
}

void Recovery::read_groups(Cluster c) {
  read_offsets(*process_, c, Groups::all, [self = shared_from_this(), c](const auto& offsets) {
    if (!offsets) return self->again("the groups cannot be read");
    self->offsets_[static_cast<std::size_t>(c)] = *offsets;
    if (c == Cluster::old_cluster) return self->read_groups(other(c));
    self->rebuild();
  });
}

void Recovery::rebuild() {
  std::vector<splice::FoundGroup> found;
  for (const auto c : {Cluster::old_cluster, Cluster::new_cluster})
    add_found(found, c, offsets_[static_cast<std::size_t>(c)]);
  rebuilt_ = splice::rebuild(found, "", process_->topologies[0].cluster_id(),
                             process_->topologies[1].cluster_id());
  splice::check_topics(rebuilt_, process_->topologies[0], process_->topologies[1]);
  // All seams were kept when the journal was lost.
  if (!rebuilt_.problems.empty()) violated("shunt recover: " + rebuilt_.problems.front());
  ends_.clear();
  for (const auto& p : rebuilt_.partitions) {
    for (const auto c : {Cluster::old_cluster, Cluster::new_cluster})
      ends_.push_back({c, p.topic, p.partition});
  }
  read_ends(0);
}

void Recovery::read_ends(std::size_t next) {
  if (next == ends_.size()) return add_positions();
  const auto& end = ends_[next];
  const auto* known = process_->topology(end.in).partition(topic_name, end.partition);
  process_->call(
      end.in, known == nullptr ? 0 : static_cast<int>(known->leader), list_offsets_key, 6,
      Struct{{"ReplicaId", -1},
             {"Topics",
              Array{Struct{{"Name", topic_name},
                           {"Partitions", Array{Struct{{"PartitionIndex", end.partition},
                                                       {"CurrentLeaderEpoch", -1},
                                                       {"Timestamp", std::int64_t{-1}}}}}}}}},
      [self = shared_from_this(), next](const Value& body) {
        if (body.null()) return self->again("a log's end cannot be read");
        const Value p = body["Topics"].array()[0]["Partitions"].array()[0];
        if (p["ErrorCode"].number() == 0) self->ends_[next].at = p["Offset"].number();
        self->read_ends(next + 1);
      });
}

void Recovery::add_positions() {
  splice::check_ends(rebuilt_, ends_);
  if (!rebuilt_.problems.empty()) return again(rebuilt_.problems.front());
  for (auto& c : sim_.consumers) {
    if (c->group().empty()) continue;
    splice::add_positions(rebuilt_, c->group(), offsets_[0][c->group()], offsets_[1][c->group()],
                          sim_.time.now_ms());
    c->journal_lost(offsets_[1][c->group()]);
  }
  done_(rebuilt_.records);
}

}  // namespace shunt::sim
