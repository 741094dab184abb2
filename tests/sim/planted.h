// Where planted bugs change what splice has decided.
#pragma once

#include "tests/sim/session.h"

namespace shunt::sim::planted {

// Nothing is held against a segment's end.
class Unclipped : public route::Offsets {
 public:
  explicit Unclipped(std::unique_ptr<route::Offsets> rest) : rest_(std::move(rest)) {}
  const route::Shift* at(std::string_view topic, const wire::Uuid& id,
                         std::int32_t partition) override;
  std::optional<std::int64_t> shown(wire::Role role, std::int64_t native) override;

 private:
  std::unique_ptr<route::Offsets> rest_;
  route::Shift shift_;
};

// The answer of a Fetch that was a task.
wire::Value fetched(Proxy& proxy, const Exchange& e, const wire::Value& answer);
// An OffsetFetch answer: `home`'s own, and as it is shown.
wire::Value committed(Proxy& proxy, const wire::Value& request, const wire::Value& home,
                      const wire::Value& shown);
// A cut's records and readings.
splice::Record written(Proxy& proxy, const splice::Record& r,
                       const std::vector<splice::PartitionReading>& readings);
splice::Record left(Proxy& proxy, const splice::Record& r);
void read(Proxy& proxy, std::vector<splice::PartitionReading>& readings);

}  // namespace shunt::sim::planted
