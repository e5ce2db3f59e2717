#include "flatenn/fault/protection.h"

#include "flatenn/base/error.h"

namespace flatenn::fault {

CheckCode parse_check_code(const std::string& name) {
  if (name == "none") return CheckCode::kNone;
  if (name == "parity") return CheckCode::kParity;
  FLATENN_CHECK(name == "secded", "protection code: must be one of none, parity, secded, got '",
                name, "'");
  return CheckCode::kSecded;
}

std::string to_string(CheckCode code) {
  return code == CheckCode::kNone ? "none" : code == CheckCode::kParity ? "parity" : "secded";
}

}  // namespace flatenn::fault
