#pragma once

#include "flatenn/report/findings.h"

namespace flatenn::report {

/// A member of run.json's "result" (docs/formats.md); null where the run has none.
nlohmann::ordered_json result_of(const Run& run, const char* key);
/// The same as a number; NaN where it is none.
double number_of(const Run& run, const char* key);

}  // namespace flatenn::report
