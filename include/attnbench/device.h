#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "attnbench/ceilings.h"

#pragma GCC visibility push(default)

namespace attnbench {

/// Where work waits for a device, in order.
class Queue {
 public:
  virtual ~Queue() = default;
  /// Until all work in the queue is done.
  virtual void wait() = 0;
};

/// Where kernels compute; an engine implements it. What disturbs a device's host (steal time, pressure) is
/// recorded with every process, whatever the device: it is no part of this.
class Device {
 public:
  virtual ~Device() = default;
  /// "cpu", "cuda:0", "mlx:gpu": part of a cell and of its id.
  virtual std::string name() const = 0;
  /// What a store keeps of it, by name: model, driver, memory. The same in all processes of a run.
  virtual std::map<std::string, std::string> identity() const = 0;
  virtual std::unique_ptr<Queue> make_queue() const = 0;
  /// Bytes that may still be allocated; 0: the host's memory counts, or the device does not tell.
  virtual std::int64_t free_bytes() const { return 0; }
  /// Makes the device's caches forget what calls left there: the cold condition.
  virtual void evict() = 0;
  /// Measures, or looks up, what no kernel can exceed here.
  virtual Ceilings ceilings() const = 0;
  /// Readings of its state, by name with the unit: "sm_clock_mhz", "temperature_c". Stored with the first and
  /// the last moment of each process.
  virtual std::map<std::string, double> probe() const { return {}; }
  /// Threads of the host on which its kernels compute.
  virtual int host_threads() const { return 1; }
  /// Whether a limit on the address space holds its kernels' memory: a GPU reserves far more than it uses.
  virtual bool address_space_is_memory() const { return false; }
};

/// What an engine offers to compute on. Const and thread-safe.
class DeviceProvider {
 public:
  virtual ~DeviceProvider() = default;
  /// Those that can be opened on this machine, now.
  virtual std::vector<std::string> names() const = 0;
  /// Pre: one of names(). Throws std::runtime_error where it cannot be opened after all.
  virtual std::unique_ptr<Device> open(std::string_view name) const = 0;
  /// Why names() is empty, in words that begin with the engine; empty where there is nothing to say.
  virtual std::string why_none() const { return {}; }
};

}  // namespace attnbench

#pragma GCC visibility pop
