// An engine in a program of its own, for the tests of external engines: speaks the protocol of
// docs/external-kernels.md. One kernel is right, another cannot say what ran; the others have one fault each,
// which their name tells; `faulty` has the one that ATTNBENCH_TEST_FAULT names, "crashes supports". All
// compute mha in f32, core scope.

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>
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
    data = static_cast<float*>(mmap(nullptr, elements() * sizeof(float), PROT_READ | PROT_WRITE, MAP_SHARED,
                                    kSharedMemory, static_cast<off_t>(in.at("offset").get<std::int64_t>())));
  }
  float* row(std::int64_t b, std::int64_t h, std::int64_t i) const {
    return data + b * strides[0] + h * strides[1] + i * strides[2];
  }

  /// From now on a copy, which write() and read() bring up to date, or the shared one.
  void use_copy() {
    shared = data;
    copy = std::make_shared<std::vector<float>>(elements());
    data = copy->data();
    write();
  }
  void write() const { std::copy_n(shared, elements(), data); }
  void read() const { std::copy_n(data, elements(), shared); }
  std::size_t elements() const {
    std::int64_t last = 0;
    for (std::size_t d = 0; d < 4; ++d) last += (sizes[d] - 1) * strides[d];
    return static_cast<std::size_t>(last + 1);
  }

  std::vector<std::int64_t> sizes, strides;
  float* data = nullptr;
  float* shared = nullptr;
  std::shared_ptr<std::vector<float>> copy;
};
using Tensors = std::map<std::string, Tensor>;

/// Of a device that is not this one, remote:0: its kernels' tensors are copies.
bool is_remote(const std::string& kernel) { return kernel.starts_with("remote"); }

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

/// For good. The file that ATTNBENCH_TEST_HANGS names, where it names one, is there from then on.
[[noreturn]] void hang() {
  if (const auto* file = getenv("ATTNBENCH_TEST_HANGS")) std::ofstream(file) << "hangs";
  while (true) pause();
}

/// What is wrong, and in answer to which question.
struct Fault {
  Fault() {
    const auto* text = getenv("ATTNBENCH_TEST_FAULT");
    std::istringstream(text == nullptr ? "" : text) >> what >> step;
  }
  std::string what, step;
};

class Engine {
 public:
  json answer(const json& message) {
    const std::string type = message.at("type");
    if (type == fault_.step && is_faulty(message)) {
      if (fault_.what == "crashes") raise(SIGSEGV);
      if (fault_.what == "exits") _exit(3);
      if (fault_.what == "hangs") hang();
      if (fault_.what == "prints") return "hello, world";
      if (fault_.what == "answers_another") return {{"type", "good morning"}};
      if (fault_.what == "says_nothing") return {{"type", type == "time" ? "timed" : type}};
    }
    return right_answer(message, type);
  }

 private:
  bool is_faulty(const json& message) const {
    if (message.contains("kernel")) return message["kernel"] == "faulty";
    const auto execution = executions_.find(message.value("execution", std::int64_t{0}));
    return execution != executions_.end() && execution->second.kernel == "faulty";
  }

  json right_answer(const json& message, const std::string& type) {
    if (type == "hello") return hello();
    if (type == "supports") return supports(message);
    if (type == "prepare") return prepare(message);
    if (type == "bind") return bind(message);
    if (type == "time") return time(message);
    if (type == "write" || type == "read") return copy(message, type);
    if (type == "implementation") return implementation(executions_.at(message.at("execution")));
    if (type == "release") return {{"type", "released"}};
    return {{"type", "error"}, {"reason", "what is " + type + "?"}};
  }

  static json hello() {
    auto kernels = json::array();
    for (const auto* kernel :
         {"attend", "not_confirmed", "faulty", "crashes_later", "hangs_later", "starts_a_child", "refuses",
          "falls_back", "reports_a_hundredth", "reports_less_later", "makes_fewer_calls", "changes_inputs",
          "goes_on_alone", "remote", "remote_keeps_v", "remote_reads_nothing"}) {
      const bool remote = is_remote(kernel);
      kernels.push_back({{"kernel", kernel},
                         {"path", ""},
                         {"mechanisms", {"mha"}},
                         {"implementation", "attention of the test"},
                         {"device", remote ? "remote" : "cpu"},
                         {"copies", remote},
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
    const auto& p = message.at("problem");
    std::string reason;
    if (p.at("scope") != "core" || p.at("dtype_q") != "f32" || p.at("dtype_kv") != "f32" ||
        p.at("dtype_o") != "f32" || !p.at("seqlens_kv").empty())
      reason = "computes f32 of full lengths in core scope alone";
    return {{"type", "supports"}, {"reason", reason}};
  }

  json prepare(const json& message) {
    const auto& p = message.at("problem");
    if (is_remote(message.at("kernel"))) {
      remote_ = message.at("kernel");
      if (message.at("device") != "remote:0")
        return {{"type", "error"}, {"reason", "that is another device"}};
    }
    executions_[message.at("execution")] = {message.at("kernel"), p.at("softmax_scale"), p.at("causal")};
    return {{"type", "prepared"}, {"workspace_bytes", 8 * p.at("seqlen_kv").get<std::int64_t>()}};
  }

  json bind(const json& message) {
    Tensors tensors;
    const auto& kernel = executions_.at(message.at("execution")).kernel;
    for (const auto& [role, tensor] : message.at("tensors").items()) {
      tensors[role] = Tensor(tensor);
      if (is_remote(kernel)) tensors[role].use_copy();
    }
    bindings_[message.at("binding")] = std::move(tensors);
    return {{"type", "bound"}};
  }

  json copy(const json& message, const std::string& type) {
    const std::string role = message.at("role");
    const auto& tensor = bindings_.at(message.at("binding")).at(role);
    if (type == "read") {
      if (remote_ != "remote_reads_nothing") tensor.read();
      return {{"type", "read"}};
    }
    if (remote_ != "remote_keeps_v" || role != "v") tensor.write();
    return {{"type", "written"}};
  }

  json time(const json& message) {
    auto& execution = executions_.at(message.at("execution"));
    auto fault = execution.kernel;
    if (const auto later = fault.find("_later"); later != std::string::npos && measures_) fault.resize(later);
    std::int64_t runs = message.at("runs");
    if (fault == "crashes") raise(SIGSEGV);
    if (fault == "hangs") hang();
    if (fault == "refuses") return {{"type", "error"}, {"reason", "no such algorithm"}};
    if (fault == "goes_on_alone") start_thread();
    if (fault == "starts_a_child") start_child();
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

  /// One that does nothing and waits for nothing, its parent's end least of all.
  void start_child() {
    if (started_) return;
    started_ = true;
    if (fork() != 0) return;
    for (const int end : {STDIN_FILENO, STDOUT_FILENO}) close(end);
    while (true) pause();
  }

  Fault fault_;
  std::map<std::int64_t, Execution> executions_;
  std::map<std::int64_t, Tensors> bindings_;
  std::string remote_;  ///< the kernel of a remote device that was prepared last
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
