// One partition's segments as text: what a cluster keeps as a committed offset's metadata.
//
//     shunt/1 c=OLD,NEW m=1,1700000000000,2 t=OLD_ID,NEW_ID,4 k=0
//     x=1,m1.1,n,,1700000000123 v=0 s=o0+9041,,7 n0+ #5f0c21aa
//
// On one line: cluster ids; scheme, time and topics of the migration; topic ids and partitions; how
// many older segments had no room; cuts; then the segments. What follows from the one before is
// left out, so hundreds fit. The CRC-32C at the end covers all before it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/splice/records.h"

namespace shunt::splice {

// offset.metadata.max.bytes of brokers, by default.
constexpr std::size_t seam_text_bytes_max = 4096;

// A cut of the partition that stands.
struct KeptCut {
  std::uint32_t cut = 0;
  std::string move;
  Cluster to = Cluster::new_cluster;
  std::string undoes;
  UnixMillis at = 0;
  bool operator==(const KeptCut&) const = default;
};

struct SeamText {
  std::string old_cluster, new_cluster;  // cluster ids; empty: not known
  int scheme = 1;
  UnixMillis since = 0;
  std::int32_t topics = 0;  // of the migration
  wire::Uuid old_id{}, new_id{};
  std::int32_t partitions = 0;  // of the topic
  std::vector<KeptCut> cuts;    // by number
  std::vector<Segment> segments;
  std::uint32_t left_out = 0;  // segments before these, for which there was no room
  bool operator==(const SeamText&) const = default;
};

// At most `bytes_max` long: the oldest segments are left out, of `kept` too, and their cuts. (The
// last segment always is there.)
std::string seam_text(SeamText& kept, std::size_t bytes_max = seam_text_bytes_max);

// nullopt: `problem` says why: not ours, of another version, torn.
std::optional<SeamText> read_seam_text(std::string_view text, std::string& problem);

}  // namespace shunt::splice
