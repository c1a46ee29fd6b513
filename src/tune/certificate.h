#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "io/json_document.h"
#include "tune/certify.h"

namespace attnbench {

/// Two halves of the measurements may lie so far apart in the median.
inline constexpr double kWidestHalfDifference = 0.05;

/// What one sitting measured of a certificate, as docs/profile.schema.json has it.
struct CertificatePart {
  std::uint64_t seed = 0;
  bool noise_accepted = false;
  std::string traffic;  ///< name of the file of shapes; empty: none
  std::size_t problems = 0;
  int rounds = 0, processes = 0, rejected = 0;
  double seconds = 0, longest_problem_seconds = 0;
};
/// With the time and the libraries of now.
JsonDocument to_json(const CertificatePart& part);

/// What an earlier sitting left.
struct EarlierCertificate {
  std::vector<CertifiedProblem> drawn, traffic;
  JsonDocument parts;  ///< a list
  std::vector<std::string> left_out;
  bool noise_accepted = false;
};
/// Throws InputError naming the field that is wrong, and for choices by another rule than this program's
/// (certificate_problem()). Null: nothing.
EarlierCertificate read_certificate(const JsonDocument& certificate);

/// What is wanting for the word "certified": problems, or a number of threads that was tuned. Empty: nothing.
std::string certificate_lacks(const std::vector<CertifiedProblem>& drawn, const std::set<int>& tuned_threads);

/// By drawn, traffic, tuned threads, left_out, in_part and noise_accepted of the result.
JsonDocument certificate_of(const CertifyResult& result, const JsonDocument& parts,
                            const std::string& measurements);

/// What a certificate says, for people; at most 80 columns but for names.
std::string in_words(const CertifyResult& result);

}  // namespace attnbench
