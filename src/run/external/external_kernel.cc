#include "run/external/external_kernel.h"

#include <fmt/format.h>

#include <cstddef>
#include <nlohmann/json.hpp>
#include <utility>

#include "io/json.h"

namespace attnbench {
namespace {

using nlohmann::json;

/// Says whether, computes nothing, but may have to read a framework from a disk first.
constexpr double kSupportSeconds = 120;
/// To let go of something.
constexpr double kReleaseSeconds = 60;

std::size_t bytes_spanned(const TensorView& view) {
  std::int64_t last = 0;
  for (std::size_t d = 0; d < view.sizes.size(); ++d) {
    if (view.sizes[d] == 0) return 0;
    last += (view.sizes[d] - 1) * view.strides[d];
  }
  return static_cast<std::size_t>((last + 1) * size_bytes(view.dtype));
}

/// All that a kernel must know, flat, so that no program has to read a mechanism's name.
json problem_json(const Problem& problem) {
  const auto& m = problem.mechanism;
  auto out = to_json(problem.shape);
  out.update({{"mechanism", name(m.kind)},
              {"num_kv_heads", m.num_kv_heads},
              {"window", m.window},
              {"block_size", m.block_size},
              {"globals", m.globals},
              {"causal", m.is_causal()},
              {"eps", m.eps},
              {"scope", name(problem.scope)},
              {"phase", name(problem.phase)}});
  return out;
}

/// Asks a program that may be gone, or at fault, to let go of something: then there is nothing to hold.
void let_go(Peer& peer, const json& message) {
  try {
    peer.ask(message, "released", kReleaseSeconds);
  } catch (const PeerError&) {
  }
}

/// Tensors in the shared memory, with the strides of the host's. Where the program computes on copies it is
/// told to write and read them.
class ExternalBinding final : public Binding {
 public:
  ExternalBinding(std::shared_ptr<Peer> peer, std::int64_t execution, const Tensors& host, bool copies)
      : peer_(std::move(peer)), id_(peer_->next_id()), copies_(copies), host_(host) {
    auto tensors = json::object();
    try {
      for (const auto role : kAllRoles) {
        const auto& view = host_[role];
        if (!view) continue;
        regions_.push_back(peer_->memory().allocate(bytes_spanned(view)));
        shared_[role] = view;
        shared_[role].data = regions_.back().data;
        copy_elements(view, shared_[role]);
        tensors[std::string(name(role))] = {{"offset", regions_.back().offset},
                                            {"dtype", name(view.dtype)},
                                            {"sizes", view.sizes},
                                            {"strides", view.strides}};
      }
      peer_->ask({{"type", "bind"}, {"execution", execution}, {"binding", id_}, {"tensors", tensors}},
                 "bound");
    } catch (...) {
      release();
      throw;
    }
  }
  ~ExternalBinding() override {
    let_go(*peer_, {{"type", "release"}, {"binding", id_}});
    release();
  }
  ExternalBinding(const ExternalBinding&) = delete;
  ExternalBinding& operator=(const ExternalBinding&) = delete;

  void write(Role role) override {
    copy_elements(host_[role], shared_[role]);
    if (copies_) ask("write", role, "written");
  }
  void read(Role role) override {
    if (copies_) ask("read", role, "read");
    copy_elements(shared_[role], host_[role]);
  }
  void poison(Role role) override {
    fill_nan(host_[role]);
    write(role);
  }
  std::int64_t id() const { return id_; }

 private:
  void ask(const char* type, Role role, const char* answer) {
    peer_->ask({{"type", type}, {"binding", id_}, {"role", name(role)}}, answer);
  }
  void release() {
    for (const auto& region : regions_) peer_->memory().release(region);
  }

  std::shared_ptr<Peer> peer_;
  std::int64_t id_;
  bool copies_;
  Tensors host_, shared_;
  std::vector<Arena::Region> regions_;
};

class ExternalExecution final : public Execution {
 public:
  ExternalExecution(std::shared_ptr<Peer> peer, json request, bool copies)
      : peer_(std::move(peer)), id_(peer_->next_id()), copies_(copies) {
    request["execution"] = id_;
    const auto answer = peer_->ask(request, "prepared");
    if (answer.contains("workspace_bytes"))
      workspace_bytes_ = read_field<std::int64_t>(answer, "workspace_bytes");
  }
  ~ExternalExecution() override { let_go(*peer_, {{"type", "release"}, {"execution", id_}}); }
  ExternalExecution(const ExternalExecution&) = delete;
  ExternalExecution& operator=(const ExternalExecution&) = delete;

  std::unique_ptr<Binding> bind(const Tensors& host) override {
    return std::make_unique<ExternalBinding>(peer_, id_, host, copies_);
  }
  Timing time(std::span<Binding* const> bindings, std::int64_t runs, Queue&) override {
    auto ids = json::array();
    for (const auto* binding : bindings) ids.push_back(static_cast<const ExternalBinding*>(binding)->id());
    const auto answer = peer_->ask(
        {{"type", "time"}, {"execution", id_}, {"bindings", std::move(ids)}, {"runs", runs}}, "timed");
    return {read_field<double>(answer, "seconds"), read_field<std::int64_t>(answer, "runs")};
  }
  std::int64_t workspace_bytes() const override { return workspace_bytes_; }
  Implementation implementation() const override {
    const auto answer = peer_->ask({{"type", "implementation"}, {"execution", id_}}, "implementation");
    return {read_field<std::string>(answer, "ran"), read_field<std::string>(answer, "known_by")};
  }
  void rest() override { peer_->rest(); }

 private:
  std::shared_ptr<Peer> peer_;
  std::int64_t id_;
  bool copies_;
  std::int64_t workspace_bytes_ = 0;
};

}  // namespace

json ExternalKernel::request(const char* type, const Problem& problem, std::string_view device,
                             int threads) const {
  return {{"type", type},
          {"kernel", description_.kernel},
          {"path", description_.path},
          {"problem", problem_json(problem)},
          {"device", device},
          {"threads", threads}};
}

json ExternalKernel::ask_support(const Problem& problem, std::string_view device, int threads) const {
  return engine_.peer()->ask(request("supports", problem, device, threads), "supports", kSupportSeconds);
}

Support ExternalKernel::supports(const Problem& problem, const Device& device) const {
  const auto name = device.name();
  if (name.substr(0, name.find(':')) != description_.device)
    return Support::no(fmt::format("computes on device {}, not on {}", description_.device, name));
  if (!engine_.description().unavailable.empty()) return Support::no(engine_.description().unavailable);
  const std::lock_guard lock(mutex_);
  if (!fault_.empty()) throw PeerError(fault_);
  try {
    const auto reason = read_field<std::string>(ask_support(problem, name, device.host_threads()), "reason");
    return reason.empty() ? Support::yes() : Support::no(reason);
  } catch (const std::exception& error) {
    fault_ = error.what();
    throw;
  }
}

std::unique_ptr<Execution> ExternalKernel::prepare(const Problem& problem, const Device& device) const {
  return std::make_unique<ExternalExecution>(
      engine_.peer(), request("prepare", problem, device.name(), device.host_threads()), description_.copies);
}

double ExternalKernel::executed_flops(const Problem& problem) const {
  const auto answer = ask_support(problem, description_.device, 1);
  return answer.contains("executed_flops") ? read_field<double>(answer, "executed_flops")
                                           : work(problem).useful_flops;
}

std::int64_t ExternalKernel::workspace_bytes(const Problem& problem, const Device& device) const {
  const auto answer = ask_support(problem, device.name(), device.host_threads());
  return answer.contains("workspace_bytes") ? read_field<std::int64_t>(answer, "workspace_bytes") : 0;
}

}  // namespace attnbench
