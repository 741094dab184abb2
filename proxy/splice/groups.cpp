#include "proxy/splice/groups.h"

namespace shunt::splice {

using wire::Struct;
using wire::Value;

namespace {

constexpr wire::ApiKey offset_commit = 8, heartbeat = 12, sync_group = 14, txn_offset_commit = 28;
constexpr int coordinator_not_available = 15, not_coordinator = 16;

// The field with the generation; null: the request has none.
const char* generation_field(wire::ApiKey api) {
  switch (api) {
    case offset_commit:
      return "GenerationIdOrMemberEpoch";
    case heartbeat:
    case sync_group:
    case txn_offset_commit:
      return "GenerationId";
    default:
      return nullptr;
  }
}

}  // namespace

bool of_old(const Handed& group, std::string_view member) { return group.members.contains(member); }

std::optional<Value> for_new_home(const Handed& group, wire::ApiKey api, const Value& request) {
  const char* field = generation_field(api);
  if (field == nullptr || group.generation == 0) return std::nullopt;
  const Value shown = request[field];
  if (shown.null() || shown.number() < 0) return std::nullopt;  // a simple commit
  // One of old's last: new's answer to generation 0 is what such a member is to hear.
  const auto native = std::max<std::int64_t>(shown.number() - group.generation, 0);
  return Value(request.fields().set(field, native));
}

JoinTask::JoinTask(const Handed& group, route::NodeKey coordinator, const Value& request)
    : generation_(group.generation), coordinator_(coordinator), request_(request) {
  if (of_old(group, request["MemberId"].text())) request_ = request.fields().set("MemberId", "");
}

std::vector<Task::Ask> JoinTask::round(std::int64_t) {
  if (told_ && (*told_)["ErrorCode"].number() == member_id_required && asked_ < 2) {
    request_ = request_.fields().set("MemberId", (*told_)["MemberId"]);
    told_.reset();
  }
  if (told_ || asked_ >= 2) return {};
  ++asked_;
  return {Ask{coordinator_, request_}};
}

void JoinTask::take(std::size_t, const Value& body) { told_ = body; }

Value JoinTask::answer() {
  if (!told_ || told_->null()) return {};
  const auto generation = (*told_)["GenerationId"].number();
  if (generation < 0) return *told_;
  return told_->fields().set("GenerationId", generation + generation_);
}

bool JoinTask::stale_coordinator() const {
  if (!told_) return true;
  const auto error = (*told_)["ErrorCode"].number();
  return told_->null() || error == coordinator_not_available || error == not_coordinator;
}

}  // namespace shunt::splice
