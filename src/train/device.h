#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <string>
#include <vector>

namespace flatenn::train {

/// "cpu", "cuda" (the first GPU), "cuda:1", or several: "cuda:0-3", "cuda:0,2". Throws Error, one
/// line, for another name, and where a build or machine has no such devices, with the reason.
std::vector<c10::Device> open_devices(const std::string& name);

/// Makes a GPU the one that this thread computes on.
void use_device(c10::Device device);

/// What a user can make of a failure that LibTorch or the CUDA runtime reports: one line.
std::string explain_device_failure(const std::string& message);

/// The next larger number of equal parts to compute a batch's gradient in, where memory does not
/// suffice for `parts`: the least divisor of `batch_size` of at least twice as many. 0 where parts
/// would fall under 8 images, too few for batch norm.
int64_t more_parts(int64_t batch_size, int64_t parts);

/// Gives memory that LibTorch keeps for later back to the device.
void release_cached_memory();

}  // namespace flatenn::train
