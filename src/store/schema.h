#pragma once

#include <span>

#include "store/database.h"

namespace flatenn::store {

/// "FlAt": marks a SQLite file as flatenn's.
constexpr int64_t kApplicationId = 0x466c4174;

/// SQL that takes a file from schema version i to i + 1. Append, never edit.
std::span<const char* const> migrations();

/// Brings a writable file to the newest version (all steps in one transaction) and refuses files
/// that are not flatenn's or are newer than this program.
void prepare_schema(const Database& database, std::span<const char* const> steps = migrations());

}  // namespace flatenn::store
