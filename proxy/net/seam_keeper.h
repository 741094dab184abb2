// Keeps every migration's seams on both clusters as well, as offsets of a reserved group, so that a
// lost journal is noticed and can be rebuilt (rules B2, splice/seams.h).
//
// After each change of segments, at start and once a day; never waited for. The journal stays the
// truth: what cannot be written waits and is named.
#pragma once

#include <map>
#include <string>
#include <tuple>
#include <utility>

#include "proxy/net/copier.h"

namespace shunt::net {

class SeamKeeper {
 public:
  SeamKeeper(World& world, Copier& copier) : world_(world), copier_(copier) {}
  // A record has changed segments. Writes behind what is under way: a cut holds its clients.
  void changed();
  void tick(Clock::time_point now);  // once a second

 private:
  bool name_journal();
  void write(bool all);
  void write(const splice::Migration& m, bool all);
  std::vector<route::Cluster> kept_on() const;
  void watch(Clock::time_point now);

  World& world_;
  Copier& copier_;
  using Key = std::tuple<std::string, std::string, std::int32_t>;  // group, topic, partition
  std::map<Key, std::string> written_;                             // the text, last
  // How a reserved group stands on a cluster.
  struct Standing {
    Clock::time_point since{};  // it waits; zero: it is there
    bool told = false;
  };
  std::map<std::pair<route::Cluster, std::string>, Standing> standing_;
  Clock::time_point all_written_{};
  bool pending_ = false;  // something has changed since they were written
  bool posted_ = false;
};

}  // namespace shunt::net
