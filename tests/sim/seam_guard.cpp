#include "tests/sim/seam_guard.h"

namespace shunt::sim {

using route::Cluster;

namespace {
constexpr Time ask_again = 10 * ms;
}

void SeamGuard::start(std::function<void(const std::string& refused)> done) {
  done_ = std::move(done);
  ask(Cluster::old_cluster);
}

void SeamGuard::ask(Cluster c) {
  read_offsets(proxy_, c, Groups::reserved, [self = shared_from_this(), c](const auto& offsets) {
    if (!offsets) return self->proxy_.after(ask_again, [self, c] { self->ask(c); });
    add_found(self->found_, c, *offsets);
    if (c == Cluster::old_cluster) return self->ask(Cluster::new_cluster);
    const std::string old_id(route::name(Cluster::old_cluster));
    self->done_(splice::judge_start(self->proxy_.splice, old_id, self->found_).refuse);
  });
}

}  // namespace shunt::sim
