#include "command.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <type_traits>
#include <vector>

#include "report/text_width.h"
#include "terminal.h"

namespace attnbench {
namespace {

/// In the right column of --help, which begins after 30 characters.
std::string described(const std::string& help) {
  constexpr std::size_t kLeftColumn = 30;
  return wrapped(help, result_width() - kLeftColumn);
}

}  // namespace

CommandOption CommandOption::required() { return CommandOption(option_->required()); }
CommandOption CommandOption::capture_default_str() { return CommandOption(option_->capture_default_str()); }
CommandOption CommandOption::default_str(const std::string& text) {
  return CommandOption(option_->default_str(text));
}
CommandOption CommandOption::check(const std::function<std::string(const std::string&)>& problem) {
  return CommandOption(option_->check(problem));
}
CommandOption CommandOption::range(int low, int high) {
  return CommandOption(option_->check(CLI::Range(low, high)));
}
CommandOption CommandOption::delimiter(char separator) {
  return CommandOption(option_->delimiter(separator));
}
CommandOption CommandOption::type_name(const std::string& name) {
  return CommandOption(option_->type_name(name));
}
CommandOption CommandOption::group(const std::string& heading) {
  return CommandOption(option_->group(heading));
}

Command::Command(CLI::App& program, const std::string& name, const std::string& help)
    : command_(program.add_subcommand(name, described(help))) {}

void Command::footer(const std::string& text) { command_->footer(text); }
void Command::hide() { command_->group(""); }
void Command::callback(const std::function<void()>& run) { command_->callback(run); }

CommandOption Command::add_flag(const std::string& name, bool& value, const std::string& help) {
  return CommandOption(command_->add_flag(name, value, described(help)));
}
CommandOption Command::add_flag_callback(const std::string& name, const std::function<void()>& given,
                                         const std::string& help) {
  return CommandOption(command_->add_flag_callback(name, given, described(help)));
}

template <typename T>
CommandOption Command::add_option(const std::string& name, T& value, const std::string& help) {
  auto option = CommandOption(command_->add_option(name, value, described(help)));
  constexpr bool kText = std::is_same_v<T, std::string> || std::is_same_v<T, std::optional<std::string>> ||
                         std::is_same_v<T, std::vector<std::string>>;
  constexpr bool kUnsigned =
      std::is_same_v<T, std::uint64_t> || std::is_same_v<T, std::optional<std::uint64_t>>;
  if constexpr (kText) {
    // A variable of a script that is not set: it must not stand for what holds without the option.
    option.check([](const std::string& given) { return given.empty() ? "'' is no value" : std::string(); });
  } else if constexpr (kUnsigned) {
    option.check([](const std::string& given) {  // read as a number, -1 would be the largest
      return given.starts_with('-') ? fmt::format("'{}' is negative", given) : std::string();
    });
  }
  return option;
}
template CommandOption Command::add_option(const std::string&, int&, const std::string&);
template CommandOption Command::add_option(const std::string&, std::uint64_t&, const std::string&);
template CommandOption Command::add_option(const std::string&, double&, const std::string&);
template CommandOption Command::add_option(const std::string&, std::string&, const std::string&);
template CommandOption Command::add_option(const std::string&, std::optional<std::string>&,
                                           const std::string&);
template CommandOption Command::add_option(const std::string&, std::vector<int>&, const std::string&);
template CommandOption Command::add_option(const std::string&, std::optional<std::uint64_t>&,
                                           const std::string&);
template CommandOption Command::add_option(const std::string&, std::vector<std::string>&, const std::string&);

CommandOption Command::add_option_function(const std::string& name,
                                           const std::function<void(const std::string&)>& given,
                                           const std::string& help) {
  return CommandOption(command_->add_option_function<std::string>(name, given, described(help)));
}

CommandOption Command::add_output_option(const std::string& name, std::string& file,
                                         const std::string& help) {
  return CommandOption(command_->add_option(name, file, described(help))).check([](const std::string& given) {
    return given.empty() ? "'' names no file" : std::string();
  });
}

}  // namespace attnbench
