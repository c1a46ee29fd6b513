#include "store/import.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <set>
#include <tuple>

#include "attnbench/error.h"
#include "io/files.h"
#include "io/json.h"
#include "store/export.h"
#include "store/machine_names.h"

namespace attnbench {
namespace {

EnvironmentDocument read_environment_file(const std::string& file) {
  const auto document = parse_json(read_text_file(file), file);
  try {
    return read_environment_document(document);
  } catch (const InputError& error) {
    throw InputError(fmt::format("{}: {}", file, error.what()));
  }
}

bool same_measurement(const RunContents& a, const RunContents& b) {
  const auto identity = [](const RunRecord& r) {
    return std::tie(r.study, r.profile, r.seed, r.plan_hash, r.build_id, r.machine_key);
  };
  if (identity(a.run) != identity(b.run)) return false;
  std::set<std::tuple<std::string, int, std::string>> started;
  for (const auto& p : a.processes) started.emplace(p.cell_id, p.process, p.started_utc);
  for (const auto& p : b.processes) {
    if (started.contains({p.cell_id, p.process, p.started_utc})) return true;
  }
  return a.processes.empty() && b.processes.empty();
}

bool identical(const RunContents& a, const RunContents& b) {
  return samples_csv({a}) == samples_csv({b}) && environment_document({a}) == environment_document({b});
}

}  // namespace

std::vector<RunContents> read_runs(const std::string& file) {
  const auto text = read_text_file(file);
  if (text.empty()) throw InputError("file", file, "is empty: nothing was stored in it");
  if (text.starts_with("SQLite format 3")) return all_contents(Store::open(file, Store::Mode::read));
  if (text.starts_with("\x1f\x8b"))
    throw InputError("file", file, "is compressed by gzip: unpack it with gunzip first");
  const auto rows = read_csv(text, file);
  if (is_published_table(rows)) return {published_run(rows, file)};
  check_export_header(rows, file);
  const auto beside = environment_file(file);
  if (kind_of_file(beside) == FileKind::none)
    throw InputError("file", beside, fmt::format("is missing; it belongs to '{}' and completes it", file));
  return runs_from_rows(rows, read_environment_file(beside), file);
}

std::vector<MergedRun> merge_runs(Store& store, const std::vector<RunContents>& runs) {
  auto there = all_contents(store);
  std::vector<RunContents> added;
  std::vector<MergedRun> report;
  for (const auto& run : runs) {
    MergedRun merged{machine_name(run), run.run.study, true};
    for (const auto& old : there) {
      if (!same_measurement(old, run)) continue;
      if (!identical(old, run)) {
        throw InputError("store", store.file(),
                         fmt::format("has another state of the run of '{}' on {}; import into a new file",
                                     merged.study, merged.machine));
      }
      merged.added = false;
    }
    if (merged.added) {
      there.push_back(run);
      added.push_back(run);
    }
    report.push_back(merged);
  }
  store.add_contents(added);
  return report;
}

}  // namespace attnbench
