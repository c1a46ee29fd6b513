#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "claims/claim.h"

namespace attnbench {

/// Reads one claim; `id` is its file's name without ".toml", `source` stands in messages. Throws InputError
/// "source:line: field: 'value' problem" for bad syntax, unknown keys and names (with the nearest ones),
/// values of the wrong type or out of range, and what is missing for the relation.
Claim parse_claim(std::string_view toml, const std::string& id, const std::string& source);

/// All *.toml of a directory, by number. Throws InputError as parse_claim does, for a directory that cannot
/// be read or has no claims, and for a number that appears twice.
std::vector<Claim> load_claims(const std::string& directory);

/// The published findings, built into the program.
std::vector<Claim> builtin_claims();

}  // namespace attnbench
