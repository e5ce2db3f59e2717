#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "flatenn/base/error.h"

/// Throws Error naming the call where the CUDA runtime reports a failure.
#define FLATENN_CUDA_CHECK(call)                                                             \
  do {                                                                                       \
    const cudaError_t status = (call);                                                       \
    FLATENN_CHECK(status == cudaSuccess, "CUDA: ", #call, ": ", cudaGetErrorString(status)); \
  } while (false)

/// Owners of what the CUDA runtime hands out. Move-only; released on destruction.
namespace flatenn::engine::cuda {

/// Makes a device the calling thread's, until the end of the scope.
class DeviceScope {
 public:
  explicit DeviceScope(int device) {
    FLATENN_CUDA_CHECK(cudaGetDevice(&before_));
    FLATENN_CUDA_CHECK(cudaSetDevice(device));
  }
  DeviceScope(const DeviceScope&) = delete;
  DeviceScope& operator=(const DeviceScope&) = delete;
  ~DeviceScope() { cudaSetDevice(before_); }

 private:
  int before_ = 0;
};

/// `size` elements of T in device memory, uninitialized.
template <typename T>
class DeviceBuffer {
 public:
  DeviceBuffer() = default;
  explicit DeviceBuffer(int64_t size) : size_(size) {
    const size_t bytes = static_cast<size_t>(size) * sizeof(T);
    const cudaError_t status = bytes == 0 ? cudaSuccess : cudaMalloc(&data_, bytes);
    if (status != cudaSuccess) cudaGetLastError();
    FLATENN_CHECK(status == cudaSuccess, "CUDA: no room for ", bytes,
                  " bytes on the device: ", cudaGetErrorString(status));
  }
  explicit DeviceBuffer(std::span<const T> values)
      : DeviceBuffer(static_cast<int64_t>(values.size())) {
    if (values.empty()) return;
    FLATENN_CUDA_CHECK(
        cudaMemcpy(data_, values.data(), values.size() * sizeof(T), cudaMemcpyHostToDevice));
  }
  DeviceBuffer(DeviceBuffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  DeviceBuffer& operator=(DeviceBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~DeviceBuffer() { cudaFree(data_); }

  T* data() { return static_cast<T*>(data_); }
  const T* data() const { return static_cast<const T*>(data_); }
  int64_t size() const { return size_; }
  /// Makes room for `size` elements; the content is lost where it grows.
  void reserve(int64_t size) {
    if (size > size_) *this = DeviceBuffer(size);
  }

 private:
  void* data_ = nullptr;
  int64_t size_ = 0;
};

/// Host memory that copies to and from the device run at full speed with.
template <typename T>
class PinnedBuffer {
 public:
  PinnedBuffer() = default;
  explicit PinnedBuffer(int64_t size) : size_(size) {
    FLATENN_CUDA_CHECK(cudaMallocHost(&data_, static_cast<size_t>(size) * sizeof(T)));
  }
  PinnedBuffer(PinnedBuffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  PinnedBuffer& operator=(PinnedBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~PinnedBuffer() { cudaFreeHost(data_); }

  T* data() { return static_cast<T*>(data_); }
  int64_t size() const { return size_; }
  void reserve(int64_t size) {
    if (size > size_) *this = PinnedBuffer(size);
  }

 private:
  void* data_ = nullptr;
  int64_t size_ = 0;
};

class Stream {
 public:
  Stream() { FLATENN_CUDA_CHECK(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking)); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  ~Stream() { cudaStreamDestroy(stream_); }
  operator cudaStream_t() const { return stream_; }  // NOLINT(google-explicit-constructor)
  void wait() const { FLATENN_CUDA_CHECK(cudaStreamSynchronize(stream_)); }

 private:
  cudaStream_t stream_ = nullptr;
};

/// A point in a stream's work that the host can wait for.
class Event {
 public:
  Event() { FLATENN_CUDA_CHECK(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming)); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  ~Event() { cudaEventDestroy(event_); }
  void record(const Stream& stream) { FLATENN_CUDA_CHECK(cudaEventRecord(event_, stream)); }
  void wait() const { FLATENN_CUDA_CHECK(cudaEventSynchronize(event_)); }

 private:
  cudaEvent_t event_ = nullptr;
};

}  // namespace flatenn::engine::cuda
