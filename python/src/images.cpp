#include <nanobind/stl/filesystem.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "bindings.h"
#include "flatenn/base/error.h"
#include "flatenn/data/catalogue.h"

namespace flatenn::python {
namespace {

template <typename T>
using Batch = nb::ndarray<const T, nb::ndim<4>, nb::c_contig, nb::device::cpu>;
using Labels = nb::ndarray<const uint16_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
/// How an image set stores a class.
using Label = decltype(data::ImageSet::labels)::value_type;

template <typename T>
data::ImageSet set_of(const Batch<T>& batch, const Labels& labels, const std::string& name,
                      std::vector<std::string> class_names) {
  FLATENN_CHECK(batch.shape(0) == labels.shape(0), "labels: ", labels.shape(0), " for ",
                batch.shape(0), " images");
  data::ImageSet images;
  images.name = name;
  images.count = static_cast<int64_t>(batch.shape(0));
  images.channels = static_cast<int64_t>(batch.shape(1));
  images.height = static_cast<int64_t>(batch.shape(2));
  images.width = static_cast<int64_t>(batch.shape(3));
  images.labels.reserve(labels.size());
  for (size_t i = 0; i < labels.size(); ++i) {
    FLATENN_CHECK(labels.data()[i] <= std::numeric_limits<Label>::max(), "labels[", i,
                  "]: ", labels.data()[i], " is above the greatest class, ",
                  +std::numeric_limits<Label>::max());
    images.labels.push_back(static_cast<Label>(labels.data()[i]));
  }
  images.class_names = std::move(class_names);
  return images;
}

/// The numbers of an array: where they lie, which the array keeps alive, or copied once into memory
/// that all copies of the set share.
template <typename T>
MappableVector<T> keep(const Batch<T>& batch, bool borrow) {
  if (borrow) {
    auto owner = std::make_shared<Batch<T>>(batch);
    return MappableVector<T>::borrowed(owner, batch.data(), batch.size());
  }
  auto owner = std::make_shared<std::vector<T>>(batch.data(), batch.data() + batch.size());
  return MappableVector<T>::borrowed(owner, owner->data(), owner->size());
}

/// Borrowed images serve one call; what identifies them is computed where a call asks for it.
ImagesHandle share(data::ImageSet images, bool borrow) {
  if (!borrow) images.content_hash = data::content_hash(images);
  return {std::make_shared<data::ImageSet>(std::move(images))};
}

ImagesHandle from_pixels(const Batch<uint8_t>& pixels, const Labels& labels,
                         const std::string& name, std::vector<std::string> class_names,
                         std::vector<float> mean, std::vector<float> std, bool borrow) {
  const nb::gil_scoped_release nogil;
  data::ImageSet images = set_of(pixels, labels, name, std::move(class_names));
  const auto channels = static_cast<size_t>(images.channels);
  FLATENN_CHECK(mean.size() == channels && std.size() == channels, "mean, std: ", mean.size(),
                " and ", std.size(), " numbers for ", channels, " channels");
  images.pixels = keep(pixels, borrow);
  images.mean = std::move(mean);
  images.std = std::move(std);
  return share(std::move(images), borrow);
}

ImagesHandle from_values(const Batch<float>& values, const Labels& labels, const std::string& name,
                         std::vector<std::string> class_names, bool borrow) {
  const nb::gil_scoped_release nogil;
  data::ImageSet images = set_of(values, labels, name, std::move(class_names));
  images.values = keep(values, borrow);
  const bool finite = std::all_of(values.data(), values.data() + values.size(),
                                  [](float value) { return std::isfinite(value); });
  FLATENN_CHECK(finite, "images: hold numbers that are not finite");
  const auto channels = static_cast<size_t>(images.channels);
  images.mean.assign(channels, 0);
  images.std.assign(channels, 1);
  return share(std::move(images), borrow);
}

ImagesHandle load(const std::string& name, const std::string& split, int64_t first,
                  const std::string& root) {
  const nb::gil_scoped_release nogil;
  return {std::make_shared<data::ImageSet>(data::take_first(
      data::load_image_set(name, split == "train" ? data::Split::kTrain : data::Split::kTest,
                           data::resolve_data_root(root)),
      first))};
}

std::vector<size_t> extents(const data::ImageSet& images) {
  return {static_cast<size_t>(images.count), static_cast<size_t>(images.channels),
          static_cast<size_t>(images.height), static_cast<size_t>(images.width)};
}

/// The same images with other names of classes.
ImagesHandle with_class_names(const ImagesHandle& self, std::vector<std::string> names) {
  auto images = std::make_shared<data::ImageSet>(*self.images);
  images->class_names = std::move(names);
  return {images};
}

/// A view of either pixels or values.
nb::object batch(const ImagesHandle& self) {
  const data::ImageSet& images = *self.images;
  if (images.values.empty()) return view(images.pixels.data(), extents(images), self.images).cast();
  return view(images.values.data(), extents(images), self.images).cast();
}

std::tuple<std::vector<float>, std::vector<float>> constants(const std::string& name) {
  const data::DataSet& set = data::find_data_set(name);
  return {set.mean, set.std};
}

std::vector<std::string> names() {
  std::vector<std::string> names;
  for (const data::DataSet& set : data::catalogue()) names.push_back(set.name);
  return names;
}

}  // namespace

std::shared_ptr<const data::ImageSet> identified(const ImagesHandle& handle) {
  if (!handle.images->content_hash.empty()) return handle.images;
  auto images = std::make_shared<data::ImageSet>(*handle.images);  // shares the numbers
  images->content_hash = data::content_hash(*images);
  return images;
}

void bind_images(nb::module_& module) {
  using Self = const ImagesHandle&;
  nb::class_<ImagesHandle>(module, "Images", "Labelled images of one shape.")
      .def_static("from_pixels", from_pixels, nb::arg("pixels"), nb::arg("labels"), nb::arg("name"),
                  nb::arg("class_names"), nb::arg("mean"), nb::arg("std"), nb::arg("borrow"),
                  "8-bit pixels [N, C, H, W] and what normalizes them; borrow: not copied.")
      .def_static("from_values", from_values, nb::arg("values"), nb::arg("labels"), nb::arg("name"),
                  nb::arg("class_names"), nb::arg("borrow"),
                  "Normalized pixels [N, C, H, W]; borrow: not copied.")
      .def_static("load", load, nb::arg("name"), nb::arg("split"), nb::arg("first"),
                  nb::arg("root"), "A data set of the catalogue.")
      .def_prop_ro("name", [](Self self) { return self.images->name; })
      .def_prop_ro("hash", [](Self self) { return identified(self)->content_hash; })
      .def_prop_ro("class_names", [](Self self) { return self.images->class_names; })
      .def_prop_ro("mean", [](Self self) { return self.images->mean; })
      .def_prop_ro("std", [](Self self) { return self.images->std; })
      .def("__len__", [](Self self) { return self.images->count; })
      .def(
          "labels",
          [](Self self) {
            return view(self.images->labels.data(), {self.images->labels.size()}, self.images);
          },
          "Class of each image; a view.")
      .def_prop_ro("of_pixels", [](Self self) { return self.images->values.empty(); })
      .def("with_class_names", with_class_names, nb::arg("class_names"),
           "The same images with other names of classes.")
      .def("batch", batch, nb::sig("def batch(self) -> numpy.typing.NDArray[typing.Any]"),
           "[N, C, H, W] of uint8 or float32; a view.");
  module.def(
      "most_classes", [] { return int64_t{std::numeric_limits<Label>::max()} + 1; },
      "Classes that labels can tell apart.");
  module.def("dataset_constants", constants, nb::arg("name"),
             "Mean and standard deviation per channel of a data set of the catalogue.");
  module.def("dataset_names", names, "Data sets of the catalogue.");
}

}  // namespace flatenn::python
