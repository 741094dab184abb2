#include "proxy/net/mover.h"

namespace shunt::net {

namespace {
const Refused not_yet{501, "not_implemented", "not in this version yet", "", "", {}};
}

std::string Mover::step() const { return {}; }
void Mover::plan(const StartRequest&, Done<Plan> done) { done(&not_yet, {}); }
void Mover::start(const StartRequest&, Done<std::string> done) { done(&not_yet, {}); }
void Mover::move_produce(const ProduceRequest&, Done<ProduceMoved> done) { done(&not_yet, {}); }
void Mover::undo(const UndoRequest&, Done<ProduceMoved> done) { done(&not_yet, {}); }
void Mover::pause(const std::string&, bool, Done<std::string> done) { done(&not_yet, {}); }
void Mover::verify(Done<Proof> done) { done(&not_yet, {}); }
void Mover::lag(const std::string&, Done<std::vector<GroupLag>> done) { done(&not_yet, {}); }

}  // namespace shunt::net
