#include "flatenn/campaign/campaign.h"

#include <nanobind/stl/filesystem.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <exception>

#include "bindings.h"
#include "flatenn/base/config.h"
#include "flatenn/engine/devices.h"

namespace flatenn::python {
namespace {

nb::dict to_dict(const campaign::CellProgress& cell) {
  nb::dict result;
  result["label"] = cell.label;
  result["trials"] = cell.trials;
  result["wanted"] = cell.wanted;
  result["accuracy"] = cell.mean;
  result["low"] = cell.ci.low;
  result["high"] = cell.ci.high;
  return result;
}

/// Tells a Python callable how far a campaign is, and ends the campaign in good order where the
/// callable or a signal handler raises: what they raised is kept for rethrow().
class PythonObserver : public campaign::Observer {
 public:
  explicit PythonObserver(nb::object callback) : callback_(std::move(callback)) {}

  void started(const std::string&, int64_t done, int64_t wanted) override {
    done_ = before_ = done;
    tell(wanted, nullptr);
  }
  void advanced(int64_t trials, int64_t wanted, const campaign::CellProgress& cell) override {
    if (before_ > 0) {  // the first news tells what was there before
      before_ = 0;
    } else {
      done_ += trials;
    }
    tell(wanted, &cell);
  }
  bool stop_requested() {
    guarded([] { check_signals(); });
    return raised_ != nullptr;
  }
  void rethrow() const {
    if (raised_) std::rethrow_exception(raised_);
  }

 private:
  template <typename Work>
  void guarded(const Work& work) {
    if (raised_) return;
    try {
      work();
    } catch (...) {
      raised_ = std::current_exception();
    }
  }
  void tell(int64_t wanted, const campaign::CellProgress* cell) {
    const nb::gil_scoped_acquire gil;
    if (callback_.is_none()) return;
    guarded([&] {
      callback_(done_, wanted, cell == nullptr ? nb::object(nb::none()) : to_dict(*cell));
    });
  }

  nb::object callback_;
  int64_t done_ = 0;
  int64_t before_ = 0;
  std::exception_ptr raised_;
};

std::vector<std::shared_ptr<const net::Network>> shared(const std::vector<NetworkHandle>& handles) {
  std::vector<std::shared_ptr<const net::Network>> networks;
  for (const NetworkHandle& handle : handles) {
    handle.that_runs();
    networks.push_back(handle.network);
  }
  return networks;
}

campaign::Plan read(const std::string& toml, const std::filesystem::path& folder) {
  Config config = Config::from_string(toml, "campaign");
  return campaign::read_plan(config, folder);
}

nb::dict to_dict(const campaign::CampaignReport& report) {
  nb::dict result;
  result["plan"] = report.plan;
  result["ending"] = campaign::to_string(report.ending);
  result["trials"] = report.trials;
  result["seconds"] = report.seconds;
  result["engine"] = report.engine;
  return result;
}

nb::dict run(const std::string& toml, const std::filesystem::path& folder,
             const std::vector<NetworkHandle>& networks, const std::optional<ImagesHandle>& images,
             const std::filesystem::path& database, const std::string& engine, int64_t threads,
             const std::filesystem::path& data_root, const std::string& plan_file,
             nb::object progress) {
  PythonObserver observer(std::move(progress));
  campaign::CampaignReport report;
  {
    const nb::gil_scoped_release nogil;
    campaign::CampaignOptions options;
    const engine::EngineChoice choice = engine::parse_engine_choice(engine);
    options.engine = {.kind = choice.kind, .threads = threads};
    options.devices = choice.devices;
    options.data_root = data_root;
    if (images) options.images = identified(*images);
    options.networks = shared(networks);
    options.plan_file = plan_file;
    options.stop_requested = [&] { return observer.stop_requested(); };
    campaign::Campaign campaign(read(toml, folder), options);
    store::Store store = campaign.open_store(database);
    report = campaign.run(store, observer);
  }
  observer.rethrow();
  return to_dict(report);
}

void check(const std::string& toml, const std::filesystem::path& folder) { read(toml, folder); }

}  // namespace

void bind_campaign(nb::module_& module) {
  module.def("check_plan", check, nb::arg("toml"), nb::arg("folder"),
             "Raises Error where a plan's keys or values are wrong.");
  module.def("run_campaign", run, nb::arg("toml"), nb::arg("folder"), nb::arg("networks"),
             nb::arg("images").none(), nb::arg("database"), nb::arg("engine"), nb::arg("threads"),
             nb::arg("data_root"), nb::arg("plan_file"), nb::arg("progress").none(),
             "Runs what is missing of a plan into a result file.");
}

}  // namespace flatenn::python
