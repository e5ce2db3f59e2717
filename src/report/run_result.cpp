#include "report/run_result.h"

#include <limits>

namespace flatenn::report {

nlohmann::ordered_json result_of(const Run& run, const char* key) {
  const auto result = run.record.find("result");
  if (result == run.record.end() || !result->is_object()) return nullptr;
  return result->value(key, nlohmann::ordered_json(nullptr));
}

double number_of(const Run& run, const char* key) {
  const nlohmann::ordered_json value = result_of(run, key);
  return value.is_number() ? value.get<double>() : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace flatenn::report
