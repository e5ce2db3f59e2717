#pragma once

#include <cstdint>
#include <string>

namespace flatenn::store {

/// This machine since its last start, and the process namespace: within one value a process id
/// means one process.
std::string process_space();
std::string host_name();
int64_t process_id();
/// Whether the process exists (in this process's own space).
bool process_lives(int64_t pid);

double unix_time();     ///< Seconds since 1970.
std::string utc_now();  ///< "2025-01-31T12:00:00Z"

}  // namespace flatenn::store
