#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "flatenn/base/error.h"
#include "flatenn/data/image_set.h"
#include "flatenn/net/network.h"

/// flatenn._core: the library's functions and types, one to one. What users call is written in
/// Python on top of it (python/flatenn), which checks arguments and names them.
namespace flatenn::python {

namespace nb = nanobind;

/// A network that Python holds. Shared with campaigns and fault maps, never changed.
struct NetworkHandle {
  std::shared_ptr<const net::Network> network;

  /// The network; throws Error where it holds weights alone.
  const net::Network& that_runs() const {
    FLATENN_CHECK(!network->activations.empty(), "network ", network->name,
                  ": holds weights alone, and cannot run or be written as a model");
    return *network;
  }
};

/// Images that Python holds.
struct ImagesHandle {
  std::shared_ptr<const data::ImageSet> images;
};

/// The images with what identifies them, which borrowed ones lack.
std::shared_ptr<const data::ImageSet> identified(const ImagesHandle& handle);

void bind_network(nb::module_& module);
void bind_images(nb::module_& module);
void bind_run(nb::module_& module);
void bind_faults(nb::module_& module);
void bind_campaign(nb::module_& module);
void bind_results(nb::module_& module);

template <typename T>
using NumpyArray = nb::ndarray<nb::numpy, T>;

/// A NumPy array that owns `values`.
template <typename T>
NumpyArray<T> to_numpy(std::vector<T> values, const std::vector<size_t>& shape) {
  auto* kept = new std::vector<T>(std::move(values));
  nb::capsule owner(kept, [](void* data) noexcept { delete static_cast<std::vector<T>*>(data); });
  return NumpyArray<T>(kept->data(), shape.size(), shape.data(), owner);
}

/// A read-only NumPy view of memory that `owner` keeps alive.
template <typename T, typename Owner>
NumpyArray<const T> view(const T* data, const std::vector<size_t>& shape,
                         std::shared_ptr<Owner> owner) {
  auto* kept = new std::shared_ptr<Owner>(std::move(owner));
  nb::capsule capsule(
      kept, [](void* held) noexcept { delete static_cast<std::shared_ptr<Owner>*>(held); });
  return NumpyArray<const T>(data, shape.size(), shape.data(), capsule);
}

/// Runs Python's signal handlers; throws what they raise (KeyboardInterrupt). Call without the GIL.
inline void check_signals() {
  const nb::gil_scoped_acquire gil;
  if (PyErr_CheckSignals() != 0) throw nb::python_error();
}

}  // namespace flatenn::python
