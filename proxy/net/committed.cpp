// A session's requests with committed offsets: to the group's home in its numbers, journaled in
// ours before their client is answered.
#include "proxy/splice/commits.h"

#include "proxy/net/session.h"
#include "proxy/observe/text.h"
#include "proxy/wire/framer.h"

namespace shunt::net {

using observe::CloseCause;
using wire::Role;
using wire::Value;

namespace {
constexpr wire::ApiKey offset_commit = 8, offset_fetch = 9, init_producer_id = 22, end_txn = 26,
                       delete_groups = 42, offset_delete = 47;
}  // namespace

// A group's place, as its home has accepted it.
void Session::keep_commit(const splice::Record& record) {
  world_.record(record, false);
  if (const auto* c = std::get_if<splice::CommitAccepted>(&record)) world_.commits->accepted(*c);
}

// True: it has been taken care of. False: it goes on, perhaps with its answer to be read (next_).
bool Session::committed(const wire::RequestHeader& h, const wire::Message& m,
                        std::span<std::byte> frame) {
  if (h.api == end_txn || h.api == init_producer_id) return transaction_ends(h, m, frame);
  const auto request = decoded(h, m, frame);
  if (!request) return true;
  if (h.api == offset_fetch) {
    next_.change = [this, asked = *request, since = world_.splice.last_commit()](
                       const Value& answer) { return places_shown(asked, answer, since); };
    return false;
  }
  if (h.api == delete_groups || h.api == offset_delete) {
    next_.change = [this, api = h.api, asked = *request](const Value& answer) {
      for (const auto& r : splice::forgotten(world_.splice, api, asked, answer))
        world_.record(r, false);
      return answer;
    };
    return false;
  }
  auto commit = std::make_shared<splice::CommitRequest>(
      splice::commit_request(world_.splice, h.api, *request));
  if (commit->positions.empty()) return false;
  next_.change = [this, commit](const Value& answer) {
    const auto now = observe::unix_ms_now();
    if (commit->api == offset_commit) {
      for (const auto& r : splice::accepted(*commit, answer, now)) keep_commit(r);
      return answer;
    }
    auto& pending = world_.pending_commits[commit->transactional_id];
    for (auto& r : splice::pending(*commit, answer, now)) pending.push_back(std::move(r));
    return answer;
  };
  auto out = reframed(h, m, frame, commit->native);
  if (out.empty()) return true;
  // Taken apart again: positions in the body have moved.
  const auto body = wire::Bytes(out).subspan(wire::frame_prefix_bytes + h.size);
  if (const char* why = world_.parts.parse(m, h.version, body)) {
    close(CloseCause::internal, why);
    return true;
  }
  route::dispatch(m, world_.parts, world_.view(), origin(h.api), world_.decision);
  if (world_.decision.act == route::Act::resolve) {
    next_ = {};
    world_.parts.parse(m, h.version, wire::Bytes(frame).subspan(wire::frame_prefix_bytes + h.size));
    return false;  // the coordinator first: it comes back here
  }
  carry_out(h, m, out);
  return true;
}

// The home's answer to OffsetFetch in the client's numbers. Where somebody has committed past us,
// what is shown now is the group's place from here on. `since`: last_commit() when it was asked.
Value Session::places_shown(const Value& asked, const Value& answer, std::uint64_t since) {
  auto fetched = splice::fetched(world_.splice, asked, answer, since);
  for (const auto& d : fetched.drift) {
    observe::Event event;
    event.event = "commit-drift";
    if (const auto* t = world_.splice.topic(d.topic)) event.migration = t->migration;
    event.keys = {
        {"group", d.group}, {"topic", d.topic},       {"partition", std::int64_t{d.partition}},
        {"home", d.home},   {"expected", d.expected}, {"shown", d.shown.at}};
    world_.events.add(std::move(event));
    if (const auto c = splice::shown_instead(d, observe::unix_ms_now())) keep_commit(*c);
  }
  return std::move(fetched.answer);
}

// Ids that new hands out are shown apart from old's, which clients still have (rules B8).
bool Session::new_producer(const wire::RequestHeader& h, const wire::Message& m,
                           std::span<std::byte> frame) {
  constexpr std::int64_t shown_base = std::int64_t{1} << 48;
  const auto request = decoded(h, m, frame);
  if (!request) return true;
  next_.change = [](const Value& answer) {
    const auto id = answer["ProducerId"].number();
    if (answer["ErrorCode"].number() != 0 || id < 0) return answer;
    return Value(answer.fields().set("ProducerId", id + shown_base));
  };
  return false;
}

// A transaction's commits count from its EndTxn on; one that begins anew has dropped them.
bool Session::transaction_ends(const wire::RequestHeader& h, const wire::Message& m,
                               std::span<std::byte> frame) {
  std::string id(world_.parts.top(Role::transactional_id).text);
  if (!world_.pending_commits.contains(id)) return false;
  const auto request = decoded(h, m, frame);
  if (!request) return true;
  const bool commits = h.api == end_txn && (*request)["Committed"].number() != 0;
  next_.change = [this, id = std::move(id), commits](const Value& answer) {
    if (answer["ErrorCode"].number() != 0) return answer;
    const auto ended = world_.pending_commits.extract(id);
    if (ended.empty() || !commits) return answer;
    for (const auto& r : ended.mapped()) keep_commit(r);
    return answer;
  };
  return false;
}

}  // namespace shunt::net
