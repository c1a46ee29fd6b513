#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "attnbench/device.h"
#include "attnbench/kernel.h"
#include "attnbench/problem.h"
#include "attnbench/tensor.h"

#pragma GCC visibility push(default)

namespace attnbench {

/// So many mechanisms a caller may allow besides the problem's own.
inline constexpr std::size_t kMostAllowed = 8;

/// What became of the profile that a dispatcher was to use. Only `trusted` is used.
enum class ProfileState : std::uint8_t {
  trusted,
  none,        ///< no file was named
  unreadable,  ///< the file that was named cannot be read
  corrupt,     ///< it is no profile
  newer,       ///< its schema is of a later version of this library
  foreign,     ///< it was measured on another machine or device
  stale,       ///< it was measured with other kernels: another build of this library
};
std::string_view name(ProfileState state);

/// Why a kernel was chosen, or why none.
enum class Reason : std::uint8_t {
  only_candidate,        ///< no other kernel may be used here
  default_fastest,       ///< by the profile nothing is faster than the default kernel
  default_stays,         ///< nothing is shown to be more than 2 % faster than the default kernel
  faster,                ///< shown to be more than 2 % faster than the default kernel
  less_memory,           ///< the same, and within 2 % of the fastest, with the smallest workspace
  default_unprofiled,    ///< the default kernel: no trusted profile
  default_unmeasured,    ///< the default kernel: the profile has no times for this kind of problem
  default_out_of_range,  ///< the default kernel: the profile's times are too far from this problem
  forced,                ///< the caller or the environment forces it
  none_computes,         ///< none: no registered kernel supports the problem here
  none_allowed,    ///< none: those that support it are denied, too large, unverified or not deterministic
  forced_refused,  ///< none: the kernel that is forced cannot be used
};
std::string_view name(Reason reason);

/// A reason with its numbers. Words are made of it when they are asked for (in_words).
struct Because {
  Reason reason = Reason::none_computes;
  ProfileState profile = ProfileState::none;
  bool verified = false;  ///< on this machine, by the profile
  /// What the chosen kernel was set against: the default kernel where another was chosen, else the fastest
  /// other one. Null where no times were compared.
  const KernelInfo* other = nullptr;
  Mechanism other_mechanism;
  /// Time of `other` over that of the chosen kernel, with its 80 % interval. NaN where not compared.
  double ratio = std::numeric_limits<double>::quiet_NaN();
  double ratio_low = std::numeric_limits<double>::quiet_NaN();
  double ratio_high = std::numeric_limits<double>::quiet_NaN();
  /// Of one call of the chosen kernel, as the profile's cost model has it. NaN: not known.
  double seconds = std::numeric_limits<double>::quiet_NaN();
};

/// A kernel and why.
struct Decision {
  const KernelInfo* kernel = nullptr;  ///< null: none may be used, which `because` explains
  Mechanism mechanism;                 ///< the problem's own, or one of those allowed
  Because because;

  explicit operator bool() const { return kernel != nullptr; }
};
static_assert(std::is_trivially_copyable_v<Decision>);

/// "mha/fused@cpu:avx512 (not the default mha/unfused@cpu, which takes 1.43 [1.35, 1.51] times as long)".
std::string in_words(const Decision& decision);

/// What a dispatcher may choose, for as long as it lives.
struct Policy {
  /// File that `attnbench tune` wrote. Empty: that which ATTNBENCH_PROFILE names, if it is set.
  std::string profile = {};
  /// Only kernels whose output is the same bit by bit when a call is repeated, as verification saw on this
  /// machine: without a trusted profile none is known to be.
  bool deterministic = false;
  /// Largest workspace, bytes; 0: any.
  std::int64_t byte_limit = 0;
  /// The one kernel to use, "fused@cpu:amx" or "mha/fused@cpu:amx"; where it cannot be used, none is. Empty:
  /// that which ATTNBENCH_FORCE_KERNEL names, if it is set.
  std::string forced = {};
  /// Kernels never to use, named so. Those of ATTNBENCH_DENY_KERNELS, separated by commas, are added.
  std::vector<std::string> denied = {};
};

/// One kernel that might have been chosen.
struct Candidate {
  const KernelInfo* kernel = nullptr;
  Mechanism mechanism;
  bool supported = false;  ///< KernelInfo::supports()
  std::string excluded;    ///< why it may not be used; empty: it may
  bool is_default = false;
  std::int64_t workspace_bytes = 0;
  /// Of one call, by the cost model, and the standard error of its logarithm. NaN: not known.
  double seconds = std::numeric_limits<double>::quiet_NaN();
  double log_error = std::numeric_limits<double>::quiet_NaN();
};

/// Chooses kernels. Only kernels whose supports() says yes, that compute the problem's mechanism (or one that
/// the caller allows) and, with a trusted profile, that were verified on this machine for that kind of
/// problem: mechanism and causality, element type, layout and scope.
///
/// The default kernel, in the order of these rules: fused kernels before those that materialise scores; of
/// one kernel's paths that which preferred_path() takes without measured ceilings (amx, avx512bf16, avx512,
/// neonbf16, neonf16, others); among equals the first registered. It stays unless the profile shows another
/// to be more than 2 % faster: the lower limit of the 80 % interval of the ratio of their times exceeds 1.02.
/// Of several such kernels the fastest is taken, or one within 2 % of it that needs less workspace. Of
/// several mechanisms allowed, another than the problem's own is taken only where it is shown to be faster in
/// this sense.
///
/// A kernel that is forced and cannot be used is refused: nothing stands in for it. Plugins must be loaded
/// before.
///
/// Thread-safe and, but for the decisions that it remembers, constant: another profile or policy is another
/// Dispatcher. The decision for a problem that it remembers costs no lock, no allocation and less than a
/// microsecond. It remembers some thousand; problems with seqlens_kv are decided anew each time.
class Dispatcher {
 public:
  /// The device must outlive it. A profile that cannot be trusted is no error: decisions name it. Throws
  /// InputError for a kernel forced or denied that is not registered.
  explicit Dispatcher(const Device& device, const Policy& policy = {});
  ~Dispatcher();
  Dispatcher(const Dispatcher&) = delete;
  Dispatcher& operator=(const Dispatcher&) = delete;

  /// Exact: a kernel of the problem's mechanism. Throws InputError where the problem is not valid.
  Decision choose(const Problem& problem) const { return choose(problem, {}); }
  /// A kernel of the problem's mechanism, or of one of those `allowed`: other functions, for which the
  /// caller's model must have been trained. Their heads of K and V must be bound (bind_kv_heads).
  Decision choose(const Problem& problem, std::span<const Mechanism> allowed) const;

  /// Everything that choose() looks at, the kernel chosen first. Slow.
  std::vector<Candidate> candidates(const Problem& problem, std::span<const Mechanism> allowed = {}) const;

  const Device& device() const;
  ProfileState profile_state() const;
  /// What is wrong with a profile that is not trusted, in words; empty otherwise.
  const std::string& profile_problem() const;
  /// Why the certificate in a trusted profile does not hold for these choices, in words: it was made by
  /// another rule of choosing. Empty where it does, and without one. The profile's times are used all the
  /// same.
  const std::string& certificate_problem() const;

 private:
  struct [[gnu::visibility("hidden")]] Impl;
  std::unique_ptr<Impl> impl_;
};

/// Attention on the kernel that a dispatcher chooses: prepared once, bound once, run many times. Serves one
/// thread at a time.
class Attention {
 public:
  /// Throws InputError where the dispatcher finds no kernel, with its reason. The dispatcher's device must
  /// outlive it.
  Attention(const Dispatcher& dispatcher, const Problem& problem, std::span<const Mechanism> allowed = {});
  ~Attention();
  Attention(Attention&&) noexcept;
  Attention& operator=(Attention&&) noexcept;

  const Decision& decision() const;
  /// The problem with the mechanism that was chosen.
  const Problem& problem() const;
  /// The tensors of the calls to come, in the host's memory, with what the inputs hold. Throws InputError as
  /// check_tensors() does. k and v may hold fewer keys than prepared.
  void bind(const Tensors& tensors);
  /// Complete calls. On a CPU they read and write the bound tensors where they are; on other devices
  /// write_inputs() and read_outputs() move them.
  /// Throws InputError before bind(), and for less than one call.
  Timing run(std::int64_t calls = 1);
  void write_inputs();
  void read_outputs();

 private:
  struct [[gnu::visibility("hidden")]] Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace attnbench

#pragma GCC visibility pop
