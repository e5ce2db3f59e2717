#include <nanobind/stl/string.h>

#include "bindings.h"
#include "flatenn/base/error.h"
#include "flatenn/base/log.h"
#include "flatenn/base/version.h"

NB_MODULE(_core, module) {
  namespace nb = nanobind;
  module.doc() = "The library's functions and types; use the package flatenn instead.";
  nb::exception<flatenn::Error>(module, "Error", PyExc_RuntimeError).doc() =
      "What the library refuses: one line that names the place, what was expected and what came.";
  flatenn::log::set_up(flatenn::log::Level::kWarn);
  module.def(
      "version", [] { return std::string(flatenn::version()); }, "Version of the library.");
  flatenn::python::bind_network(module);
  flatenn::python::bind_images(module);
  flatenn::python::bind_run(module);
  flatenn::python::bind_faults(module);
  flatenn::python::bind_campaign(module);
  flatenn::python::bind_results(module);
}
