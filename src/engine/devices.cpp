#include "flatenn/engine/devices.h"

#include <algorithm>
#include <charconv>
#include <string_view>

#include "flatenn/base/error.h"
#ifdef FLATENN_CUDA
#include "engine/cuda/cuda_engine.h"
#endif

namespace flatenn::engine {
namespace {

constexpr int64_t kMostDevices = 64;

/// Where a list stands: the option, for messages, and all of its text.
struct Place {
  std::string option;
  std::string text;
};

int64_t parse_number(std::string_view text, const Place& place) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  FLATENN_CHECK(error == std::errc() && end == text.data() + text.size() && number >= 0 &&
                    number < kMostDevices,
                place.option, ": expected numbers of GPUs below ", kMostDevices,
                ", as in cuda:1, cuda:0-3 or cuda:0,2, got ", place.text);
  return number;
}

/// "2" or "0-3"
void add_devices(std::string_view text, const Place& place, std::vector<int64_t>& devices) {
  const size_t dash = text.find('-');
  const int64_t first = parse_number(text.substr(0, dash), place);
  const int64_t last =
      dash == std::string_view::npos ? first : parse_number(text.substr(dash + 1), place);
  FLATENN_CHECK(first <= last, place.option, ": ", place.text, ": GPUs ", text, " run backwards");
  for (int64_t device = first; device <= last; ++device) devices.push_back(device);
}

constexpr std::string_view kPrefix = "cuda:";

/// Of "cuda:LIST".
std::vector<int64_t> parse_devices(const Place& place) {
  std::string_view list = std::string_view(place.text).substr(kPrefix.size());
  std::vector<int64_t> devices;
  for (;;) {
    const size_t comma = list.find(',');
    add_devices(list.substr(0, comma), place, devices);
    if (comma == std::string_view::npos) break;
    list.remove_prefix(comma + 1);
  }
  std::sort(devices.begin(), devices.end());
  const auto twice = std::adjacent_find(devices.begin(), devices.end());
  FLATENN_CHECK(twice == devices.end(), place.option, ": ", place.text, " names GPU ", *twice,
                " twice");
  return devices;
}

}  // namespace

EngineChoice parse_engine_choice(const std::string& text) {
  if (!text.starts_with(kPrefix)) return {.kind = parse_engine_kind(text)};
  return {.kind = EngineKind::kCuda, .devices = parse_devices({"engine", text})};
}

std::vector<int64_t> parse_device_choice(const std::string& text) {
  if (text == "cpu") return {};
  if (text == "cuda") return {0};
  FLATENN_CHECK(text.starts_with(kPrefix),
                "--device: expected cpu, cuda or GPUs as in cuda:1, cuda:0-3 or cuda:0,2, got '",
                text, "'");
  return parse_devices({"--device", text});
}

EngineOptions engine_options(const std::string& text, int64_t threads) {
  const EngineChoice choice = parse_engine_choice(text);
  FLATENN_CHECK(choice.devices.size() == 1, "engine: ", text,
                " names several GPUs; this computes on one");
  return {.kind = choice.kind, .threads = threads, .device = choice.devices.front()};
}

std::string device_list(const std::vector<int64_t>& devices) {
  std::string list;
  for (size_t first = 0; first < devices.size();) {
    size_t last = first;
    while (last + 1 < devices.size() && devices[last + 1] == devices[last] + 1) ++last;
    list += (list.empty() ? "" : ",") + std::to_string(devices[first]);
    if (last > first) list += "-" + std::to_string(devices[last]);
    first = last + 1;
  }
  return list;
}

std::string missing_devices(const std::vector<int64_t>& wanted, int64_t count) {
  const bool all = std::all_of(wanted.begin(), wanted.end(), [&](int64_t d) { return d < count; });
  if (all) return "";
  if (count == 0) return "this machine has no GPU";
  const std::string there = count == 1 ? " GPU (0)" : " GPUs (0-" + std::to_string(count - 1) + ")";
  return "this machine has " + std::to_string(count) + there;
}

void check_devices(const EngineChoice& choice) {
  if (choice.kind != EngineKind::kCuda) return;
#ifdef FLATENN_CUDA
  const std::string name = "engine cuda:" + device_list(choice.devices);
  const std::string reason = cuda_unavailable();
  FLATENN_CHECK(reason.empty(), name, ": ", reason);
  const std::string missing = missing_devices(choice.devices, cuda_device_count());
  FLATENN_CHECK(missing.empty(), name, ": ", missing);
#else
  throw Error("engine: this build has no CUDA engine (configure with -DFLATENN_CUDA=ON)");
#endif
}

}  // namespace flatenn::engine
