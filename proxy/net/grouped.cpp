// A session's requests of group members: held or turned back while their group is handed over, in
// new's terms afterwards (splice/groups.h).
#include <algorithm>
#include <boost/asio/steady_timer.hpp>

#include "proxy/net/session.h"
#include "proxy/splice/groups.h"
#include "proxy/splice/seams.h"
#include "proxy/wire/framer.h"

namespace shunt::net {

using observe::CloseCause;
using wire::Array;
using wire::Role;
using wire::Struct;
using wire::Value;

namespace {

constexpr wire::ApiKey offset_commit = 8, join_group = 11, heartbeat = 12, leave_group = 13,
                       sync_group = 14, list_groups = 16, txn_offset_commit = 28;
constexpr std::size_t groups_seen_max = 65536;

const Value rebalancing = Struct{{"ErrorCode", splice::rebalance_in_progress}};

bool of_members(wire::ApiKey api) {
  return api == offset_commit || api == join_group || api == heartbeat || api == leave_group ||
         api == sync_group || api == txn_offset_commit;
}

}  // namespace

// True: it has been taken care of.
bool Session::grouped(const wire::RequestHeader& h, const wire::Message& m,
                      std::span<std::byte> frame) {
  if (!of_members(h.api)) return false;
  const std::string group(world_.parts.top(Role::group_id).text);
  const std::string member(world_.parts.top(Role::member_id).text);
  if (h.api == heartbeat) {
    if (world_.groups_seen.size() >= groups_seen_max) world_.groups_seen.clear();
    world_.groups_seen[group].generation =
        static_cast<std::int32_t>(world_.parts.top(Role::generation).number);
  }
  if (auto* gate = world_.gate(group)) {
    switch (gate->judge(h.api)) {
      case GroupGate::Act::rebalance:
        answer_with(h, h.version, rebalancing);
        return true;
      case GroupGate::Act::hold:
        hold(h, m, frame, *gate, group, member);
        return true;
      case GroupGate::Act::pass:
        break;
    }
  }
  if (h.api == join_group) next_.asked.assign(frame.begin(), frame.end());  // it may be held yet
  const auto* handed = world_.splice.handed(group);
  return handed != nullptr && at_new_home(h, m, frame, *handed, member);
}

void Session::hold(const wire::RequestHeader& h, const wire::Message& m, std::span<std::byte> frame,
                   GroupGate& gate, const std::string& group, const std::string& member) {
  Exchange& e = expect(h, m);
  e.asked.assign(frame.begin(), frame.end());
  e.held_for = group;
  e.ticket = gate.held(weak_from_this(), h.api, member);
}

// A member's request to new, which knows other generations, and other members, than clients do.
bool Session::at_new_home(const wire::RequestHeader& h, const wire::Message& m,
                          std::span<std::byte> frame, const splice::Handed& handed,
                          const std::string& member) {
  if (h.api == heartbeat && splice::of_old(handed, member)) {  // it is to join anew
    answer_with(h, h.version, rebalancing);
    return true;
  }
  const auto request = decoded(h, m, frame);
  if (!request) return true;
  if (h.api == join_group) {
    route::dispatch(m, world_.parts, world_.view(), origin(h.api), world_.decision);
    if (world_.decision.act != route::Act::forward) return false;  // the coordinator first
    next_ = {};
    const auto node = world_.decision.nodes.front();
    begin_task(h, m, std::make_unique<splice::JoinTask>(handed, node, *request));
    return true;
  }
  const auto native = splice::for_new_home(handed, h.api, *request);
  if (!native) return false;
  auto out = reframed(h, m, frame, *native);
  if (out.empty()) return true;
  const auto head = wire::frame_prefix_bytes + h.size;
  if (const char* why = world_.parts.parse(m, h.version, wire::Bytes(out).subspan(head))) {
    close(CloseCause::internal, why);
    return true;
  }
  const bool commits = h.api == offset_commit || h.api == txn_offset_commit;
  if (commits && committed(h, m, out)) return true;
  route::dispatch(m, world_.parts, world_.view(), origin(h.api), world_.decision);
  if (world_.decision.act == route::Act::resolve) {
    next_ = {};
    world_.parts.parse(m, h.version, wire::Bytes(frame).subspan(head));
    return false;  // it comes back here
  }
  carry_out(h, m, out);
  return true;
}

// The request that was held goes on, as if it had come now.
void Session::let_go(splice::Barrier::Ticket ticket) {
  if (closed_) return;
  if (resolving_ || resumed_ != nullptr) {  // one at a time
    auto timer =
        std::make_shared<boost::asio::steady_timer>(world_.io, std::chrono::milliseconds(5));
    return timer->async_wait(
        [timer, self = shared_from_this(), ticket](ErrorCode) { self->let_go(ticket); });
  }
  for (auto& e : queue_) {
    if (e->ticket != ticket || e->held_for.empty()) continue;
    e->held_for.clear();
    auto frame = std::exchange(e->asked, {});
    resumed_ = e.get();
    again_ = true;
    request(frame);
    again_ = false;
    return resume_soon();
  }
}

// A group is about to be handed over: what its members have asked of old, and old keeps waiting for
// members that are held here, is held here too (probes P4).
void Session::adopt(const std::string& group, GroupGate& gate) {
  for (auto& e : queue_) {
    const auto api = e->request->api;
    const bool parked = (api == join_group && !e->asked.empty()) || api == sync_group;
    if (!parked || e->ready || e->task || !e->held_for.empty() || being_received(*e)) continue;
    if (std::ranges::find(e->keys, group) == e->keys.end()) continue;
    const auto links = links_;
    for (const auto& [node, link] : links) {
      for (auto& a : link->awaited) {
        if (a.exchange == e.get()) a.exchange = nullptr;
      }
      // Nothing else is to come on it: what the broker says late need not be read.
      if (!link->awaited.empty() && std::ranges::all_of(link->awaited, [](const Awaited& a) {
            return a.exchange == nullptr;
          }))
        drop(*link);
    }
    if (api == sync_group) {
      put_answer(*e, rebalancing);
      continue;
    }
    const auto content = wire::Bytes(e->asked).subspan(wire::frame_prefix_bytes);
    wire::RequestHeader h;
    const char* problem = nullptr;
    if (wire::parse(content, content.size(), h) != wire::Parse::ok) continue;
    const auto request = wire::decode(*e->request, h.version, content.subspan(h.size), problem);
    e->held_for = group;
    e->ticket = gate.held(weak_from_this(), api, request["MemberId"].text());
  }
  advance();
}

// Its client is gone, or going: nobody is to wait for what it asked.
void Session::leave_gates() {
  for (auto& e : queue_) {
    if (e->held_for.empty()) continue;
    if (auto* gate = world_.gate(e->held_for)) gate->gone(e->ticket);
    e->held_for.clear();
    if (!closed_) put_answer(*e, rebalancing);
  }
}

bool Session::commits_under_way(const std::string& group) const {
  return std::ranges::any_of(queue_, [&](const auto& e) {
    const auto api = e->request->api;
    return (api == offset_commit || api == txn_offset_commit) && !e->ready && e->held_for.empty() &&
           std::ranges::find(e->keys, group) != e->keys.end();
  });
}

bool Session::awaits_join(const std::string& group) const {
  return std::ranges::any_of(queue_, [&](const auto& e) {
    return e->request->api == join_group && !e->ready &&
           std::ranges::find(e->keys, group) != e->keys.end();
  });
}

bool Session::fetching(Clock::time_point since) const {
  constexpr wire::ApiKey fetch = 1;
  return last_fetch_ >= since || std::ranges::any_of(queue_, [](const auto& e) {
           return e->request->api == fetch && !e->ready;
         });
}

// It writes or reads what is in no migration: old is needed for that as long as it is here.
void Session::note_use(std::string_view topic, const wire::Uuid& shown_id) {
  constexpr std::size_t kept_max = 1024;
  const auto name = topic.empty() ? world_.view().topic_name(shown_id) : topic;
  if (!name.empty() && uses_elsewhere_.size() < kept_max && !uses_elsewhere_.contains(name))
    uses_elsewhere_.emplace(name);
}

// It reads what only old has, or does so no more.
void Session::note_place(const std::string& topic, std::int32_t index,
                         const splice::PartitionLog& log, splice::VirtualOffset at) {
  const bool behind = log.log.tail().cluster == route::Cluster::new_cluster && log.log.spliced() &&
                      !log.drained_at(at);
  if (behind)
    behind_[{topic, index}] = {at, Clock::now()};
  else if (!behind_.empty())
    behind_.erase({topic, index});
}

std::map<std::pair<std::string, std::int32_t>, splice::VirtualOffset> Session::reads_behind(
    Clock::duration recent) const {
  std::map<std::pair<std::string, std::int32_t>, splice::VirtualOffset> out;
  const auto since = Clock::now() - recent;
  for (const auto& [where, place] : behind_) {
    if (place.asked >= since) out.emplace(where, place.at);
  }
  return out;
}

// ListGroups asks a node: each lists the groups whose home its cluster is (rules C8).
Value Session::homed(const Value& answer, route::Cluster c) const {
  Array groups;
  for (const Value& g : answer["Groups"].array()) {
    const auto name = g["GroupId"].text();
    const bool ours =
        c == route::Cluster::new_cluster && name.starts_with(splice::seam_group_prefix);
    if (!ours && world_.splice.group_home(name) == c) groups.push_back(g);
  }
  return answer.fields().set("Groups", std::move(groups));
}

}  // namespace shunt::net
