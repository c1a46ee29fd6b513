#pragma once

#include <cstdint>

namespace attnbench {

/// Marks the file as an AttnBench store (bytes 68..71 of an SQLite file): "AttB".
constexpr std::uint32_t kStoreApplicationId = 0x41747442;
/// Format of the tables (SQLite's user_version, bytes 60..63). Files of a higher one are refused; one of
/// format 1 (store/format_1.h) becomes this when a cell is first put into it.
constexpr std::uint32_t kStoreFormat = 2;

/// The tables, as statements for an empty file; the two numbers above are set beside them.
extern const char* const kStoreSchema;
/// Statements that give a store of format 1 the columns of format 2; their values are still to be put.
extern const char* const kFormat1To2;

}  // namespace attnbench
