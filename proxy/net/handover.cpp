#include "proxy/net/handover.h"

#include <algorithm>
#include <boost/asio/post.hpp>

#include "proxy/net/session.h"
#include "proxy/observe/log.h"
#include "proxy/observe/text.h"

namespace shunt::net {

using route::Cluster;
using wire::Array;
using wire::Struct;
using wire::Value;

namespace {

constexpr wire::ApiKey offset_commit = 8, join_group = 11, heartbeat = 12, leave_group = 13,
                       sync_group = 14, describe_groups = 15, txn_offset_commit = 28;
constexpr auto kind = route::CoordinatorKind::group;
using std::chrono::milliseconds;
constexpr milliseconds check_again{200}, check_limit{10000}, warm_limit{15000};
constexpr milliseconds barrier_turn{50}, barrier_limit{15000}, beat_every{1000};
constexpr milliseconds closing_turn{2}, settle_turn{50}, settle_limit{30000}, back_turn{20};
constexpr milliseconds back_limit{2000}, seen_fetching{2000};

std::string named(const std::set<std::string>& all) {
  std::string out;
  for (const auto& one : all) out += (out.empty() ? "" : ", ") + one;
  return out;
}

std::string who(const Value& member) {
  return "member " + std::string(member["MemberId"].text()) + " (" +
         std::string(member["ClientId"].text()) + " at " +
         std::string(member["ClientHost"].text()) + ")";
}

}  // namespace

void Handover::start(std::function<void(const Result&)> done) {
  done_ = std::move(done);
  since_ = Clock::now();
  check();
}

void Handover::after(milliseconds wait, void (Handover::*step)()) {
  timer_.expires_after(wait);
  timer_.async_wait([self = shared_from_this(), step](ErrorCode e) {
    if (!e && self->phase_ != Phase::over) (self.get()->*step)();
  });
}

// What old's coordinator says of the group: one entry of DescribeGroups.
void Handover::ask_old(OldSaid done) {
  const auto ask = [self = shared_from_this(), done = std::move(done)] {
    const auto at = self->world_.old_topology.coordinator(kind, self->group());
    if (!at) return done("old names no coordinator for it", {});
    self->world_.access[0]->call(
        *at, describe_groups, 4, Struct{{"Groups", Array{self->group()}}},
        [self, done](const std::string& error, const Value& body) {
          const auto groups = body["Groups"].array();
          const auto code = groups.size() == 0 ? 0 : groups[0]["ErrorCode"].number();
          if (!error.empty() || groups.size() == 0 || code != 0) {
            self->world_.old_topology.forget_coordinator(kind, self->group());
            return done(error.empty() ? "DescribeGroups: error " + std::to_string(code) : error,
                        {});
          }
          done("", groups[0]);
        });
  };
  if (world_.old_topology.coordinator(kind, group()))
    ask();
  else
    world_.access[0]->find_coordinator(kind, group(), ask);
}

void Handover::check() {
  ask_old([self = shared_from_this()](const std::string& error, const Value& g) {
    if (self->phase_ != Phase::check) return;
    const std::string state(g["GroupState"].text());
    const bool empty = state == "Empty" || state == "Dead";
    std::string id = "group.state", why, fix = "finish again when it is stable: shuntctl groups";
    if (!error.empty()) {
      why = "old cannot say how it stands: " + error;
    } else if (!empty && state != "Stable") {
      why = "it is rebalancing at old (" + state + ")";
    } else if (why = self->asleep(g); !why.empty()) {
      id = "group.asleep";
      fix = "let it read, or end it; then finish again";
    }
    if (why.empty()) return empty ? self->begin_barrier() : self->warm(g);
    if (Clock::now() - self->since_ > check_limit) return self->fail(id, why, fix);
    self->after(check_again, &Handover::check);
  });
}

// A member that has something to read and has not asked for it lately would keep the others
// waiting; empty: there is none.
std::string Handover::asleep(const Value& g) const {
  const auto since = Clock::now() - seen_fetching;
  for (const Value& m : g["Members"].array()) {
    constexpr std::size_t nothing_assigned = 10;  // ConsumerProtocolAssignment without a topic
    if (m["MemberAssignment"].bytes().size() <= nothing_assigned) continue;
    const auto instance = world_.identities.of_member(group(), m["MemberId"].text());
    bool own = instance != route::Instance{0} && instance != world_.shared_instance;
    const auto of_instance = [&](const auto& s) { return s->who().instance == instance; };
    // Some clients read on connections that a former bootstrap has named: known by client id alone.
    own = own && std::ranges::any_of(world_.sessions, [&](const auto& s) {
            return of_instance(s) && s->fetching(Clock::time_point{} + milliseconds(1));
          });
    const bool reads = std::ranges::any_of(world_.sessions, [&](const auto& s) {
      return (own ? of_instance(s) : s->who().client_id == m["ClientId"].text()) &&
             s->fetching(since);
    });
    if (!reads) return who(m) + " has not asked for records for two seconds";
  }
  return {};
}

void Handover::warm(const Value& g) {
  phase_ = Phase::warm;
  world_.gates[group()] = this;  // nothing else is to commit for it at new
  placeholder_ =
      std::make_shared<Placeholder>(world_, group(), std::string(g["ProtocolType"].text()),
                                    std::string(g["ProtocolData"].text()));
  placeholder_->join(warm_limit, [self = shared_from_this()](const std::string& error) {
    if (self->phase_ != Phase::warm) return;
    if (!error.empty())
      return self->fail("group.new", error,
                        "see `shuntctl status`: new must be well; then finish again");
    self->world_.reached("H1");
    self->begin_barrier();
  });
}

void Handover::begin_barrier() {
  phase_ = Phase::barrier;
  barrier_since_ = Clock::now();
  world_.gates[group()] = this;
  observe::log::info("handover.barrier", {{"group", group()}});
  const auto sessions = world_.sessions;
  for (const auto& s : sessions) s->adopt(group(), *this);
  world_.reached("H2");
  look_again();
}

GroupGate::Act Handover::judge(wire::ApiKey api) const {
  const bool closing = phase_ == Phase::closing;
  if (!closing && phase_ != Phase::barrier) return Act::pass;
  switch (api) {
    case heartbeat:
    case sync_group:
      return Act::rebalance;
    case join_group:
      return Act::hold;
    case offset_commit:
    case txn_offset_commit:
    case leave_group:
      return closing ? Act::hold : Act::pass;
    default:
      return Act::pass;
  }
}

splice::Barrier::Ticket Handover::held(std::weak_ptr<Session> session, wire::ApiKey api,
                                       std::string_view member) {
  const bool join = api == join_group;
  const auto ticket = join ? barrier_.hold(std::string(member)) : ++last_other_;
  held_[ticket] = {std::move(session), join};
  return ticket;
}

void Handover::gone(splice::Barrier::Ticket ticket) {
  barrier_.gone(ticket);
  held_.erase(ticket);
}

// Who is to come: as old has it now. Those who have come are kept alive there.
void Handover::look_again() {
  if (looking_) return;
  looking_ = true;
  looked_ = Clock::now();
  ask_old([self = shared_from_this()](const std::string& error, const Value& g) {
    self->looking_ = false;
    if (self->phase_ != Phase::barrier) return;
    if (!error.empty())
      return self->send_back("group.old", "old cannot say how it stands: " + error,
                             "see `shuntctl status`; then finish again");
    std::set<std::string> members;
    for (const Value& m : g["Members"].array()) members.emplace(m["MemberId"].text());
    self->barrier_.expect(members);
    if (self->barrier_.complete()) {
      self->old_members_ = std::move(members);
      return self->close_barrier();
    }
    self->wait_for_members();
  });
}

void Handover::wait_for_members() {
  const auto now = Clock::now();
  if (placeholder_ && !placeholder_->lost().empty())
    return send_back("group.new", placeholder_->lost(), "see `shuntctl status`; then finish again");
  if (now - beaten_ > beat_every) {
    beaten_ = now;
    beat_for_members();
  }
  if (barrier_.complete()) return look_again();
  if (now - barrier_since_ > barrier_limit)
    return send_back("group.asleep",
                     "not there after " + std::to_string(barrier_limit.count() / 1000) +
                         " s: member " + named(barrier_.missing()),
                     "let it poll, or end it; then finish again");
  if (now - looked_ > beat_every) return look_again();  // one that has left is waited for no longer
  after(barrier_turn, &Handover::wait_for_members);
}

// Old removes a member that does not heartbeat, and a member that waits here does not.
void Handover::beat_for_members() {
  const auto at = world_.old_topology.coordinator(kind, group());
  const auto generation = world_.groups_seen[group()].generation;
  if (!at || generation < 0) return;
  for (const auto& member : barrier_.members()) {
    world_.access[0]->call(
        *at, heartbeat, 2,
        Struct{{"GroupId", group()}, {"GenerationId", generation}, {"MemberId", member}},
        [group = group(), member](const std::string& error, const Value& body) {
          const auto code = body["ErrorCode"].number();
          if (!error.empty() || (code != 0 && code != 27))
            observe::log::limited(
                observe::log::Level::warn, "handover.heartbeat",
                {{"group", group}, {"member", member}, {"error", code}, {"why", error}});
        });
  }
}

void Handover::close_barrier() {
  phase_ = Phase::closing;
  result_.barrier_ms =
      std::chrono::duration_cast<milliseconds>(Clock::now() - barrier_since_).count();
  world_.reached("H3");
  take_offsets();
}

// What was committed at old before must have been answered, so that it is in the journal.
void Handover::take_offsets() {
  const bool under_way = std::ranges::any_of(
      world_.sessions, [&](const auto& s) { return s->commits_under_way(group()); });
  if (under_way) {
    if (Clock::now() - barrier_since_ > barrier_limit + check_limit)
      return send_back("group.old", "old does not answer a commit", "finish again");
    return after(closing_turn, &Handover::take_offsets);
  }
  if (!placeholder_) {
    placeholder_ = std::make_shared<Placeholder>(world_, group(), "", "");
    return placeholder_->join(warm_limit, [self = shared_from_this()](const std::string& error) {
      if (self->phase_ != Phase::closing) return;
      if (error.empty()) return self->take_offsets();
      self->send_back("group.new", error, "see `shuntctl status`; then finish again");
    });
  }
  fetch_committed(world_, Cluster::old_cluster, group(), nullptr,
                  [self = shared_from_this(), since = world_.splice.last_commit()](
                      const std::string& error, const Value& body) {
                    if (self->phase_ != Phase::closing) return;
                    if (!error.empty())
                      return self->send_back("group.old", "its offsets at old: " + error,
                                             "see `shuntctl status`; then finish again");
                    self->copy_offsets(body, since);
                  });
}

// Its places, as a client would be told them, in new's own numbers.
void Handover::copy_offsets(const Value& at_old, std::uint64_t since) {
  const Value request = Struct{{"GroupId", group()}, {"Topics", nullptr}};
  const auto shown = splice::fetched(world_.splice, request, at_old, since);
  std::vector<splice::Copy> offsets;
  for (const Value& t : shown.answer["Topics"].array()) {
    const std::string topic(t["Name"].text());
    for (const Value& p : t["Partitions"].array()) {
      const auto index = static_cast<std::int32_t>(p["PartitionIndex"].number());
      const auto at = p["CommittedOffset"].number();
      const auto* log = world_.splice.partition(topic, {}, index);
      if (log == nullptr || !log->log.spliced() || at < 0) continue;
      const std::string metadata(p["Metadata"].text());
      const auto* known = world_.splice.commit(group(), topic, index);
      if (known == nullptr || known->at.at != at)
        world_.record(
            splice::CommitAccepted{group(), topic, index, {at}, metadata, observe::unix_ms_now()},
            false);
      offsets.push_back({group(), topic, index, log->log.pair({at}).in_new, metadata});
    }
  }
  if (offsets.empty()) return hand();
  placeholder_->commit(offsets, [self = shared_from_this()](const std::string& error) {
    if (self->phase_ != Phase::closing) return;
    if (error.empty()) return self->hand();
    self->send_back("group.new", error, "see `shuntctl status`; then finish again");
  });
}

// The point of no return.
void Handover::hand() {
  world_.reached("H4");
  splice::GroupHanded record;
  record.group = group();
  record.generation =
      old_members_.empty() ? 0 : std::max(world_.groups_seen[group()].generation, 0);
  const auto members = barrier_.members();
  record.members.assign(members.begin(), members.end());
  record.at = observe::unix_ms_now();
  if (!world_.record(record, true))
    return send_back("journal", "the journal cannot be written",
                     "make room on its disk; then finish again");
  world_.reached("H5");
  phase_ = Phase::handed;
  world_.gates.erase(group());
  result_.members = static_cast<std::int64_t>(old_members_.size());
  since_ = Clock::now();
  std::vector<splice::Barrier::Ticket> all;
  for (const auto& [ticket, h] : held_) all.push_back(ticket);
  let_all_go(all);
  world_.reached("H6");
  leave_old();
  settle();
}

void Handover::let_all_go(const std::vector<splice::Barrier::Ticket>& order) {
  for (const auto ticket : order) {
    const auto it = held_.find(ticket);
    if (it == held_.end()) continue;
    const auto session = it->second.session.lock();
    held_.erase(it);
    if (session) session->let_go(ticket);
  }
}

// The placeholder leaves when new has all of them; then the group is stable there.
void Handover::settle() {
  if (barrier_.held() == 0) return end();
  placeholder_->describe([self = shared_from_this()](const std::string& error,
                                                     const std::string& state,
                                                     const std::set<std::string>& members) {
    const bool late = Clock::now() - self->since_ > settle_limit;
    const bool here = error.empty() && members.size() >= self->barrier_.held();
    if (!self->placeholder_left_ && (here || late)) {
      self->placeholder_left_ = true;
      self->placeholder_->leave();
    }
    if ((self->placeholder_left_ && state == "Stable" && here) || late) return self->end();
    self->after(settle_turn, &Handover::settle);
  });
}

// Old is to forget them, so that nobody there waits for them (probes P4, 6).
void Handover::leave_old() {
  const auto at = world_.old_topology.coordinator(kind, group());
  if (!at) return;
  for (const auto& member : old_members_) {
    world_.access[0]->call(*at, leave_group, 2, Struct{{"GroupId", group()}, {"MemberId", member}},
                           [](const std::string&, const Value&) {});
  }
}

void Handover::end() {
  result_.done = true;
  result_.handover_ms =
      std::chrono::duration_cast<milliseconds>(Clock::now() - barrier_since_).count();
  world_.reached("H7");
  phase_ = Phase::over;
  if (placeholder_) placeholder_->close();
  observe::Event e;
  e.event = "handover.done";
  e.migration = migration_;
  e.step = "handover";
  e.keys = {{"group", group()},
            {"members", result_.members},
            {"barrier_ms", result_.barrier_ms},
            {"handover_ms", result_.handover_ms}};
  world_.events.add(std::move(e));
  std::exchange(done_, nullptr)(result_);
}

void Handover::fail(const std::string& id, const std::string& why, const std::string& fix) {
  result_.why = {id, "fail", group(), why, fix};
  phase_ = Phase::over;
  timer_.cancel();
  world_.gates.erase(group());
  if (placeholder_) {
    placeholder_->leave();
    boost::asio::post(world_.io, [p = placeholder_] {});
  }
  observe::Event e;
  e.event = "handover.aborted";
  e.migration = migration_;
  e.step = "handover";
  e.keys = {{"group", group()}, {"check", id}, {"reason", why}};
  world_.events.add(std::move(e));
  if (done_) std::exchange(done_, nullptr)(result_);
}

// Old goes on with all of them: followers hear the generation that stands, the leader's join comes
// last, because it begins a rebalance (rules B3).
void Handover::send_back(const std::string& id, const std::string& why, const std::string& fix) {
  phase_ = Phase::back;
  result_.why = {id, "fail", group(), why, fix};
  auto order = barrier_.back(world_.groups_seen[group()].leader);
  for (const auto& [ticket, h] : held_) {
    if (!h.join) order.insert(order.begin(), ticket);
  }
  if (order.empty()) return fail(id, why, fix);
  const auto last = order.back();
  order.pop_back();
  let_all_go(order);
  since_ = Clock::now();
  if (order.empty()) {
    let_all_go({last});
    return fail(id, why, fix);
  }
  leader_back();
}

void Handover::leader_back() {
  // The leader's own waits here too.
  const auto waiting = std::ranges::count_if(
      world_.sessions, [&](const auto& s) { return s->awaits_join(group()); });
  if (waiting > static_cast<std::ptrdiff_t>(held_.size()) && Clock::now() - since_ < back_limit)
    return after(back_turn, &Handover::leader_back);
  std::vector<splice::Barrier::Ticket> all;
  for (const auto& [ticket, h] : held_) all.push_back(ticket);
  let_all_go(all);
  fail(result_.why.id, result_.why.reason, result_.why.fix);
}

void Handover::cancel(const std::string& why) {
  switch (phase_) {
    case Phase::check:
    case Phase::warm:
      return fail("step", why, "shuntctl finish");
    case Phase::barrier:
    case Phase::closing:
      return send_back("step", why, "shuntctl finish");
    default:
      return;
  }
}

}  // namespace shunt::net
