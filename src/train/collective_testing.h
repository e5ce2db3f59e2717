#pragma once

#include <memory>
#include <vector>

#include "train/collective.h"
#include "train/meeting.h"

namespace flatenn::train::testing {

/// What NCCL does on GPUs, for threads that share a CPU: sums in the workers' order.
class ThreadCollective : public Collective {
 public:
  struct Shared {
    explicit Shared(int64_t workers)
        : meeting(workers), tensors(static_cast<size_t>(workers), nullptr) {}
    Meeting meeting;
    std::vector<const std::vector<torch::Tensor>*> tensors;
  };

  ThreadCollective(std::shared_ptr<Shared> shared, int64_t index)
      : shared_(std::move(shared)), index_(static_cast<size_t>(index)) {}

  void mean(const std::vector<torch::Tensor>& tensors) override {
    shared_->tensors[index_] = &tensors;
    shared_->meeting.wait();
    const torch::NoGradGuard no_grad;
    std::vector<torch::Tensor> means;
    for (size_t i = 0; i < tensors.size(); ++i) {
      torch::Tensor sum = shared_->tensors.front()->at(i).clone();
      for (size_t worker = 1; worker < shared_->tensors.size(); ++worker)
        sum += shared_->tensors[worker]->at(i);
      means.push_back(sum / static_cast<double>(shared_->tensors.size()));
    }
    shared_->meeting.wait();
    for (size_t i = 0; i < tensors.size(); ++i) tensors[i].copy_(means[i]);
  }
  void meet() override { shared_->meeting.wait(); }
  void abort() override { shared_->meeting.abort(); }

 private:
  std::shared_ptr<Shared> shared_;
  size_t index_;
};

inline std::vector<std::unique_ptr<Collective>> thread_collectives(int64_t workers) {
  const auto shared = std::make_shared<ThreadCollective::Shared>(workers);
  std::vector<std::unique_ptr<Collective>> group;
  for (int64_t i = 0; i < workers; ++i)
    group.push_back(std::make_unique<ThreadCollective>(shared, i));
  return group;
}

}  // namespace flatenn::train::testing
