#pragma once

#include <cstddef>
#include <string>

namespace flatenn {

/// Names a file under construction while it lives, so that a program that is told to end leaves no
/// part of it behind.
class UnfinishedFile {
 public:
  explicit UnfinishedFile(const std::string& path);
  ~UnfinishedFile();
  UnfinishedFile(const UnfinishedFile&) = delete;
  UnfinishedFile& operator=(const UnfinishedFile&) = delete;

 private:
  size_t slot_;
};

/// Deletes all of them. A signal handler may call it.
void remove_unfinished_files() noexcept;

}  // namespace flatenn
