// Asks the operator's interface, and answers when it does, or with 202 when `wait_ms` has passed.
#include "control/operator_routes.h"

#include <algorithm>
#include <set>

#include <boost/json/serialize.hpp>

#include "control/bodies.h"
#include "control/json.h"
#include "control/look_views.h"
#include "control/migration_view.h"
#include "control/units.h"

namespace shunt::control {
namespace {

namespace json = boost::json;

ApiAnswer json_answer(const json::object& body, unsigned status = 200,
                      const std::string& code = "") {
  ApiAnswer out;
  out.status = status;
  out.body = json::serialize(body) + '\n';
  out.code = code;
  return out;
}

ApiAnswer usage(const Failure& failure) { return error_answer(400, failure); }

// What is not done always says so under `error`, beside the command's own keys.
ApiAnswer not_done(json::object body, unsigned status, const std::string& code,
                   const std::string& message, const std::string& where, const std::string& next) {
  body["error"] = error_object(code, message, where, next);
  return json_answer(body, status, code);
}

ApiAnswer refused_answer(const net::Refused& r) {
  json::object body = begin_object();
  if (!r.blockers.empty()) body["blockers"] = objects(r.blockers, check_object);
  return not_done(std::move(body), r.status, r.code, r.message, r.where, r.next);
}

ApiAnswer plan_answer(const net::Plan& plan) {
  if (plan.blockers.empty()) return json_answer(plan_view(plan));
  const std::string n = std::to_string(plan.blockers.size());
  return not_done(plan_view(plan), 409, "blocked",
                  n + (plan.blockers.size() == 1 ? " check is" : " checks are") + " in the way",
                  plan.blockers.front().target, plan.blockers.front().fix);
}

ApiAnswer moved_answer(const net::ProduceMoved& moved) {
  if (moved.aborted_at.empty()) return json_answer(moved_view(moved));
  return not_done(moved_view(moved), 500, "aborted",
                  "aborted at " + moved.aborted_at + " and rolled back: " + moved.reason,
                  moved.aborted_at, "clients go on as before; try again");
}

ApiAnswer groups_answer(const net::GroupsMoved& moved, const splice::State& state) {
  return json_answer(moved_view(moved, state));
}

std::set<std::string> moves(const splice::State& state) {
  std::set<std::string> out;
  for (const auto& [id, m] : state.migrations())
    for (const auto& move : m.moves) out.insert(move.id);
  return out;
}

// One request that waits for the operator's answer.
class Pending {
 public:
  static std::shared_ptr<Pending> make(const ApiSources& sources, const Reply& reply, Wait wait) {
    auto out = std::make_shared<Pending>();
    out->reply_ = reply;
    if (!wait) return out;
    net::Operator& op = sources.operate();
    out->timer_ = sources.later(*wait, [out, &op, before = moves(op.state())] {
      json::object body = begin_object();
      body["move"] = nullptr;  // not begun yet
      for (const auto& id : moves(op.state()))
        if (!before.contains(id)) body["move"] = text(id);
      out->answer(json_answer(body, 202, "running"));
    });
    return out;
  }
  // The first one counts: what comes after 202 is in `status` and `events`.
  void answer(const ApiAnswer& a) {
    const Reply reply = std::exchange(reply_, nullptr);
    timer_.reset();
    if (reply) reply(a);
  }

 private:
  Reply reply_;
  std::shared_ptr<void> timer_;
};

// The operator's callback: what it refuses, or what `show` makes of the result.
template <class Show>
auto then(const std::shared_ptr<Pending>& pending, Show show) {
  return [pending, show](const net::Refused* refused, const auto& result) {
    pending->answer(refused ? refused_answer(*refused) : show(result));
  };
}

void start(const ApiRequest& r, const ApiSources& sources, const Reply& reply, bool plan_only) {
  Failure failure;
  Wait wait;
  const auto asked = read_start(r.body, wait, failure);
  if (!asked) return reply(usage(failure));
  net::Operator& op = sources.operate();
  const auto pending = Pending::make(sources, reply, wait);
  if (plan_only) return op.plan(*asked, then(pending, plan_answer));
  op.start(*asked, then(pending, [&op](const std::string& id) {
    return json_answer(migration_view(id, op));
  }));
}

void move(const ApiRequest& r, const ApiSources& sources, const Reply& reply) {
  Failure failure;
  Wait wait;
  const auto asked = read_move(r.body, wait, failure);
  if (!asked) return reply(usage(failure));
  if (asked->both)
    return reply(error_answer(501, {"not_implemented", "scheme 2 is not in this version yet",
                                    "--to both", "shuntctl move fetch --to new"}));
  const auto pending = Pending::make(sources, reply, wait);
  net::Operator& op = sources.operate();
  if (asked->kind == "produce") return op.move_produce(asked->produce, then(pending, moved_answer));
  op.move_fetch(asked->fetch, then(pending, [&op](const net::GroupsMoved& moved) {
                  return groups_answer(moved, op.state());
                }));
}

void undo(const ApiRequest& r, const ApiSources& sources, const Reply& reply) {
  Failure failure;
  Wait wait;
  const auto asked = read_undo(r.body, wait, failure);
  if (!asked) return reply(usage(failure));
  net::Operator& op = sources.operate();
  op.undo(*asked, then(Pending::make(sources, reply, wait), [&op](const net::Moved& moved) {
    if (const auto* groups = std::get_if<net::GroupsMoved>(&moved))
      return groups_answer(*groups, op.state());
    return moved_answer(std::get<net::ProduceMoved>(moved));
  }));
}

void pause(const ApiRequest& r, const ApiSources& sources, const Reply& reply, bool paused) {
  Failure failure;
  Wait wait;
  const auto asked = read_pause(r.body, wait, failure);
  if (!asked) return reply(usage(failure));
  net::Operator& op = sources.operate();
  op.pause(*asked, paused, then(Pending::make(sources, reply, wait), [&op](const std::string& id) {
    return json_answer(migration_view(id, op));
  }));
}

void finish(const ApiRequest& r, const ApiSources& sources, const Reply& reply) {
  Failure failure;
  Wait wait;
  const auto asked = read_finish(r.body, wait, failure);
  if (!asked) return reply(usage(failure));
  net::Operator& op = sources.operate();
  op.finish(*asked, then(Pending::make(sources, reply, wait), [&op](const net::Finished& f) {
    return json_answer(finished_view(f, op));
  }));
}

void lag(const ApiRequest& r, const ApiSources& sources, const Reply& reply) {
  Failure failure;
  auto query = read_query(r.target, {"group"}, failure);
  if (!query) return reply(usage(failure));
  sources.operate().lag((*query)["group"], then(Pending::make(sources, reply, {}),
                                                [](const std::vector<net::GroupLag>& all) {
                                                  return json_answer(lag_view(all));
                                                }));
}

// One event per line. A number that was never given yet is of a daemon before this one: all are
// new.
void events(const ApiRequest& r, const ApiSources& sources, const Reply& reply) {
  Failure failure;
  auto query = read_query(r.target, {"since"}, failure);
  if (!query) return reply(usage(failure));
  const std::string& asked = (*query)["since"];
  const auto since = asked.empty() ? std::optional<std::int64_t>(0) : parse_integer(asked);
  if (!since || *since < 0)
    return reply(usage({"usage", "since: expected an event's number", "since", ""}));
  const observe::Events& all = sources.events();
  auto from = static_cast<std::uint64_t>(*since);
  if (from > all.last()) from = 0;
  ApiAnswer out;
  for (const auto& e : all.since(from)) out.body += json::serialize(event_object(e)) + '\n';
  out.type = "application/x-ndjson";
  reply(out);
}

void offsets(const ApiRequest& r, const ApiSources& sources, const Reply& reply) {
  Failure failure;
  auto query = read_query(r.target, {"at", "from", "group"}, failure);
  if (!query) return reply(usage(failure));
  auto asked = parse_offset((*query)["at"]);
  if (!asked)
    return reply(usage({"usage", "at: expected TOPIC:PARTITION:OFFSET", "at", "orders:3:9041"}));
  if (const auto from = query->find("from"); from != query->end()) asked->from = from->second;
  if (asked->from != "virtual" && asked->from != "old" && asked->from != "new")
    return reply(usage({"usage", "from: expected virtual, old or new", "from", ""}));
  const observe::Snapshot seen = sources.snapshot();
  if (const std::string& group = (*query)["group"]; !group.empty()) {
    std::string all;
    for (const auto& g : seen.groups) all += (all.empty() ? "" : ", ") + g.group;
    if (std::ranges::find(seen.groups, group, &observe::GroupView::group) == seen.groups.end())
      return reply(usage({"no_such_group", "old knows no group " + group, group,
                          "groups there are: " + (all.empty() ? "none" : all)}));
  }
  const auto row = offset_view(*asked, seen, sources.operate().state(), failure);
  reply(row ? json_answer(*row) : usage(failure));
}

}  // namespace

bool answer_mutation(const std::string& path, const ApiRequest& r, const ApiSources& sources,
                     const Reply& reply) {
  if (path == "/plan")
    start(r, sources, reply, true);
  else if (path == "/migrations")
    start(r, sources, reply, false);
  else if (path == "/move")
    move(r, sources, reply);
  else if (path == "/undo")
    undo(r, sources, reply);
  else if (path == "/finish")
    finish(r, sources, reply);
  else if (path == "/pause" || path == "/resume")
    pause(r, sources, reply, path == "/pause");
  else
    return false;
  return true;
}

bool answer_look(const std::string& path, const ApiRequest& r, const ApiSources& sources,
                 const Reply& reply) {
  if (path == "/lag")
    lag(r, sources, reply);
  else if (path == "/events")
    events(r, sources, reply);
  else if (path == "/offsets")
    offsets(r, sources, reply);
  else if (path == "/verify")
    sources.operate().verify(then(Pending::make(sources, reply, {}), [](const net::Proof& proof) {
      return json_answer(proof_view(proof));
    }));
  else
    return false;
  return true;
}

}  // namespace shunt::control
