// What was found on stdout; what is wrong, and what to do, on stderr.
#include "control/recover.h"

#include <algorithm>
#include <cstdio>

#include "control/journal.h"
#include "control/table.h"
#include "proxy/net/recovery.h"
#include "proxy/observe/log.h"

namespace shunt::control {
namespace {

int failed(const std::string& what, const std::string& next) {
  std::fprintf(stderr, "shunt: %s\n", what.c_str());
  if (!next.empty()) std::fprintf(stderr, "next: %s\n", next.c_str());
  return 1;
}

std::string segment_text(const splice::Segment& s) {
  std::string out(route::name(s.cluster));
  out += " [" + std::to_string(s.native_start) + ", ";
  return out + (s.open() ? "..." : std::to_string(s.native_end) + ")");
}

void show(const net::Recovered& found) {
  constexpr std::size_t segments_shown_max = 8;
  const auto& r = found.rebuilt;
  std::size_t width = 0;
  for (const auto& p : r.partitions) width = std::max(width, p.topic.size());
  for (const auto& record : r.records) {
    const auto* m = std::get_if<splice::MigrationStarted>(&record);
    if (m == nullptr) continue;
    std::printf("migration %s, journal %s: scheme %d, %zu topics\n", m->migration.c_str(),
                r.journal.c_str(), m->scheme, m->topics.size());
  }
  for (const auto& p : r.partitions) {
    std::string line;
    const auto& all = p.log.segments();
    const auto first = all.size() > segments_shown_max ? all.size() - segments_shown_max : 0;
    if (first > 0) line = "(" + std::to_string(first) + " more)";
    for (std::size_t i = first; i < all.size(); ++i)
      line += (line.empty() ? "" : "  ") + segment_text(all[i]);
    std::printf("  %-*s %4d  %s  (on %s)\n", static_cast<int>(width),
                cell(boost::json::value(p.topic)).c_str(), p.partition, line.c_str(),
                p.kept_on.c_str());
  }
  for (const auto& note : r.notes)
    std::printf("note: %s\n", cell(boost::json::value(note)).c_str());
}

}  // namespace

int recover(const Config& config, const std::string& journal_id) {
  observe::log::setup(observe::log::Level::warn, config.format);
  if (!config.net.new_cluster)
    return failed("clusters.new is not configured: without it there is no migration to recover",
                  "give the configuration that the lost migration ran with");
  auto opened = Journal::open(config.journal);
  if (!opened.journal) return failed(opened.failure.message, opened.failure.next);
  const auto& open = opened.remembered.splice.migrations();
  if (!open.empty())
    return failed("journal " + config.journal + " holds migration " + open.begin()->first +
                      ": nothing was lost, and nothing is changed",
                  "shunt run; or, if this is an older copy, move the folder away first");

  const auto found = net::recover_from_clusters(config.net, journal_id);
  show(found);
  const auto& r = found.rebuilt;
  for (const auto& problem : r.problems) failed(problem, "");
  if (!r.problems.empty())
    return failed("the journal is not rebuilt, nothing is changed",
                  "put a copy of the journal's folder back if there is one");
  std::string why;
  opened.journal->remember_cluster_id(route::Cluster::old_cluster, found.old_cluster_id);
  opened.journal->remember_cluster_id(route::Cluster::new_cluster, found.new_cluster_id);
  if (!opened.journal->rebuild(r.records, why))
    return failed("journal " + config.journal + ": " + why, "make room, then try again");
  std::printf(
      "%zu partitions and the positions of %zu groups are in %s.\n"
      "Lost with the journal:\n"
      "- producer ids as the clusters know them: idempotent producers go on with fresh ones; a\n"
      "  batch that was under way when Shunt ended may be written twice; for five minutes the "
      "next\n"
      "  move needs --accept-stragglers\n"
      "- clients' addresses: clients that still run connect again by their bootstrap address\n"
      "- moves that were rolled back, and their reasons\n"
      "next: shunt run -c %s\n",
      r.partitions.size(), found.groups, config.journal.c_str(), config.file.c_str());
  return 0;
}

}  // namespace shunt::control
