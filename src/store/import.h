#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "store/csv.h"
#include "store/environment_document.h"
#include "store/records.h"
#include "store/store.h"

namespace attnbench {

/// Reads a store (.db), an exported CSV with its NAME.env.json beside it, or the published table
/// (name,b,n,dModel,heads,kvHeads,iters,msPerIter), told apart by content. Throws InputError naming the file,
/// the line and the field.
std::vector<RunContents> read_runs(const std::string& file);

/// Throws InputError unless the first row is the stable header.
void check_export_header(const std::vector<CsvRow>& rows, const std::string& file);
/// Rows of an export, header included, and the environment document beside it, put together again. `file`
/// names the rows in errors.
std::vector<RunContents> runs_from_rows(const std::vector<CsvRow>& rows, EnvironmentDocument document,
                                        const std::string& file);

/// True where the header is the published one.
bool is_published_table(const std::vector<CsvRow>& rows);
/// One run of profile "published" on machine "Apple M4 (published)": layer scope, f32, a cell for each
/// (b, n, dModel, heads). Each mean is one sample of role "kernel" in process 0, its batch_calls the
/// iterations it was taken over; environment["variance"] says that none was published. Unknown stays unknown:
/// threads 0, no softmax_scale, device "unknown". Throws InputError naming line and field.
RunContents published_run(const std::vector<CsvRow>& rows, const std::string& file);

/// What became of one run.
struct MergedRun {
  std::string machine, study;
  bool added = false;  ///< false: the store had it already, unchanged
};
/// Adds runs to a store, never averaging; all of them or none. A run that the store has with other contents
/// (an earlier state of the same run) throws InputError.
std::vector<MergedRun> merge_runs(Store& store, const std::vector<RunContents>& runs);

}  // namespace attnbench
