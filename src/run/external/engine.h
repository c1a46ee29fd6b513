#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "attnbench/mechanism.h"
#include "run/external/peer.h"

namespace attnbench {

/// One kernel that an engine's program offers, by its own words.
struct PeerKernel {
  std::string kernel, path;
  std::vector<MechanismKind> mechanisms;
  std::string implementation;  ///< KernelInfo::implementation()
  bool computes_lse = false;
  std::string device = "cpu";  ///< the kind of device that it computes on: a device's name before any ':'
  bool copies = false;         ///< its tensors are copies, which the program writes and reads when it is told
};

/// What an engine's program says of itself.
struct PeerDescription {
  std::string engine;
  std::map<std::string, std::string> versions;  ///< of what it computes with, by name
  std::vector<PeerKernel> kernels;
  std::string unavailable;  ///< why it can compute nothing here; empty: it can
};
/// Throws InputError naming the field: absent, of another type, a name that is none.
PeerDescription peer_description(const nlohmann::json& hello);

/// An engine in a program of its own, in any language. The program is started when it is first needed, and
/// again where it was lost. Thread-safe.
class ExternalEngine {
 public:
  /// Starts the program once, to hear what it offers. Throws InputError("plugin", file, ...).
  ExternalEngine(std::string file, std::vector<int> cpus);

  const std::string& file() const { return file_; }
  const PeerDescription& description() const { return description_; }
  std::shared_ptr<Peer> peer() const;
  /// Ends the program until it is needed.
  void end() const;
  /// Of its program; -1 where none runs.
  pid_t process_id() const;

 private:
  std::string file_;
  std::vector<int> cpus_;
  mutable std::mutex mutex_;
  mutable std::shared_ptr<Peer> peer_;
  PeerDescription description_;
};

}  // namespace attnbench
