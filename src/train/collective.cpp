#include "train/collective.h"

#include "flatenn/base/error.h"
#ifdef FLATENN_NCCL
#include <nccl.h>
#include <torch/csrc/cuda/nccl.h>

#include <torch/csrc/distributed/c10d/HashStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>

#include "train/meeting.h"
#endif

namespace flatenn::train {

#ifdef FLATENN_NCCL
namespace {

/// LibTorch's classes hold structures of NCCL's header, which change with its version.
void check_version() {
  constexpr uint64_t kHeader = (static_cast<uint64_t>(NCCL_MAJOR) << 32) |
                               (static_cast<uint64_t>(NCCL_MINOR) << 16) | NCCL_PATCH;
  FLATENN_CHECK(torch::cuda::nccl::version() == kHeader,
                "several GPUs: this program was built with the header of NCCL ", NCCL_MAJOR, ".",
                NCCL_MINOR, ".", NCCL_PATCH,
                ", LibTorch with another version; configure with -DNCCL_INCLUDE_DIR=FOLDER");
}

class NcclCollective : public Collective {
 public:
  NcclCollective(const c10::intrusive_ptr<c10d::Store>& store, std::shared_ptr<Meeting> meeting,
                 int rank, int size)
      : meeting_(std::move(meeting)),
        group_(c10::make_intrusive<c10d::ProcessGroupNCCL>(
            store, rank, size, c10d::ProcessGroupNCCL::Options::create())) {}
  /// Not a shutdown, in which workers would wait for one another.
  ~NcclCollective() override { group_->abort(); }

  void mean(const std::vector<torch::Tensor>& tensors) override {
    for (const torch::ScalarType type : {torch::kFloat32, torch::kFloat64}) {
      std::vector<torch::Tensor> some;
      for (const torch::Tensor& tensor : tensors)
        if (tensor.scalar_type() == type) some.push_back(tensor);
      if (some.empty()) continue;
      c10d::AllreduceCoalescedOptions options;
      options.reduceOp = c10d::ReduceOp::AVG;
      // Waits on the device alone.
      if (const auto work = group_->allreduce_coalesced(some, options)) work->wait();
    }
  }

  void meet() override { meeting_->wait(); }
  void abort() override {
    meeting_->abort();
    group_->abort();
  }

 private:
  std::shared_ptr<Meeting> meeting_;
  c10::intrusive_ptr<c10d::ProcessGroupNCCL> group_;
};

}  // namespace

std::vector<std::unique_ptr<Collective>> make_collectives(
    const std::vector<torch::Device>& devices) {
  check_version();
  const auto store = c10::make_intrusive<c10d::HashStore>();
  const auto size = static_cast<int>(devices.size());
  const auto meeting = std::make_shared<Meeting>(size);
  std::vector<std::unique_ptr<Collective>> group;
  for (int rank = 0; rank < size; ++rank)
    group.push_back(std::make_unique<NcclCollective>(store, meeting, rank, size));
  return group;
}
#else
std::vector<std::unique_ptr<Collective>> make_collectives(const std::vector<torch::Device>&) {
  throw Error(
      "several GPUs: this build has no NCCL (its header nccl.h, of the version LibTorch was built "
      "with, must be found when flatenn is configured)");
}
#endif

}  // namespace flatenn::train
