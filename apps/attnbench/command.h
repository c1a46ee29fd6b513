#pragma once

#include <functional>
#include <string>

namespace CLI {
class App;
class Option;
}  // namespace CLI

/// The part of CLI11 that the subcommands use, so that two files wait for its header and not all.
namespace attnbench {

/// An option or argument of a command.
class CommandOption {
 public:
  explicit CommandOption(CLI::Option* option) : option_(option) {}

  CommandOption required();
  /// --help shows the present value, or this text, as the default.
  CommandOption capture_default_str();
  CommandOption default_str(const std::string& text);
  /// `problem` says what is wrong with a value as given; empty: nothing.
  CommandOption check(const std::function<std::string(const std::string&)>& problem);
  CommandOption range(int low, int high);
  /// Splits one word into several values.
  CommandOption delimiter(char separator);
  /// What --help calls the value, and the heading below which it stands.
  CommandOption type_name(const std::string& name);
  CommandOption group(const std::string& heading);

 private:
  CLI::Option* option_;
};

/// A subcommand of the program. Variables that options fill must outlive the program's parsing.
class Command {
 public:
  Command(CLI::App& program, const std::string& name, const std::string& help);

  void footer(const std::string& text);
  void hide();  ///< from --help
  /// Called once the command line is read and this command is what it asks for.
  void callback(const std::function<void()>& run);

  CommandOption add_flag(const std::string& name, bool& value, const std::string& help);
  CommandOption add_flag_callback(const std::string& name, const std::function<void()>& given,
                                  const std::string& help);
  /// T is a type for which command.cc compiles it.
  template <typename T>
  CommandOption add_option(const std::string& name, T& value, const std::string& help = {});
  CommandOption add_option_function(const std::string& name,
                                    const std::function<void(const std::string&)>& given,
                                    const std::string& help);
  /// A file to write; an empty name is refused.
  CommandOption add_output_option(const std::string& name, std::string& file, const std::string& help);

 private:
  CLI::App* command_;
};

}  // namespace attnbench
