#pragma once

#include <cstddef>
#include <initializer_list>
#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

namespace flatenn {

/// A vector of numbers that may instead lie in a file which is mapped into memory: the system reads
/// its pages when they are used and may drop them again, so that they can be more than the memory
/// holds; or in memory that another object owns. Copies of such a one share the numbers; changing
/// an element copies them into memory of its own first.
template <typename T>
class MappableVector {
 public:
  using value_type = T;
  using reference = T&;
  using const_reference = const T&;
  using iterator = T*;
  using const_iterator = const T*;
  using size_type = size_t;
  using difference_type = std::ptrdiff_t;

  MappableVector() = default;
  MappableVector(std::vector<T> values)  // NOLINT(google-explicit-constructor)
      : values_(std::move(values)) {}
  MappableVector(std::initializer_list<T> values) : values_(values) {}
  /// `size` numbers from `mapped` on, which are there as long as `file` is.
  MappableVector(std::shared_ptr<const void> file, const T* mapped, size_t size)
      : file_(std::move(file)), mapped_(mapped), mapped_size_(size) {}
  /// `size` numbers from `data` on, in memory that is there as long as `owner` is.
  static MappableVector borrowed(std::shared_ptr<const void> owner, const T* data, size_t size) {
    MappableVector vector(std::move(owner), data, size);
    vector.in_file_ = false;
    return vector;
  }

  bool is_mapped() const { return file_ != nullptr; }
  bool in_file() const { return is_mapped() && in_file_; }
  const std::shared_ptr<const void>& file() const { return file_; }  ///< Null where in memory.

  size_t size() const { return is_mapped() ? mapped_size_ : values_.size(); }
  bool empty() const { return size() == 0; }
  const T* data() const { return is_mapped() ? mapped_ : values_.data(); }
  const T* begin() const { return data(); }
  const T* end() const { return data() + size(); }
  const T& operator[](size_t at) const { return data()[at]; }
  const T& at(size_t at) const {
    if (at >= size()) throw std::out_of_range("MappableVector::at");
    return data()[at];
  }

  T* data() { return in_memory().data(); }
  T* begin() { return data(); }
  T* end() { return data() + size(); }
  T& operator[](size_t at) { return in_memory()[at]; }

  void reserve(size_t size) { in_memory().reserve(size); }
  void push_back(T value) { in_memory().push_back(value); }
  void clear() { *this = {}; }
  template <typename Iterator>
  void assign(Iterator first, Iterator last) {
    *this = std::vector<T>(first, last);
  }
  void assign(size_t count, T value) { *this = std::vector<T>(count, value); }
  template <typename Iterator>
  void insert(const T* before, Iterator first, Iterator last) {
    const auto at = before - std::as_const(*this).data();
    std::vector<T>& values = in_memory();
    values.insert(values.begin() + at, first, last);
  }
  /// A mapped one that gets shorter stays mapped.
  void resize(size_t size) {
    if (is_mapped() && size <= mapped_size_) {
      mapped_size_ = size;
    } else {
      in_memory().resize(size);
    }
  }

 private:
  std::vector<T>& in_memory() {
    if (is_mapped()) *this = std::vector<T>(mapped_, mapped_ + mapped_size_);
    return values_;
  }

  std::vector<T> values_;             ///< Empty where mapped.
  std::shared_ptr<const void> file_;  ///< What holds mapped_; null where in memory of its own.
  bool in_file_ = true;
  const T* mapped_ = nullptr;
  size_t mapped_size_ = 0;
};

template <typename T>
bool operator==(const MappableVector<T>& a, const MappableVector<T>& b) {
  return std::vector<T>(a.begin(), a.end()) == std::vector<T>(b.begin(), b.end());
}

}  // namespace flatenn
