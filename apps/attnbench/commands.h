#pragma once

#include <CLI/CLI.hpp>

namespace attnbench {

/// When several apply, the order is 2, 4, 3, 1; `compare` puts 1 before 3. An internal error ends the program
/// wherever it happens.
enum ExitCode : int {
  kDone = 0,
  kGateFailed = 1,      ///< a comparison or gate failed
  kBadInput = 2,        ///< usage or bad input
  kNotPublishable = 3,  ///< measured, but too noisy to publish, or to decide
  kKernelFailed = 4,    ///< a kernel failed or was wrong
  kInternalError = 70,  ///< a fault of this program (EX_SOFTWARE of sysexits.h)
};

/// Each adds one subcommand whose callback stores the exit code.
void add_analyze_command(CLI::App& app, int& exit_code);
void add_claims_command(CLI::App& app, int& exit_code);
void add_compare_command(CLI::App& app, int& exit_code);
void add_export_command(CLI::App& app, int& exit_code);
void add_import_command(CLI::App& app, int& exit_code);
void add_list_command(CLI::App& app, int& exit_code);
void add_report_command(CLI::App& app, int& exit_code);
/// argv: the command line as given, for a second start with other settings of the pool, and the command that
/// resumes.
void add_run_command(CLI::App& app, char** argv, int& exit_code);
void add_worker_command(CLI::App& app, char** argv, int& exit_code);
void add_verify_command(CLI::App& app, char** argv, int& exit_code);
void add_env_command(CLI::App& app, int& exit_code);

}  // namespace attnbench
