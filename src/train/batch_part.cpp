#include "train/batch_part.h"

#include "flatenn/base/error.h"

namespace flatenn::train {
namespace {

class BatchPart : public BatchSource {
 public:
  BatchPart(std::unique_ptr<BatchSource> whole, int64_t part, int64_t parts)
      : whole_(std::move(whole)), part_(part), parts_(parts) {}

  int64_t batches() const override { return whole_->batches(); }
  void start_epoch(int64_t epoch) override { whole_->start_epoch(epoch); }
  Batch batch(int64_t index) override {
    const Batch whole = whole_->batch(index);
    const int64_t images = whole.labels.size(0) / parts_;
    FLATENN_ASSERT(images * parts_ == whole.labels.size(0), "parts of a batch");
    return {whole.images.narrow(0, part_ * images, images),
            whole.labels.narrow(0, part_ * images, images)};
  }

 private:
  std::unique_ptr<BatchSource> whole_;
  int64_t part_, parts_;
};

}  // namespace

std::unique_ptr<BatchSource> part_of_batches(std::unique_ptr<BatchSource> whole, int64_t part,
                                             int64_t parts) {
  return std::make_unique<BatchPart>(std::move(whole), part, parts);
}

}  // namespace flatenn::train
