#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "attnbench/dispatch.h"
#include "attnbench/error.h"
#include "attnbench/problem.h"
#include "dispatch/cost_model.h"
#include "io/json_document.h"

namespace attnbench {

/// What must be the same for times and verdicts of one machine to hold on another.
struct ProfileOrigin {
  std::string machine_key;  ///< see machine_key()
  std::string library;      ///< see library_build()
  std::string device;       ///< Device::name()

  bool operator==(const ProfileOrigin&) const = default;
};
/// Of this program on that device.
ProfileOrigin origin_here(const Device& device);

/// A kind of problem for which a kernel is verified and timed as one: it runs other code for another one.
struct ProblemKind {
  /// mha, gqa and mqa are one here, mha.
  MechanismKind mechanism = MechanismKind::mha;
  bool causal = false;
  DType dtype_q = DType::f32, dtype_kv = DType::f32, dtype_o = DType::f32;
  Layout layout = Layout::bhsd;
  Scope scope = Scope::core;

  auto operator<=>(const ProblemKind&) const = default;
};
ProblemKind kind_of(const Problem& problem);
/// "causal mha in f32, bhsd, core scope".
std::string in_words(const ProblemKind& kind);

CostCoordinates coordinates_of(const Problem& problem);
CostWork cost_work_of(const Problem& problem);

/// What verification said of a kernel (implementation_name()) here.
struct VerifiedKernel {
  std::string kernel;
  ProblemKind kind;
  bool deterministic = false;  ///< repeated calls were equal bit by bit, in every case

  bool operator==(const VerifiedKernel&) const = default;
};

/// The time of one kernel on one problem.
struct MeasuredCost {
  std::string kernel;
  Problem problem;
  int threads = 1;
  double seconds = 0;    ///< geometric mean over processes of the median of one call
  double log_error = 0;  ///< standard error of its logarithm
  int processes = 0;     ///< fresh ones, that measured it

  bool operator==(const MeasuredCost&) const = default;
};

/// What `attnbench tune` learns of a machine: measurements, no conclusions; these are the reader's. In JSON
/// one entry a line, in a fixed order, so that two profiles can be compared line by line.
struct CostProfile {
  ProfileOrigin origin;
  std::map<std::string, std::string> environment;  ///< for people: CPU, system, library versions, time
  std::vector<VerifiedKernel> verified;
  std::vector<MeasuredCost> costs;
  /// What certify() found of choices by this very profile (docs/profile.schema.json), for people: no decision
  /// looks at it. Null: it was not certified.
  JsonDocument certificate;

  bool operator==(const CostProfile&) const = default;
};
/// Why a profile's certificate does not hold for choices made here: "certified for rule 1, this program
/// chooses by rule 2" (kChoosingRule; one that names none is of rule 1). Empty where it does, and for null.
/// Throws InputError for a rule that is no number from 1 on.
std::string certificate_problem(const JsonDocument& certificate);
/// Of verdicts and times, 16 hexadecimal digits: a certificate says by it what it certifies.
std::string measurements_hash(const CostProfile& profile);

inline constexpr int kProfileSchema = 1;

/// The written form, sorted; ends with a newline.
std::string to_text(CostProfile profile);
/// The schema of a profile is of a later version.
class NewerProfile : public InputError {
 public:
  using InputError::InputError;
};
/// Throws NewerProfile, or another InputError naming `source` and what is wrong: every value is checked.
CostProfile parse_profile_text(std::string_view text, const std::string& source);

/// Both profiles' measurements; of one that both have, the mean of the logarithms weighed by their precision.
/// A kernel is verified where either profile says so and deterministic unless one says that it is not. A
/// certificate holds for neither any more and is left out.
/// Throws InputError where they are of different machines, libraries or devices.
CostProfile merge(const CostProfile& a, const CostProfile& b);

/// A profile as a dispatcher found it.
struct FoundProfile {
  ProfileState state = ProfileState::none;
  std::string problem;  ///< in words, where it is not to be trusted
  CostProfile profile;  ///< empty where it is not
};
/// `file` empty: there is none. Never throws for what a file holds.
FoundProfile find_profile(const std::string& file, const ProfileOrigin& here);

}  // namespace attnbench
