#include "tests/sim/outage.h"

#include "tests/sim/proxy.h"

namespace shunt::sim {

void Outage::start() {
  sim_.time.after(random_.between(50, 400) * ms, [this] { begin(); });
}

bool Outage::produced_to() const {
  const auto* topic = sim_.proxy ? sim_.proxy->splice.topic(topic_name) : nullptr;
  return topic != nullptr && topic->produce_to() == route::Cluster::new_cluster;
}

void Outage::begin() {
  if (sim_.calm()) return;
  if (!produced_to()) return sim_.time.after(random_.between(5, 60) * ms, [this] { begin(); });
  const bool silent = random_.percent(30);
  sim_.trace(std::string("all brokers of new die") + (silent ? ", silently" : ""));
  cluster().die(silent);
  sim_.time.after(random_.between(1, 150) * ms, [this] { leave(); });
  sim_.time.after(random_.between(60, 600) * ms, [this] { end(); });
}

// The operator, as long as there is anything to leave.
void Outage::leave() {
  if (!cluster().dead() || sim_.calm()) return;
  if (produced_to()) sim_.proxy->leave_new();
  sim_.time.after(random_.between(10, 60) * ms, [this] { leave(); });
}

void Outage::end() {
  if (!cluster().dead()) return;
  sim_.trace("the brokers of new come back");
  cluster().come_back();
  if (random_.percent(50)) start();
}

}  // namespace shunt::sim
