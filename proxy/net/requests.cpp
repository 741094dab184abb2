// A session's requests: decisions carried out.
#include <algorithm>

#include "proxy/net/session.h"
#include "proxy/observe/log.h"
#include "proxy/route/self.h"
#include "proxy/wire/bytes.h"
#include "proxy/wire/framer.h"

namespace shunt::net {

using observe::CloseCause;
using wire::Role;

namespace {

constexpr wire::ApiKey produce = 0, fetch = 1, metadata = 3, find_coordinator = 10, join_group = 11,
                       leave_group = 13, list_groups = 16, api_versions = 18, get_telemetry = 71,
                       push_telemetry = 72;

constexpr std::size_t members_seen_max = 1 << 18;  // then they are seen anew, with a heartbeat
constexpr std::size_t members_seen_bytes_max = 16 << 20;

// A split Fetch is answered when all sides have answered: none may sit on a long poll.
constexpr std::int32_t split_fetch_wait_ms_max = 100;

void patch_split_fetch(const wire::Parts& parts, std::size_t nodes, std::span<std::byte> body) {
  const auto set = [&](Role role, std::int32_t most) {
    const auto& f = parts.top(role);
    if (f.present && f.number > most) wire::store(body.data() + f.at, most);
  };
  set(Role::max_wait_ms, split_fetch_wait_ms_max);
  // All sides together stay within what the client asked for (KIP-74: a first batch always passes).
  const auto asked = parts.top(Role::max_bytes).number / static_cast<std::int64_t>(nodes);
  set(Role::max_bytes,
      static_cast<std::int32_t>(std::clamp<std::int64_t>(asked, 1, split_fetch_bytes_max)));
  // Sessionless (KIP-227: epoch -1): no broker may keep a session that covers only a part.
  if (const auto& e = parts.top(Role::session_epoch); e.present) {
    wire::store(body.data() + e.at, std::int32_t{-1});
  }
}

}  // namespace

// One whole request, its size in front.
void Session::request(std::span<std::byte> frame) {
  const wire::Bytes content = frame.subspan(wire::frame_prefix_bytes);
  wire::RequestHeader h;
  if (wire::parse(content, content.size(), h) != wire::Parse::ok) {
    return close(CloseCause::bad_frame, "not a request header");
  }
  const wire::Message* m = wire::request(h.api);
  const auto offered = world_.versions.accepted().of(h.api);
  if (h.api == api_versions && (m == nullptr || !m->valid.contains(h.version))) {
    return answer_with(h, 0, world_.versions.answer(route::error_unsupported_version));  // KIP-511
  }
  if (m == nullptr || offered.empty()) {
    return close(CloseCause::unknown_api, "api key " + std::to_string(h.api));
  }
  // Produce is offered from v0 on, as brokers do for old librdkafka's sake, and served from v3.
  if (!offered.contains(h.version) || !m->valid.contains(h.version)) {
    return close(CloseCause::unsupported_version,
                 std::string(wire::api_name(h.api)) + " v" + std::to_string(h.version) +
                     "; offered: " + std::to_string(offered.first) + "-" +
                     std::to_string(offered.last));
  }
  const wire::Bytes body = content.subspan(h.size);
  if (const char* why = world_.parts.parse(*m, h.version, body)) {
    return close(CloseCause::bad_request, std::string(wire::api_name(h.api)) + " v" +
                                              std::to_string(h.version) + ": " + why);
  }
  if (world_.parts.leaf_count() > leaves_max) {
    return close(CloseCause::bad_request, std::string(wire::api_name(h.api)) + ": more than " +
                                              std::to_string(leaves_max) + " partitions or names");
  }
  if (unresolved_.empty() && !again_) note(h, world_.parts);
  if (m->route == wire::Route::self) return answer_self(h, *m, body);
  if (h.api == produce) {
    world_.judged.clear();
    if (!world_.splice.idle() && !admit_produce(h, frame)) return;
  } else if (!world_.splice.idle()) {
    next_ = {};
    if (splice_request(h, *m, frame)) return;
  }
  route::dispatch(*m, world_.parts, world_.view(), origin(h.api), world_.decision);
  if (h.api == produce && !world_.judged.empty()) take_out_own_leaves();
  carry_out(h, *m, frame);
}

// What a request tells of its client: names, use of APIs, groups.
void Session::note(const wire::RequestHeader& h, const wire::Parts& parts) {
  ++apis_[{h.api, h.version}];
  if (h.api == metadata) ++metadata_asked();
  if (h.has_client_id && who_.client_id != h.client_id) learn_client_id(h.client_id);
  const auto& group = parts.top(Role::group_id);
  const auto& member = parts.top(Role::member_id);
  if (group.number > 0 && member.number > 0) {
    // One that leaves is kept: what was last seen of its group may be older than that.
    if (world_.members_seen.size() >= members_seen_max ||
        world_.members_seen_bytes >= members_seen_bytes_max) {
      world_.members_seen.clear();
      world_.members_seen_bytes = 0;
    }
    if (world_.members_seen.emplace(group.text, member.text).second)
      world_.members_seen_bytes += group.text.size() + member.text.size();
    if (h.api == leave_group) {
      world_.identities.unlink(group.text, member.text);
    } else if (who_.instance != route::Instance{0} && who_.instance != world_.shared_instance) {
      world_.identities.link(who_.instance, group.text, member.text, world_.unix_now());
    }
    world_.keep_identity();
  }
  if (const auto& id = parts.top(Role::transactional_id);
      id.number > 0 && transactional_ids_.size() < 16) {
    transactional_ids_.emplace(id.text);
  }
}

// An address that another client was given is no identity (rules A6: certain or absent).
void Session::learn_client_id(std::string_view client_id) {
  who_.client_id = client_id;
  if (who_.instance == route::Instance{0}) return;
  if (!world_.identities.matches(who_.instance, client_id, who_.software)) {
    observe::log::debug("identity.mismatch", {{"address", remote_}, {"client_id", client_id}});
    who_.instance = route::Instance{0};
    return;
  }
  world_.identities.describe(who_.instance, client_id, who_.software, world_.unix_now());
}

void Session::carry_out(const wire::RequestHeader& h, const wire::Message& m,
                        std::span<std::byte> frame) {
  switch (world_.decision.act) {
    case route::Act::forward:
      unresolved_.clear();
      return forward(h, m, frame);
    case route::Act::split:
      unresolved_.clear();
      return split(h, m, frame);
    case route::Act::resolve:
      return resolve(frame);
    case route::Act::self:
      return close(CloseCause::unknown_api, std::string(wire::api_name(h.api)));
    case route::Act::no_broker:
      return close(CloseCause::link_refused, "no broker of the old cluster is known");
  }
}

Exchange& Session::expect(const wire::RequestHeader& h, const wire::Message& m) {
  if (resumed_ == nullptr) resumed_ = queue_.emplace_back(std::make_unique<Exchange>()).get();
  Exchange* e = std::exchange(resumed_, nullptr);
  e->request = &m;
  e->answer = wire::response(h.api);
  e->version = h.version;
  e->correlation = h.correlation;
  e->began = Clock::now();
  if (h.api == fetch) last_fetch_ = e->began;
  e->next_cut = world_.splice.next_cut();
  if (next_.change || next_.spliced || !next_.asked.empty()) {
    e->change = std::move(next_.change);
    e->spliced = next_.spliced;
    e->asked = std::move(next_.asked);
    e->whole = e->change != nullptr || (h.api == join_group && !e->asked.empty());
    next_ = {};
  }
  return *e;
}

route::Origin Session::origin(wire::ApiKey api) const {
  return {.addressed = who_.addressed,
          .fetch_session = fetch_session_,
          .fetch_session_at = fetch_session_at_,
          .unresolved = unresolved_,
          .order = api == produce ? &order_ : nullptr,
          .metadata_asked = metadata_asked()};
}

std::uint64_t& Session::metadata_asked() const {
  const auto i = static_cast<std::uint32_t>(who_.instance);
  return i == 0 ? own_metadata_asked_ : world_.metadata_asked[i];
}

void Session::remember_keys(Exchange& e, const wire::Message& m, const wire::Parts& parts) {
  using wire::Route;
  if (m.api == find_coordinator) {
    e.coordinator = parts.top(Role::coordinator_type).number == 1
                        ? route::CoordinatorKind::transaction
                        : route::CoordinatorKind::group;
    if (parts.top(Role::coordinator_key).present) {
      e.keys.emplace_back(parts.top(Role::coordinator_key).text);
    }
    return;
  }
  if (m.route != Route::group && m.route != Route::transaction) return;
  e.coordinator =
      m.route == Route::group ? route::CoordinatorKind::group : route::CoordinatorKind::transaction;
  const auto role = m.route == Route::group ? Role::group_id : Role::transactional_id;
  if (parts.top(role).present && parts.top(role).number >= 0)
    e.keys.emplace_back(parts.top(role).text);
  for (const auto& l : parts.leaves()) e.keys.emplace_back(l.name);
}

Link& Session::link_to(route::NodeKey node) {
  auto& link = links_[node];
  if (!link) {
    link = std::make_shared<Link>(world_.io, weak_from_this(), node);
    ++world_.metrics.links[static_cast<std::size_t>(node.cluster)];
    const auto* at = world_.endpoint(node);
    link->open(world_.dialer(node.cluster), at != nullptr ? *at : route::Endpoint{});
  }
  return *link;
}

void Session::forward(const wire::RequestHeader& h, const wire::Message& m,
                      std::span<std::byte> frame) {
  const auto node = world_.decision.nodes.front();
  wire::Bytes bytes = frame;
  std::vector<std::byte> rewritten;
  if (node.cluster == route::Cluster::new_cluster) {
    const bool has_some = h.api == list_groups && !world_.splice.all_handed().empty();
    const auto own = route::answer_for_foreign_node(h.api);
    if (own && world_.splice.home() != node.cluster && !has_some)
      return answer_with(h, h.version, *own);
    world_.edits.clear();
    const auto head = wire::frame_prefix_bytes + h.size;
    if (const char* why = route::translate_request(m, h.version, frame.subspan(head), node.cluster,
                                                   naming_, world_.edits)) {
      return close(CloseCause::bad_request, why);
    }
    if (!world_.edits.empty()) {
      rewritten.assign(frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(head));
      world_.edits.append_to(rewritten, frame.subspan(head));
      wire::seal(rewritten);
      bytes = rewritten;
    }
  }
  if (h.api == list_groups && (world_.left_old() || !world_.splice.all_handed().empty())) {
    next_.change = [this, c = node.cluster](const wire::Value& answer) { return homed(answer, c); };
  }
  Link& link = link_to(node);
  world_.metrics.moved(observe::Direction::to_cluster, node.cluster, bytes.size());
  if (h.api != produce || world_.parts.top(Role::acks).number != 0) {
    Exchange& e = expect(h, m);
    e.cluster = node.cluster;
    remember_keys(e, m, world_.parts);
    if (h.api == produce) {
      std::size_t i = 0;
      for (const auto& leaf : world_.parts.leaves()) bind(e, 0, leaf, i++, node);
    }
    link.awaited.push_back({&e, 0});
  } else {
    ++link.unanswered_sent;
  }
  link.send(bytes);
}

void Session::split(const wire::RequestHeader& h, const wire::Message& m,
                    std::span<std::byte> frame) {
  const auto& d = world_.decision;
  Exchange* e = nullptr;
  if (h.api != produce || world_.parts.top(Role::acks).number != 0) {
    e = &expect(h, m);
    e->parts.resize(d.nodes.size());
    e->parts_left = d.nodes.size();
    remember_keys(*e, m, world_.parts);
    std::size_t i = 0;
    bool own = false;  // leaves that we answer ourselves: a part of their own
    for (const auto& leaf : world_.parts.leaves()) {
      const auto part = d.chosen[i];
      own |= part == d.nodes.size();
      if (part < d.nodes.size()) bind(*e, part, leaf, i, d.nodes[part]);
      ++i;
    }
    if (own) {
      auto& body = e->parts.emplace_back();
      wire::encode(*e->answer, e->version, own_produce_answer(), body);
      wire::begin_answer(*e->answer, e->version, e->correlation, e->frame);
    }
  }
  const auto head = wire::frame_prefix_bytes + h.size;
  for (std::uint32_t i = 0; i < d.nodes.size(); ++i) {
    std::vector<std::byte> out(frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(head));
    world_.parts.append_selected(d.chosen, i, out);
    if (h.api == fetch)
      patch_split_fetch(world_.parts, d.nodes.size(), std::span(out).subspan(head));
    world_.edits.clear();
    route::translate_request(m, h.version, wire::Bytes(out).subspan(head), d.nodes[i].cluster,
                             naming_, world_.edits);
    if (!world_.edits.empty()) {
      std::vector<std::byte> rewritten(out.begin(),
                                       out.begin() + static_cast<std::ptrdiff_t>(head));
      world_.edits.append_to(rewritten, wire::Bytes(out).subspan(head));
      out = std::move(rewritten);
    }
    wire::seal(out);
    Link& link = link_to(d.nodes[i]);
    world_.metrics.moved(observe::Direction::to_cluster, d.nodes[i].cluster, out.size());
    if (e != nullptr)
      link.awaited.push_back({e, i});
    else
      ++link.unanswered_sent;
    link.send(out);
  }
}

// Holds the request until its coordinator is known, then decides again.
void Session::resolve(std::span<std::byte> frame) {
  resolving_ = true;
  held_.assign(frame.begin(), frame.end());
  unresolved_.push_back(world_.decision.key);
  auto* access = world_.access[static_cast<std::size_t>(world_.decision.home)];
  access->find_coordinator(world_.decision.kind, unresolved_.back(), [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self || self->closed_) return;
    self->resolving_ = false;
    auto frame_held = std::move(self->held_);
    self->held_ = {};
    self->request(frame_held);
    self->resume_soon();
  });
}

void Session::answer_self(const wire::RequestHeader& h, const wire::Message& m, wire::Bytes body) {
  const char* problem = nullptr;
  const wire::Value request = wire::decode(m, h.version, body, problem);
  if (problem != nullptr) return close(CloseCause::bad_request, problem);
  if (h.api == get_telemetry || h.api == push_telemetry) {
    wire::Uuid id;
    for (auto& b : id) b = static_cast<std::byte>(world_.random());
    return answer_with(h, h.version, route::answer_telemetry(h.api, request, id));
  }
  who_.software = request["ClientSoftwareName"].text();
  who_.software_version = request["ClientSoftwareVersion"].text();
  learn_client_id(who_.client_id);
  answer_with(h, h.version,
              route::answer_api_versions(request, h.version, world_.versions, world_.cluster_id,
                                         who_.addressed));
}

void Session::answer_with(const wire::RequestHeader& h, wire::Version version,
                          const wire::Value& body) {
  const wire::Message& request = *wire::request(h.api);
  const wire::Message& answer = *wire::response(h.api);
  Exchange& e = expect(h, request);
  wire::begin_answer(answer, version, h.correlation, e.frame);
  if (const char* why = wire::encode(answer, version, body, e.frame)) {
    return close(CloseCause::internal, std::string(answer.name) + ": " + why);
  }
  wire::seal(e.frame);
  e.ready = true;
  advance();
}

}  // namespace shunt::net
