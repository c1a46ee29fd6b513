#include "run/external/engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "attnbench/error.h"
#include "io/json.h"
#include "run/external/peer_start.h"

namespace attnbench {
namespace {

using nlohmann::json;

constexpr int kPeerProtocol = 1;
/// A framework of gigabytes may have to be read from a disk.
constexpr double kStartSeconds = 45;  // less than the conductor waits for a worker

/// A part of a kernel's id: no character of it may separate two.
std::string read_name(const json& in, const char* field, bool may_be_empty) {
  auto text = read_field<std::string>(in, field);
  constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyz0123456789_";
  if ((text.empty() && !may_be_empty) || text.find_first_not_of(kAllowed) != std::string::npos)
    throw InputError(field, text, "is no name: small letters, digits and _");
  return text;
}

MechanismKind kind_named(const std::string& text) {
  for (const auto kind : all_mechanism_kinds()) {
    if (name(kind) == text) return kind;
  }
  throw InputError("mechanisms", text, "is not a kind of mechanism");
}

PeerKernel kernel_from_json(const json& in) {
  PeerKernel kernel;
  kernel.kernel = read_name(in, "kernel", false);
  kernel.path = in.contains("path") ? read_name(in, "path", true) : "";
  for (const auto& text : read_field<std::vector<std::string>>(in, "mechanisms"))
    kernel.mechanisms.push_back(kind_named(text));
  if (kernel.mechanisms.empty()) throw InputError("mechanisms", "[]", "names none");
  kernel.implementation = read_field<std::string>(in, "implementation");
  kernel.computes_lse = in.contains("lse") && read_field<bool>(in, "lse");
  kernel.copies = in.contains("copies") && read_field<bool>(in, "copies");
  if (in.contains("device")) kernel.device = read_name(in, "device", false);
  if (kernel.device != "cpu" && !kernel.copies)
    throw InputError("device", kernel.device, "does not share the host's memory: 'copies' must be true");
  return kernel;
}

json hello_of(Peer& peer) {
  return peer.ask({{"type", "hello"}, {"protocol", kPeerProtocol}}, "hello", kStartSeconds);
}

}  // namespace

PeerDescription peer_description(const json& hello) {
  const auto protocol = read_field<int>(hello, "protocol");
  if (protocol != kPeerProtocol)
    throw InputError("protocol", std::to_string(protocol), fmt::format("is not {}", kPeerProtocol));
  PeerDescription description;
  description.engine = read_name(hello, "engine", false);
  description.versions = read_field<std::map<std::string, std::string>>(hello, "versions");
  read_list(hello, "kernels",
            [&](const json& kernel) { description.kernels.push_back(kernel_from_json(kernel)); });
  if (hello.contains("unavailable")) description.unavailable = read_field<std::string>(hello, "unavailable");
  return description;
}

ExternalEngine::ExternalEngine(std::string file, std::vector<int> cpus)
    : file_(std::move(file)), cpus_(std::move(cpus)) {
  try {
    peer_ = std::make_shared<Peer>(peer_program(file_, cpus_));
    description_ = peer_description(hello_of(*peer_));
    peer_->rest();
  } catch (const PeerError& error) {
    throw InputError("plugin", file_, error.what());
  } catch (const InputError& error) {
    throw InputError("plugin", file_, fmt::format("says of itself: {}", error.what()));
  }
}

std::shared_ptr<Peer> ExternalEngine::peer() const {
  const std::lock_guard lock(mutex_);
  if (!peer_ || peer_->is_lost()) {
    auto next = std::make_shared<Peer>(peer_program(file_, cpus_));
    hello_of(*next);
    peer_ = std::move(next);
  }
  return peer_;
}

void ExternalEngine::end() const {
  const std::lock_guard lock(mutex_);
  peer_.reset();
}

pid_t ExternalEngine::process_id() const {
  const std::lock_guard lock(mutex_);
  return peer_ ? peer_->process_id() : -1;
}

}  // namespace attnbench
