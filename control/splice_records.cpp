// The migration's records as JSON and back: one struct per record, one line per key.
#include "control/splice_records.h"

namespace shunt::control {
namespace {

namespace json = boost::json;
using namespace splice;

// Producer id -> its last batches, each [first sequence, last sequence, virtual offset].
void write(Writer w, const ProducerTails::value_type& producer) {
  w.number("id", producer.first);
  w.number("epoch", producer.second.epoch);
  json::array last;
  for (const auto& b : producer.second.last)
    last.push_back(json::array{b.first_sequence, b.last_sequence, b.offset});
  w.out["last"] = std::move(last);
}

ProducerTail::Batch read_batch(Reader& r, const json::value& v) {
  const auto* a = v.if_array();
  const bool good =
      a && a->size() == 3 && a->at(0).is_int64() && a->at(1).is_int64() && a->at(2).is_int64();
  if (!good) return r.refuse("last"), ProducerTail::Batch{};
  return {static_cast<std::int32_t>(a->at(0).get_int64()),
          static_cast<std::int32_t>(a->at(1).get_int64()), a->at(2).get_int64()};
}

ProducerTails read_producers(Reader& r) {
  ProducerTails out;
  r.list("producers", [&](Reader& one) {
    ProducerTail& tail = out[one.number<std::int64_t>("id")];
    tail.epoch = one.number<std::int16_t>("epoch");
    const auto* last = one.in.if_contains("last");
    if (!last || !last->is_array()) return one.refuse("last");
    for (const auto& b : last->get_array()) tail.last.push_back(read_batch(one, b));
  });
  return out;
}

void write(Writer w, const BatchId& b) {
  w.number("producer", b.producer_id);
  w.number("epoch", b.epoch);
  w.number("first_sequence", b.first_sequence);
  w.number("records", b.records);
}

BatchId read_batch_id(Reader& r) {
  return {r.number<std::int64_t>("producer"), r.number<std::int16_t>("epoch"),
          r.number<std::int32_t>("first_sequence"), r.number<std::int32_t>("records")};
}

std::vector<BatchId> read_batches(Reader& r, const char* key) {
  std::vector<BatchId> out;
  r.list(key, [&](Reader& one) { out.push_back(read_batch_id(one)); });
  return out;
}

void write(Writer w, const Segment& s) {
  w.cluster(s.cluster);
  w.number("virtual_start", s.start.at);
  w.number("native_start", s.native_start);
  if (s.open())
    w.out["native_end"] = nullptr;
  else
    w.number("native_end", s.native_end);
  w.number("epoch_base", s.epoch_base);
  w.number("epoch_last", s.epoch_last);
  w.number("cut", s.cut);
}

Segment read_segment(Reader& r) {
  Segment s;
  s.cluster = r.cluster();
  s.start.at = r.number<std::int64_t>("virtual_start");
  s.native_start = r.number<std::int64_t>("native_start");
  const auto* end = r.in.if_contains("native_end");
  if (!end || !end->is_null()) s.native_end = r.number<std::int64_t>("native_end");
  s.epoch_base = r.number<std::int32_t>("epoch_base");
  s.epoch_last = r.number<std::int32_t>("epoch_last");
  s.cut = r.number<std::uint32_t>("cut");
  return s;
}

void write(Writer w, const Seam& s) {
  w.text("topic", s.topic);
  w.number("partition", s.partition);
  w.number("native_end", s.native_end);
  w.number("native_start", s.native_start);
  w.number("epoch_last", s.epoch_last);
  w.list("producers", s.producers, [](Writer one, const auto& p) { write(one, p); });
  w.list("unclear", s.unclear, [](Writer one, const BatchId& b) { write(one, b); });
}

Seam read_seam(Reader& r) {
  Seam s;
  s.topic = r.text("topic");
  s.partition = r.number<std::int32_t>("partition");
  s.native_end = r.number<std::int64_t>("native_end");
  s.native_start = r.number<std::int64_t>("native_start");
  s.epoch_last = r.number<std::int32_t>("epoch_last");
  s.producers = read_producers(r);
  s.unclear = read_batches(r, "unclear");
  return s;
}

struct ToJson {
  json::object out;
  Writer w{out};
  void type(std::string_view t) { out["type"] = t; }
  void operator()(const JournalNamed& r) {
    type("journal_id");
    w.text("id", r.id);
  }
  void operator()(const MigrationStarted& r) {
    type("migration");
    w.text("migration", r.migration);
    w.number("scheme", r.scheme);
    w.list("topics", r.topics, [](Writer one, const MigratedTopic& t) {
      one.text("topic", t.name);
      one.uuid("old_id", t.old_id);
      one.uuid("new_id", t.new_id);
      one.number("partitions", t.partitions);
    });
    w.number("at_ms", r.at);
  }
  void operator()(const CutIntended& r) {
    type("cut_intended");
    w.text("migration", r.migration);
    w.text("move", r.move);
    w.texts("topics", r.topics);
    w.cluster("to", r.to);
    w.text("undoes", r.undoes);
    w.number("at_ms", r.at);
  }
  void operator()(const CutAborted& r) {
    type("cut_aborted");
    w.text("move", r.move);
    w.text("step", r.step);
    w.text("reason", r.reason);
    w.number("at_ms", r.at);
  }
  void operator()(const CutSealed& r) {
    type("cut_sealed");
    w.text("move", r.move);
    w.number("cut", r.cut);
    w.list("seams", r.seams, [](Writer one, const Seam& s) { write(one, s); });
    w.number("at_ms", r.at);
  }
  void operator()(const CutFlipped& r) {
    type("cut_flipped");
    w.text("move", r.move);
    w.number("held_ms_max", r.held_ms_max);
    w.number("at_ms", r.at);
  }
  void operator()(const Swept& r) {
    type("swept");
    w.text("topic", r.topic);
    w.number("partition", r.partition);
    w.number("tail_end", r.tail_end);
    w.cluster("from", r.from);
    w.number("from_end", r.from_end);
    w.number("records", r.records);
    w.number("at_ms", r.at);
    w.number("epoch_last", r.epoch_last);
    w.number("from_start", r.from_start);
    w.list("producers", r.producers, [](Writer one, const auto& p) { write(one, p); });
  }
  void operator()(const Rewritten& r) {
    type("rewritten");
    w.text("topic", r.topic);
    w.number("partition", r.partition);
    write(w, r.batch);
  }
  void operator()(const GroupsMoved& r) {
    type("groups_moved");
    w.text("migration", r.migration);
    w.text("move", r.move);
    w.cluster("to", r.to);
    w.texts("groups", r.groups);
    w.text("undoes", r.undoes);
    w.number("at_ms", r.at);
  }
  void operator()(const GroupHanded& r) {
    type("group_handed");
    w.text("group", r.group);
    w.number("generation", r.generation);
    w.texts("members", r.members);
    w.number("at_ms", r.at);
  }
  void operator()(const MigrationFinished& r) {
    type("finished");
    w.text("migration", r.migration);
    out["left"] = r.left;
    w.number("at_ms", r.at);
  }
  void operator()(const NewSkipped& r) {
    type("new_skipped");
    w.text("topic", r.topic);
    w.number("partition", r.partition);
    out["on"] = r.on;
  }
  void operator()(const ProducerMapped& r) {
    type("producer");
    w.number("producer", r.producer_id);
    w.number("cut", r.cut);
    w.number("id", r.id);
  }
  void operator()(const FirstAccepted& r) {
    type("first");
    w.text("topic", r.topic);
    w.number("partition", r.partition);
    w.number("producer", r.producer_id);
  }
  void operator()(const CommitAccepted& r) {
    type("commit");
    w.text("group", r.group);
    w.text("topic", r.topic);
    w.number("partition", r.partition);
    w.number("offset", r.at.at);
    w.text("metadata", r.metadata);
    w.number("at_ms", r.time);
  }
  void operator()(const CommitForgotten& r) {
    type("commit_forgotten");
    w.text("group", r.group);
    w.text("topic", r.topic);
    w.number("partition", r.partition);
  }
  void operator()(const MigrationPaused& r) {
    type("paused");
    w.text("migration", r.migration);
    out["paused"] = r.paused;
  }
  void operator()(const PartitionKept& r) {
    type("partition");
    w.text("topic", r.topic);
    w.number("partition", r.partition);
    w.list("segments", r.segments, [](Writer one, const Segment& s) { write(one, s); });
    w.list("producers", r.producers, [](Writer one, const auto& p) { write(one, p); });
    w.list("unclear", r.unclear, [](Writer one, const BatchId& b) { write(one, b); });
    json::array accepted;
    for (const auto id : r.accepted) accepted.push_back(id);
    out["accepted"] = std::move(accepted);
    w.number("stragglers", r.stragglers);
    w.list("rewritten", r.rewritten, [](Writer one, const BatchId& b) { write(one, b); });
  }
};

MigrationStarted read_migration(Reader& r) {
  MigrationStarted m;
  m.migration = r.text("migration");
  m.scheme = r.number<int>("scheme");
  r.list("topics", [&](Reader& one) {
    m.topics.push_back({one.text("topic"), one.uuid("old_id"), one.uuid("new_id"),
                        one.number<std::int32_t>("partitions")});
  });
  m.at = r.number<UnixMillis>("at_ms");
  return m;
}

CutSealed read_sealed(Reader& r) {
  CutSealed c;
  c.move = r.text("move");
  c.cut = r.number<std::uint32_t>("cut");
  r.list("seams", [&](Reader& one) { c.seams.push_back(read_seam(one)); });
  c.at = r.number<UnixMillis>("at_ms");
  return c;
}

PartitionKept read_partition(Reader& r) {
  PartitionKept p;
  p.topic = r.text("topic");
  p.partition = r.number<std::int32_t>("partition");
  r.list("segments", [&](Reader& one) { p.segments.push_back(read_segment(one)); });
  p.producers = read_producers(r);
  p.unclear = read_batches(r, "unclear");
  const auto* accepted = r.in.if_contains("accepted");
  if (!accepted || !accepted->is_array())
    r.refuse("accepted");
  else
    for (const auto& id : accepted->get_array()) {
      if (id.is_int64())
        p.accepted.push_back(id.get_int64());
      else
        r.refuse("accepted");
    }
  p.stragglers = r.number<std::int64_t>("stragglers");
  p.rewritten = read_batches(r, "rewritten");
  return p;
}

}  // namespace

json::object to_json(const splice::Record& record) {
  ToJson to;
  std::visit(to, record);
  return std::move(to.out);
}

// Braces take the keys in the order of the struct's members.
std::optional<splice::Record> read_splice_record(std::string_view type, Reader& r) {
  if (type == "journal_id") return JournalNamed{r.text("id")};
  if (type == "migration") return read_migration(r);
  if (type == "cut_intended")
    return CutIntended{r.text("migration"), r.text("move"),   r.texts("topics"),
                       r.cluster("to"),     r.text("undoes"), r.number<UnixMillis>("at_ms")};
  if (type == "cut_aborted")
    return CutAborted{r.text("move"), r.text("step"), r.text("reason"),
                      r.number<UnixMillis>("at_ms")};
  if (type == "cut_sealed") return read_sealed(r);
  if (type == "cut_flipped")
    return CutFlipped{r.text("move"), r.number<std::int64_t>("held_ms_max"),
                      r.number<UnixMillis>("at_ms")};
  if (type == "swept")
    return Swept{r.text("topic"),
                 r.number<std::int32_t>("partition"),
                 r.number<std::int64_t>("tail_end"),
                 r.cluster("from"),
                 r.number<std::int64_t>("from_end"),
                 r.number<std::int64_t>("records"),
                 r.number<UnixMillis>("at_ms"),
                 r.number<std::int32_t>("epoch_last"),
                 r.number<std::int64_t>("from_start"),
                 read_producers(r)};
  if (type == "rewritten")
    return Rewritten{r.text("topic"), r.number<std::int32_t>("partition"), read_batch_id(r)};
  if (type == "groups_moved")
    return GroupsMoved{r.text("migration"), r.text("move"),   r.cluster("to"),
                       r.texts("groups"),   r.text("undoes"), r.number<UnixMillis>("at_ms")};
  if (type == "group_handed")
    return GroupHanded{r.text("group"), r.number<std::int32_t>("generation"), r.texts("members"),
                       r.number<UnixMillis>("at_ms")};
  if (type == "finished")
    return MigrationFinished{r.text("migration"), r.flag("left"), r.number<UnixMillis>("at_ms")};
  if (type == "new_skipped")
    return NewSkipped{r.text("topic"), r.number<std::int32_t>("partition"), r.flag("on")};
  if (type == "producer")
    return ProducerMapped{r.number<std::int64_t>("producer"), r.number<std::uint32_t>("cut"),
                          r.number<std::int64_t>("id")};
  if (type == "first")
    return FirstAccepted{r.text("topic"), r.number<std::int32_t>("partition"),
                         r.number<std::int64_t>("producer")};
  if (type == "commit")
    return CommitAccepted{r.text("group"),
                          r.text("topic"),
                          r.number<std::int32_t>("partition"),
                          {r.number<std::int64_t>("offset")},
                          r.text("metadata"),
                          r.number<UnixMillis>("at_ms")};
  if (type == "commit_forgotten")
    return CommitForgotten{r.text("group"), r.text("topic"), r.number<std::int32_t>("partition")};
  if (type == "paused") return MigrationPaused{r.text("migration"), r.flag("paused")};
  if (type == "partition") return read_partition(r);
  return std::nullopt;
}

}  // namespace shunt::control
