// The page for /metrics: names, labels and numbers of the contract.
#include <catch2/catch.hpp>

#include "proxy/observe/metrics.h"

using namespace shunt;
using namespace shunt::observe;

namespace {

constexpr auto old_cluster = route::Cluster::old_cluster;
constexpr auto new_cluster = route::Cluster::new_cluster;

void check_line(const std::string& page, const std::string& line) {
  INFO(page);
  INFO(line);
  CHECK(('\n' + page).find('\n' + line + '\n') != std::string::npos);
}

}  // namespace

TEST_CASE("metrics: counters and gauges are on the page under the contract's names") {
  Metrics m;
  m.opened(Listener::plain);
  m.opened(Listener::plain);
  m.closed(Listener::plain, CloseCause::idle);
  m.moved(Direction::to_cluster, old_cluster, 10);
  m.moved(Direction::to_client, new_cluster, 20);
  m.links = {3, 1};
  m.reachable = {true, false};
  m.journal_bytes = 512;
  const std::string page = m.render("1.2.3");
  check_line(page, "shunt_connections{listener=\"plain\"} 1");
  check_line(page, "shunt_connections{listener=\"tls\"} 0");
  check_line(page, "shunt_client_closed_total{cause=\"idle\"} 1");
  check_line(page, "shunt_client_closed_total{cause=\"internal\"} 0");
  check_line(page, "shunt_bytes_total{direction=\"to_cluster\",cluster=\"old\"} 10");
  check_line(page, "shunt_bytes_total{direction=\"to_client\",cluster=\"new\"} 20");
  check_line(page, "shunt_links{cluster=\"old\"} 3");
  check_line(page, "shunt_links{cluster=\"new\"} 1");
  check_line(page, "shunt_cluster_reachable{cluster=\"old\"} 1");
  check_line(page, "shunt_cluster_reachable{cluster=\"new\"} 0");
  check_line(page, "shunt_journal_bytes 512");
  check_line(page, "shunt_build_info{version=\"1.2.3\"} 1");
  check_line(page, "# TYPE shunt_client_closed_total counter");
  check_line(page, "# TYPE shunt_connections gauge");
}

TEST_CASE("metrics: requests are counted and timed per API and cluster, cumulatively") {
  Metrics m;
  m.request(1, old_cluster, .0005);  // on a bound: below it
  m.request(1, old_cluster, .02);
  m.request(1, old_cluster, 60);
  m.request(0, new_cluster, .002);
  m.request(-1, old_cluster, 1);  // no API has these keys
  m.request(128, old_cluster, 1);
  const std::string page = m.render("x");
  check_line(page, "# TYPE shunt_request_seconds histogram");
  check_line(page, "shunt_requests_total{api=\"Fetch\",cluster=\"old\"} 3");
  check_line(page, "shunt_requests_total{api=\"Produce\",cluster=\"new\"} 1");
  check_line(page, "shunt_request_seconds_count{api=\"Fetch\",cluster=\"old\"} 3");
  check_line(page, "shunt_request_seconds_bucket{api=\"Fetch\",cluster=\"old\",le=\"0.0005\"} 1");
  check_line(page, "shunt_request_seconds_bucket{api=\"Fetch\",cluster=\"old\",le=\"0.01\"} 1");
  check_line(page, "shunt_request_seconds_bucket{api=\"Fetch\",cluster=\"old\",le=\"0.05\"} 2");
  check_line(page, "shunt_request_seconds_bucket{api=\"Fetch\",cluster=\"old\",le=\"5\"} 2");
  check_line(page, "shunt_request_seconds_bucket{api=\"Fetch\",cluster=\"old\",le=\"+Inf\"} 3");
  CHECK(page.find("api=\"?\"") == std::string::npos);
}

TEST_CASE("metrics: groups' progress; what is not known has no sample") {
  Metrics m;
  m.groups["billing"] = {{12, 0}, 3};
  m.groups["ledger"] = {{-1, 7}, 0};
  const std::string page = m.render("x");
  check_line(page, "# TYPE shunt_group_lag_records gauge");
  check_line(page, "shunt_group_lag_records{group=\"billing\",cluster=\"old\"} 12");
  check_line(page, "shunt_group_lag_records{group=\"billing\",cluster=\"new\"} 0");
  check_line(page, "shunt_group_lag_records{group=\"ledger\",cluster=\"new\"} 7");
  CHECK(page.find("shunt_group_lag_records{group=\"ledger\",cluster=\"old\"}") ==
        std::string::npos);
  check_line(page, "shunt_commit_behind{group=\"billing\"} 3");
  check_line(page, "shunt_commit_behind{group=\"ledger\"} 0");
}
