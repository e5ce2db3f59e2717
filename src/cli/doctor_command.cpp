#include <dlfcn.h>
#include <oneapi/dnnl/dnnl.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "cli/command.h"
#include "cli/text_table.h"
#include "engine/isa.h"
#include "flatenn/base/version.h"
#include "flatenn/data/verify.h"

namespace flatenn::cli {
namespace {

/// One thing looked at.
struct Finding {
  std::string what;
  bool good = true;
  std::string found;
  std::string remedy;  ///< Where it is not good.
};

bool library_exists(const char* name) {
  void* const library = ::dlopen(name, RTLD_LAZY | RTLD_LOCAL);
  if (library != nullptr) ::dlclose(library);
  return library != nullptr;
}

Finding check_cpu() {
  const engine::Isa best = engine::best_isa();
  Finding finding{.what = "CPU"};
  finding.found = std::to_string(std::thread::hardware_concurrency()) + " threads, kernels for " +
                  engine::isa_name(best);
  if (engine::isa_is_lowered()) {
    finding.good = false;
    finding.remedy = "FLATENN_MAX_ISA lowers it; unset it for full speed";
  } else if (!engine::isa_supported(engine::Isa::kAvx512Vnni)) {
    finding.remedy = "campaigns are about four times as fast with AVX-512 VNNI";
  }
  return finding;
}

Finding check_memory() {
  const double pages = static_cast<double>(::sysconf(_SC_PHYS_PAGES));
  const double gib = pages * static_cast<double>(::sysconf(_SC_PAGE_SIZE)) / (1 << 30);
  char text[64];
  std::snprintf(text, sizeof text, "%.1f GiB", gib);
  return {
      .what = "memory", .good = gib >= 2, .found = text, .remedy = "training takes 2 GiB and more"};
}

Finding check_library(const char* what, const char* name, const char* remedy) {
  const bool there = library_exists(name);
  return {.what = what, .good = there, .found = there ? name : "not found", .remedy = remedy};
}

Finding check_training() {
  const auto program = std::filesystem::read_symlink("/proc/self/exe");
  const bool is_it = program.filename() == "flatenn-torch";
  const auto torch = program.parent_path() / "flatenn-torch";
  const bool there = is_it || std::filesystem::exists(torch);
  return {.what = "training (LibTorch)",
          .good = there,
          .found = there ? "flatenn-torch" : "flatenn-torch is not beside flatenn",
          .remedy =
              "build with LibTorch (apt install libtorch-dev); campaigns, results and reports "
              "work without"};
}

Finding check_gpu() {
  const bool driver = library_exists("libcuda.so.1");
  const bool node = std::filesystem::exists("/dev/nvidia0");
  Finding finding{.what = "GPU"};
  finding.found = driver && node ? "an NVIDIA GPU and its driver" : "none";
  if (driver != node) {
    finding.good = false;
    finding.found = node ? "a GPU without its driver library" : "a driver library without a GPU";
    finding.remedy = "campaigns run on the CPU; install the NVIDIA driver for --engine cuda";
  }
  return finding;
}

Finding check_data(const data::DataSet& set, const std::filesystem::path& root) {
  const data::Presence presence = data::find_presence(set, root);
  return {.what = "data set " + set.name,
          .good = presence.complete,
          .found = presence.complete ? presence.folder.string()
                   : presence.files > 0
                       ? "only some of its files are in " + presence.folder.string()
                       : "not in " + presence.folder.string(),
          .remedy = "flatenn data get " + set.name};
}

Finding check_space(const std::filesystem::path& folder) {
  std::error_code failure;
  const auto space = std::filesystem::space(folder, failure);
  const double gib = failure ? 0 : static_cast<double>(space.available) / (1 << 30);
  char text[64];
  std::snprintf(text, sizeof text, "%.1f GiB free here", gib);
  return {.what = "disk",
          .good = gib >= 1,
          .found = text,
          .remedy = "a campaign of a million trials writes about 0.1 GiB, a training some MB"};
}

const char* isa_words(dnnl_cpu_isa_t isa) {
  switch (isa) {
    case dnnl_cpu_isa_sse41:
      return "SSE4.1";
    case dnnl_cpu_isa_avx:
      return "AVX";
    case dnnl_cpu_isa_avx2:
      return "AVX2";
    case dnnl_cpu_isa_avx2_vnni:
      return "AVX2 with VNNI";
    case dnnl_cpu_isa_avx512_core:
      return "AVX-512";
    case dnnl_cpu_isa_avx512_core_vnni:
      return "AVX-512 with VNNI";
    case dnnl_cpu_isa_avx512_core_bf16:
      return "AVX-512 with VNNI and bfloat16";
    case dnnl_cpu_isa_avx512_core_amx:
      return "AVX-512 with AMX";
    default:
      return "of its own choice";
  }
}

/// The library of the onednn engine.
Finding check_onednn() {
  const dnnl_version_t* const version = ::dnnl_version();
  return {.what = "oneDNN",
          .found = std::to_string(version->major) + "." + std::to_string(version->minor) + "." +
                   std::to_string(version->patch) + ", " +
                   isa_words(::dnnl_get_effective_cpu_isa())};
}

std::vector<Finding> look(const std::string& root) {
  std::vector<Finding> findings = {
      check_cpu(),
      check_memory(),
      check_space("."),
      check_library("download (curl)", "libcurl.so.4", "apt install libcurl4; data get needs it"),
      check_library("archives", "libarchive.so.13", "apt install libarchive13; data get needs it"),
      check_onednn(),
      check_training(),
      check_gpu()};
  const auto data_root = data::resolve_data_root(root);
  for (const data::DataSet& set : data::catalogue()) findings.push_back(check_data(set, data_root));
  return findings;
}

void run(const std::string& root, bool as_json) {
  const std::vector<Finding> findings = look(root);
  if (as_json) {
    nlohmann::json list = nlohmann::json::array();
    for (const Finding& finding : findings) {
      list.push_back({{"what", finding.what},
                      {"good", finding.good},
                      {"found", finding.found},
                      {"remedy", finding.good ? "" : finding.remedy}});
    }
    std::printf("%s\n", list.dump(2).c_str());
    return;
  }
  std::printf("flatenn %s\n", version());
  const size_t text_at = output_columns() == 0 || output_columns() >= 60 ? 28 : 5;
  for (const Finding& finding : findings) {
    std::string what = finding.what;
    what.resize(std::max<size_t>(what.size(), 22), ' ');
    print_wrapped(detail::concat(finding.good ? "ok   " : "--   ", what, " ", finding.found),
                  text_at);
    if (!finding.good)
      print_wrapped(detail::concat(std::string(text_at, ' '), "-> ", finding.remedy), text_at + 3);
  }
}

}  // namespace

void add_doctor_command(CLI::App& app, const GlobalOptions&) {
  auto root = std::make_shared<std::string>();
  auto as_json = std::make_shared<bool>(false);
  auto* command = app.add_subcommand(
      "doctor", "Look at this machine: what works, what is missing and how to get it");
  command->add_option("--root", *root, "Folder of data sets");
  command->add_flag("--json", *as_json, "The same as JSON");
  command->callback([root, as_json] { run(*root, *as_json); });
}

}  // namespace flatenn::cli
