#include "proxy/splice/admin_task.h"

#include <utility>

namespace shunt::splice {
namespace {

class AdminTask : public Task {
 public:
  AdminTask(const route::View& view, AdminRequest request)
      : view_(view), request_(std::move(request)) {}

  std::vector<Ask> round(std::int64_t) override {
    if (std::exchange(asked_, true)) return {};
    std::vector<Ask> out;
    const auto ask = [&](Cluster c, const wire::Value& body, wire::Value* into) {
      const auto* topology = view_.of(c);
      if (body.null() || topology == nullptr) return;
      // Brokers pass it to their controller, or say NOT_CONTROLLER themselves (before KIP-590).
      auto node = topology->controller();
      if (!node) node = topology->any(std::nullopt);
      if (!node) return;
      Ask a;
      a.to = {c, *node};
      a.body = body;
      out.push_back(std::move(a));
      into_.push_back(into);
    };
    ask(view_.home(), request_.forward, &forwarded_);
    ask(Cluster::old_cluster, request_.both, &of_old_);
    ask(Cluster::new_cluster, request_.both, &of_new_);
    return out;
  }

  void take(std::size_t i, const wire::Value& body) override { *into_[i] = body; }

  wire::Value answer() override {
    if (!request_.forward.null() && forwarded_.null()) return {};
    return admin_answer(request_, forwarded_, of_old_, of_new_);
  }

 private:
  route::View view_;
  AdminRequest request_;
  bool asked_ = false;
  std::vector<wire::Value*> into_;
  wire::Value forwarded_, of_old_, of_new_;
};

}  // namespace

std::unique_ptr<Task> admin(const State& state, const route::View& view, wire::ApiKey api,
                            const wire::Value& request) {
  auto taken = admin_request(state, api, request);
  if (taken.refused.empty() && taken.both.null()) return nullptr;
  return std::make_unique<AdminTask>(view, std::move(taken));
}

}  // namespace shunt::splice
