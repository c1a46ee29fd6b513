// An engine in a program of its own, for the tests of external engines: speaks the protocol of
// docs/external-kernels.md. One kernel is right, another cannot say what ran; the others have one fault each,
// which their name tells. All compute mha in f32, core scope.

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;

constexpr int kSharedMemory = 3;

struct Tensor {
  Tensor() = default;
  explicit Tensor(const json& in) : sizes(in.at("sizes")), strides(in.at("strides")) {
    std::int64_t elements = 1;
    for (std::size_t d = 0; d < 4; ++d) elements += (sizes[d] - 1) * strides[d];
    data = static_cast<float*>(mmap(nullptr, static_cast<std::size_t>(elements) * sizeof(float),
                                    PROT_READ | PROT_WRITE, MAP_SHARED, kSharedMemory,
                                    static_cast<off_t>(in.at("offset").get<std::int64_t>())));
  }
  float* row(std::int64_t b, std::int64_t h, std::int64_t i) const {
    return data + b * strides[0] + h * strides[1] + i * strides[2];
  }

  std::vector<std::int64_t> sizes, strides;
  float* data = nullptr;
};
using Tensors = std::map<std::string, Tensor>;

struct Execution {
  std::string kernel;
  double scale = 1;
  bool causal = false;
};

void attend(const Execution& e, const Tensors& t) {
  const auto& q = t.at("q");
  const auto& k = t.at("k");
  const auto& v = t.at("v");
  const auto keys = k.sizes[2];
  std::vector<double> weights(static_cast<std::size_t>(keys));
  for (std::int64_t b = 0; b < q.sizes[0]; ++b) {
    for (std::int64_t h = 0; h < q.sizes[1]; ++h) {
      for (std::int64_t i = 0; i < q.sizes[2]; ++i) {
        const auto last = e.causal ? i + keys - q.sizes[2] : keys - 1;
        double top = -INFINITY;
        for (std::int64_t j = 0; j <= last; ++j) {
          double score = 0;
          for (std::int64_t c = 0; c < q.sizes[3]; ++c)
            score += double{q.row(b, h, i)[c]} * k.row(b, h, j)[c];
          weights[static_cast<std::size_t>(j)] = score * e.scale;
          top = std::max(top, score * e.scale);
        }
        double sum = 0;
        for (std::int64_t j = 0; j <= last; ++j) {
          auto& weight = weights[static_cast<std::size_t>(j)];
          weight = std::exp(weight - top);
          sum += weight;
        }
        for (std::int64_t c = 0; c < v.sizes[3]; ++c) {
          double value = 0;
          for (std::int64_t j = 0; j <= last; ++j)
            value += weights[static_cast<std::size_t>(j)] * v.row(b, h, j)[c];
          t.at("o").row(b, h, i)[c] = static_cast<float>(last < 0 ? 0 : value / sum);
        }
        if (t.contains("lse"))
          *t.at("lse").row(b, h, i) = static_cast<float>(last < 0 ? -INFINITY : top + std::log(sum));
      }
    }
  }
}

class Engine {
 public:
  json answer(const json& message) {
    const std::string type = message.at("type");
    if (type == "hello") return hello();
    if (type == "supports") return supports(message);
    if (type == "prepare") return prepare(message);
    if (type == "bind") return bind(message);
    if (type == "time") return time(message);
    if (type == "implementation") return implementation(executions_.at(message.at("execution")));
    if (type == "release") return {{"type", "released"}};
    return {{"type", "error"}, {"reason", "what is " + type + "?"}};
  }

 private:
  static json hello() {
    auto kernels = json::array();
    for (const auto* kernel :
         {"attend", "not_confirmed", "crashes", "crashes_later", "crashes_when_asked", "hangs", "hangs_later",
          "prints", "refuses", "falls_back", "reports_a_hundredth", "reports_less_later", "makes_fewer_calls",
          "changes_inputs", "goes_on_alone"}) {
      kernels.push_back({{"kernel", kernel},
                         {"path", ""},
                         {"mechanisms", {"mha"}},
                         {"implementation", "attention of the test"},
                         {"lse", true}});
    }
    const auto* version = getenv("ATTNBENCH_TEST_VERSION");
    return {{"type", "hello"},
            {"protocol", 1},
            {"engine", "outside"},
            {"versions", {{"library", version == nullptr ? "1" : version}}},
            {"kernels", kernels}};
  }

  json supports(const json& message) {
    if (executions_.empty()) measures_ = true;
    if (message.at("kernel") == "crashes_when_asked") raise(SIGSEGV);
    const auto& p = message.at("problem");
    std::string reason;
    if (p.at("scope") != "core" || p.at("dtype_q") != "f32" || p.at("dtype_kv") != "f32" ||
        p.at("dtype_o") != "f32" || !p.at("seqlens_kv").empty())
      reason = "computes f32 of full lengths in core scope alone";
    return {{"type", "supports"}, {"reason", reason}};
  }

  json prepare(const json& message) {
    const auto& p = message.at("problem");
    executions_[message.at("execution")] = {message.at("kernel"), p.at("softmax_scale"), p.at("causal")};
    return {{"type", "prepared"}, {"workspace_bytes", 8 * p.at("seqlen_kv").get<std::int64_t>()}};
  }

  json bind(const json& message) {
    Tensors tensors;
    for (const auto& [role, tensor] : message.at("tensors").items()) tensors[role] = Tensor(tensor);
    bindings_[message.at("binding")] = std::move(tensors);
    return {{"type", "bound"}};
  }

  json time(const json& message) {
    auto& execution = executions_.at(message.at("execution"));
    auto fault = execution.kernel;
    if (const auto later = fault.find("_later"); later != std::string::npos && measures_) fault.resize(later);
    std::int64_t runs = message.at("runs");
    if (fault == "crashes") raise(SIGSEGV);
    if (fault == "hangs") pause();
    if (fault == "prints") return "hello, world";
    if (fault == "refuses") return {{"type", "error"}, {"reason", "no such algorithm"}};
    if (fault == "goes_on_alone") start_thread();
    const std::vector<std::int64_t> bindings = message.at("bindings");
    const auto start = Clock::now();
    for (std::int64_t n = 0; n < runs; ++n) {
      const auto& tensors = bindings_.at(bindings[static_cast<std::size_t>(n) % bindings.size()]);
      attend(execution, tensors);
      if (fault == "changes_inputs") tensors.at("k").data[0] += 1;
    }
    double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    if (fault == "reports_a_hundredth" || fault == "reports_less") seconds /= 100;
    if (fault == "makes_fewer_calls") --runs;
    return {{"type", "timed"}, {"seconds", seconds}, {"runs", runs}};
  }

  static json implementation(const Execution& execution) {
    if (execution.kernel == "not_confirmed")
      return {{"type", "implementation"}, {"ran", ""}, {"known_by", ""}};
    const auto* ran = execution.kernel == "falls_back" ? "the reference" : "attention of the test";
    return {{"type", "implementation"}, {"ran", ran}, {"known_by", "its log"}};
  }

  /// Spins for as long as the program lives, as a pool may.
  void start_thread() {
    if (started_) return;
    started_ = true;
    std::thread([] {
      std::atomic<std::uint64_t> turns = 0;
      while (true) ++turns;
    }).detach();
  }

  std::map<std::int64_t, Execution> executions_;
  std::map<std::int64_t, Tensors> bindings_;
  /// Of a process that measures, executed FLOPs are asked for first; verification prepares at once.
  bool measures_ = false;
  bool started_ = false;
};

}  // namespace

int main() {
  Engine engine;
  for (std::string line; std::getline(std::cin, line);)
    std::cout << engine.answer(json::parse(line)).dump() << std::endl;
  _exit(0);
}
