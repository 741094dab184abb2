// Renders the counters as Prometheus text (contract.md, Metrics).
#include "proxy/observe/metrics.h"

#include <algorithm>
#include <sstream>
#include <utility>
#include <vector>

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

namespace shunt::observe {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

constexpr route::Cluster clusters[] = {route::Cluster::old_cluster, route::Cluster::new_cluster};
constexpr std::size_t index(route::Cluster c) { return static_cast<std::size_t>(c); }

ClientMetric::Label label(const char* key, std::string_view value) {
  ClientMetric::Label l;
  l.name = key;
  l.value = std::string(value);
  return l;
}

// One metric name with its samples.
struct Family {
  MetricFamily family;
  Family(const char* name, const char* help, MetricType type) {
    family.name = name;
    family.help = help;
    family.type = type;
  }
  void add(Labels labels, double value) {
    ClientMetric& m = family.metric.emplace_back();
    m.label = std::move(labels);
    if (family.type == MetricType::Counter)
      m.counter.value = value;
    else
      m.gauge.value = value;
  }
  void add(Labels labels, const Metrics::Api& api) {
    ClientMetric& m = family.metric.emplace_back();
    m.label = std::move(labels);
    m.histogram.sample_count = api.count;
    m.histogram.sample_sum = api.seconds;
    std::uint64_t cumulative = 0;
    for (std::size_t i = 0; i < Metrics::bounds.size(); ++i) {
      cumulative += api.buckets[i];
      ClientMetric::Bucket b;
      b.cumulative_count = cumulative;
      b.upper_bound = Metrics::bounds[i];
      m.histogram.bucket.push_back(b);
    }
  }
};

Family per_cluster(const char* name, const char* help, MetricType type, const auto& values) {
  Family f(name, help, type);
  for (const auto c : clusters)
    f.add({label("cluster", route::name(c))}, static_cast<double>(values[index(c)]));
  return f;
}

std::pair<Family, Family> requests(const Metrics& m) {
  Family total("shunt_requests_total", "Requests answered by a cluster", MetricType::Counter);
  Family seconds("shunt_request_seconds", "Seconds a cluster took to answer",
                 MetricType::Histogram);
  for (int api = 0; api < Metrics::api_max; ++api) {
    for (const auto c : clusters) {
      const Metrics::Api& a = m.apis[static_cast<std::size_t>(api)][index(c)];
      if (a.count == 0) continue;
      const Labels labels = {label("api", wire::api_name(static_cast<wire::ApiKey>(api))),
                             label("cluster", route::name(c))};
      total.add(labels, static_cast<double>(a.count));
      seconds.add(labels, a);
    }
  }
  return {std::move(total), std::move(seconds)};
}

Family bytes(const Metrics& m) {
  constexpr std::pair<Direction, const char*> directions[] = {{Direction::to_cluster, "to_cluster"},
                                                              {Direction::to_client, "to_client"}};
  Family f("shunt_bytes_total", "Bytes passed on", MetricType::Counter);
  for (const auto& [d, text] : directions)
    for (const auto c : clusters)
      f.add({label("direction", text), label("cluster", route::name(c))},
            static_cast<double>(m.bytes_moved[static_cast<std::size_t>(d)][index(c)]));
  return f;
}

std::pair<Family, Family> progress(const Metrics& m) {
  Family lag("shunt_group_lag_records", "Records of topics in migration a group has left to read",
             MetricType::Gauge);
  Family behind("shunt_commit_behind",
                "Partitions whose commit the other cluster does not have yet", MetricType::Gauge);
  for (const auto& [group, g] : m.groups) {
    for (const auto c : clusters) {
      if (g.lag[index(c)] < 0) continue;  // a sample that is not there, not a wrong one
      lag.add({label("group", group), label("cluster", route::name(c))},
              static_cast<double>(g.lag[index(c)]));
    }
    behind.add({label("group", group)}, static_cast<double>(g.commit_behind));
  }
  return {std::move(lag), std::move(behind)};
}

}  // namespace

void Metrics::Api::add(double took) {
  ++count;
  seconds += took;
  const auto bucket = std::lower_bound(bounds.begin(), bounds.end(), took) - bounds.begin();
  ++buckets[static_cast<std::size_t>(bucket)];  // the last one: above every bound
}

void Metrics::request(wire::ApiKey api, route::Cluster c, double seconds) {
  if (api < 0 || api >= api_max) return;
  apis[static_cast<std::size_t>(api)][index(c)].add(seconds);
}

std::string Metrics::render(const std::string& version) const {
  std::vector<MetricFamily> all;
  const auto put = [&](Family f) { all.push_back(std::move(f.family)); };

  Family open("shunt_connections", "Client connections now", MetricType::Gauge);
  open.add({label("listener", "plain")}, static_cast<double>(connections[0]));
  open.add({label("listener", "tls")}, static_cast<double>(connections[1]));
  put(std::move(open));

  Family ended("shunt_client_closed_total", "Client connections ended", MetricType::Counter);
  for (int i = 0; i < close_causes; ++i)
    ended.add({label("cause", name(static_cast<CloseCause>(i)))},
              static_cast<double>(client_closed[static_cast<std::size_t>(i)]));
  put(std::move(ended));

  auto [total, seconds] = requests(*this);
  put(std::move(total));
  put(std::move(seconds));
  put(bytes(*this));
  put(per_cluster("shunt_links", "Connections to brokers now", MetricType::Gauge, links));

  Family waiting("shunt_held_requests", "Produce requests that wait now", MetricType::Gauge);
  waiting.add({}, static_cast<double>(held_requests));
  put(std::move(waiting));
  Family waited("shunt_hold_seconds", "Seconds a Produce request waited", MetricType::Histogram);
  waited.add({}, hold);
  put(std::move(waited));
  Family ends("shunt_cuts_total", "Cuts, by how they ended", MetricType::Counter);
  ends.add({label("result", "done")}, static_cast<double>(cuts[0]));
  ends.add({label("result", "aborted")}, static_cast<double>(cuts[1]));
  put(std::move(ends));
  Family step("shunt_cut_step", "The step of the cut that runs, 1 to 8; 0: none",
              MetricType::Gauge);
  step.add({}, cut_step);
  put(std::move(step));
  Family late("shunt_stragglers_total", "Records swept in that came past us", MetricType::Counter);
  for (const auto& [topic, count] : stragglers)
    late.add({label("topic", topic)}, static_cast<double>(count));
  put(std::move(late));

  auto [lag, behind] = progress(*this);
  put(std::move(lag));
  put(std::move(behind));

  Family journal("shunt_journal_bytes", "Size of the journal's files", MetricType::Gauge);
  journal.add({}, static_cast<double>(journal_bytes));
  put(std::move(journal));

  put(per_cluster("shunt_cluster_reachable", "1 when the cluster answers", MetricType::Gauge,
                  reachable));
  Family build("shunt_build_info", "Always 1", MetricType::Gauge);
  build.add({label("version", version)}, 1);
  put(std::move(build));

  // Series without samples (no request yet) keep their HELP and TYPE: that is valid text.
  std::ostringstream out;
  prometheus::TextSerializer().Serialize(out, all);
  return out.str();
}

}  // namespace shunt::observe
