// A data path that does as it is told: for the routes and commands that ask one.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "proxy/net/operator.h"

namespace shunt::test {

class FakeOperator : public net::Operator {
 public:
  splice::State shown;
  std::string running;                 // its step
  std::optional<net::Refused> refuse;  // everything
  bool late = false;                   // answers only when let_go() is called
  net::Plan planned;
  net::ProduceMoved moved;
  net::GroupsMoved groups_moved;
  bool undoes_groups = false;
  net::Proof proof;
  net::Finished finished;
  std::vector<net::GroupLag> lags;
  std::string id = "m1";
  std::vector<std::string> asked;  // in words

  void let_go() {
    for (auto& call : std::exchange(waiting_, {})) call();
  }

  const splice::State& state() const override { return shown; }
  std::string step() const override { return running; }
  void plan(const net::StartRequest& r, Done<net::Plan> done) override {
    tell("plan", start_words(r), done, planned);
  }
  void start(const net::StartRequest& r, Done<std::string> done) override {
    tell("start", start_words(r), done, id);
  }
  void move_produce(const net::ProduceRequest& r, Done<net::ProduceMoved> done) override {
    tell("move",
         std::string(route::name(r.to)) + ' ' + joined(r.topics) + " of '" + r.migration + '\'' +
             (r.accept_stragglers ? " accept_stragglers" : ""),
         done, moved);
  }
  void move_fetch(const net::FetchRequest& r, Done<net::GroupsMoved> done) override {
    tell("fetch",
         std::string(route::name(r.to)) + ' ' + (r.group.empty() ? "all" : '\'' + r.group + '\'') +
             " of '" + r.migration + '\'' + (r.wait ? " wait" : "") +
             (r.accept_stragglers ? " accept_stragglers" : ""),
         done, groups_moved);
  }
  void undo(const net::UndoRequest& r, Done<net::Moved> done) override {
    undone = undoes_groups ? net::Moved(groups_moved) : net::Moved(moved);
    tell("undo",
         "of '" + r.migration + '\'' + (r.without_new ? " without_new" : "") +
             (r.skip_unreachable ? " skip_unreachable" : "") +
             (r.accept_stragglers ? " accept_stragglers" : ""),
         done, undone);
  }
  void pause(const std::string& migration, bool paused, Done<std::string> done) override {
    tell(paused ? "pause" : "resume", '\'' + migration + '\'', done, id);
  }
  void finish(const net::FinishRequest& r, Done<net::Finished> done) override {
    tell("finish", '\'' + r.migration + '\'' + (r.accept_history ? " accept_history" : ""), done,
         finished);
  }
  void verify(Done<net::Proof> done) override { tell("verify", "", done, proof); }
  void lag(const std::string& group, Done<std::vector<net::GroupLag>> done) override {
    tell("lag", '\'' + group + '\'', done, lags);
  }

 private:
  static std::string joined(const std::vector<std::string>& all) {
    std::string out = "[";
    for (const auto& s : all) out += (out.size() > 1 ? "," : "") + s;
    return out + ']';
  }
  static std::string start_words(const net::StartRequest& r) {
    return std::to_string(r.scheme) + ' ' + joined(r.topics) +
           (r.accept_history ? " accept_history" : "") +
           (r.accept_stragglers ? " accept_stragglers" : "");
  }
  template <class T>
  void tell(const std::string& what, const std::string& words, const Done<T>& done,
            const T& result) {
    asked.push_back(words.empty() ? what : what + ' ' + words);
    const auto call = [this, done, &result] {
      refuse ? done(&*refuse, T{}) : done(nullptr, result);
    };
    if (late)
      waiting_.emplace_back(call);
    else
      call();
  }

  net::Moved undone;
  std::vector<std::function<void()>> waiting_;
};

// A migration "m1" of `orders` (2 partitions), moved to new at 9041 and 9042, and `pay`, not moved;
// the group billing has committed to both.
inline splice::State moved_state() {
  splice::State s;
  splice::MigrationStarted m;
  m.migration = "m1";
  m.topics = {{"orders", {}, {}, 2}, {"pay", {}, {}, 1}};
  m.at = 1000;
  s.apply(m);
  s.apply(splice::CutIntended{"m1", "m1.1", {"orders"}, splice::Cluster::new_cluster, "", 2000});
  splice::CutSealed sealed;
  sealed.move = "m1.1";
  sealed.cut = 1;
  for (int i = 0; i < 2; ++i) {
    sealed.seams.emplace_back();
    sealed.seams.back().topic = "orders";
    sealed.seams.back().partition = i;
    sealed.seams.back().native_end = 9041 + i;
    sealed.seams.back().native_start = 7;
  }
  s.apply(sealed);
  s.apply(splice::CutFlipped{"m1.1", 38, 2038});
  s.apply(splice::CommitAccepted{"billing", "orders", 0, {9000}, "", 1});
  s.apply(splice::CommitAccepted{"ledger", "pay", 0, {5}, "", 1});
  return s;
}

}  // namespace shunt::test
