#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "flatenn/engine/engine.h"

namespace flatenn::engine {

/// What `--engine` names.
struct EngineChoice {
  EngineKind kind = EngineKind::kCpu;
  std::vector<int64_t> devices = {0};  ///< Rising; more than one only of kCuda.
};
/// "cpu", "cuda" (device 0), "cuda:1", "cuda:0-3", "cuda:0,2". Throws Error saying what is wrong.
EngineChoice parse_engine_choice(const std::string& text);

/// What `--device` names: none for "cpu", else GPUs, rising: "cuda" (device 0), "cuda:1",
/// "cuda:0-3", "cuda:0,2". Throws Error saying what is wrong.
std::vector<int64_t> parse_device_choice(const std::string& text);

/// Of one engine. Throws Error where the text names several GPUs, or none as above.
EngineOptions engine_options(const std::string& text, int64_t threads);

/// The shortest list that names them: "0-3", "0,2". `devices` rise.
std::string device_list(const std::vector<int64_t>& devices);

/// What is missing where a machine has `count` GPUs: "this machine has 1 GPU (0)"; empty: nothing.
std::string missing_devices(const std::vector<int64_t>& wanted, int64_t count);

/// Throws Error in one line where this build or machine lacks what the choice names.
void check_devices(const EngineChoice& choice);

}  // namespace flatenn::engine
